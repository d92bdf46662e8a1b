"""What a worker knows of one ComfyUI, and what is due on it now.

No I/O and no clock: the shell (``fleet_server.py``) says what it heard, and when, and asks
:meth:`ServerState.due`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import Enum, StrEnum
from math import inf
from uuid import UUID

from comfywire.service.worker.breaker import Breaker
from comfywire.service.worker.pace import Pace

__all__ = ["Condition", "Due", "ServerState"]

KEYS_THAT_PROVE_IT = 2
"""Of how many keys' requests must have failed, one after the other, before it is not the keys' data."""


class Condition(StrEnum):
    """How a ComfyUI is, in the words of ``/api/v2/servers``."""

    UP = "up"
    """The ComfyUI was reached, read and heard, and has answered since."""
    DOWN = "down"
    """The ComfyUI is not reached, or a probe found something wrong."""
    BROKEN = "broken"
    """Job after job failed on the ComfyUI."""
    STUCK = "stuck"
    """The ComfyUI answers, and does not let go of a prompt, or begins none."""


class Due(Enum):
    """What the shell should do next."""

    LOOK = "read its queue"
    PROBE = "find out whether it is back"


class ServerState:
    """One ComfyUI.

    Args:
        slots: Prompts of ours that it is given at a time.
        proven: The needs of which a job has ended well on any server; a success here adds to them.
        pace: How long to wait between one thing and the next.

    Attributes:
        condition: How it is.
        reason: Why it is not up; empty when it is.
        wanted: What the operator wants of it: ``active``, ``paused`` or ``draining``.
        open: Our prompts there, from the moment in which their jobs are sent.
        abandoned: Prompts that it did not let go of, whose jobs have ended or are elsewhere.
        foreign: How many prompts of other people its queue had at the last look.
        loaded: The model files that its last job used.
        counts: What happened to it and to jobs on it, by name.
        running_since: When the prompt of ours that it runs was first seen to run; None when it runs none.

    """

    def __init__(self, *, slots: int, proven: set[str], pace: Pace) -> None:
        self.condition = Condition.DOWN
        self.reason = "not probed yet"
        self.wanted = "active"
        self.open: set[str] = set()
        self.abandoned: set[str] = set()
        self.foreign = 0
        self.loaded: frozenset[str] = frozenset()
        self.counts: Counter[str] = Counter()
        self.running_since: float | None = None
        self._slots = slots
        self._pace = pace
        self._breaker = Breaker(proven)
        self._probes = 0
        self._due_at = -inf
        self._refused: set[UUID] = set()
        self._is_doubted = False
        self._running: str | None = None
        self._pending: tuple[str, ...] = ()
        self._stands_since: float | None = None
        self._alone: str | None = None
        self._begun: str | None = None
        self._spared: set[str] = set()

    def want(self, wanted: str) -> None:
        """The operator wants the server ``active``, ``paused`` or ``drained``."""
        self.wanted = wanted

    # For the choice

    @property
    def has_room(self) -> bool:
        """Whether it may be given a job: where other people have prompts, ours go there one at a time."""
        slots = 1 if self.foreign or self._alone is not None else self._slots
        return self.is_at_work and not self._is_doubted and len(self.open) < slots

    @property
    def is_at_work(self) -> bool:
        """Whether jobs are for it, at once or when it has room again."""
        return self.condition is Condition.UP and self.wanted == "active"

    def took(self, prompt_id: str, models: frozenset[str] = frozenset()) -> None:
        """A job that uses these model files is on its way there."""
        self.open.add(prompt_id)
        self.loaded = models or self.loaded

    def runs_alone(self, prompt_id: str) -> None:
        """No other job is to wait behind this one."""
        self._alone = prompt_id

    def let_go(self, prompt_id: str) -> None:
        """A job is not there any more."""
        self.open.discard(prompt_id)
        self._spared.discard(prompt_id)
        if self._alone == prompt_id:
            self._alone = None

    # What jobs tell

    def succeeded(self, need: str) -> None:
        """A job of this need ended well."""
        self.counts["succeeded"] += 1
        self._refused.clear()
        self._breaker.succeeded(need)

    def failed(self, key_id: UUID, need: str, seconds: float, now: float) -> None:
        """A node raised, so long after its job was sent; several in a row, and the server is taken out."""
        self.counts["failed"] += 1
        if self._breaker.failed(key_id, need, seconds) and self.condition is Condition.UP:
            self._breaker.broke()
            pauses = self._pace.broken_probes
            reason = f"{self._breaker.failures} jobs in a row failed on it"
            self._leave(Condition.BROKEN, reason, now + _nth(pauses, self._breaker.breaks))

    def refused(self, key_id: UUID, reason: str, now: float) -> None:
        """A request for a job of this key was answered with an error of the ComfyUI's, or broke off.

        The job's data may have provoked that. So the server stays up, and is given nothing until a probe, at
        once, has found it well; unless other keys' jobs had the same answer.
        """
        self._refused.add(key_id)
        if len(self._refused) >= KEYS_THAT_PROVE_IT:
            self.went_away(reason, now)
        elif self.condition is Condition.UP:
            self._is_doubted, self._due_at = True, now

    def began(self, prompt_id: str) -> None:
        """A prompt of ours was heard to begin."""
        self._begun = prompt_id

    def ended(self, prompt_id: str) -> None:
        """A prompt of ours has ended, well or not."""
        if self._begun == prompt_id:
            self._begun = None

    def may_have_begun(self, prompt_id: str) -> bool:
        """Whether a prompt that it has lost may have begun there.

        It runs one at a time (main.py, prompt_worker): what waited behind a prompt of ours that has begun and
        was not heard to end has not begun. Both are lost at once, and either of their runs may ask first.
        """
        if self._begun == prompt_id:
            self._spared |= self.open - {prompt_id}
            self._begun = None
            return True
        return prompt_id not in self._spared and self._begun is None

    def got_stuck(self, reason: str, now: float, *, prompt_id: str | None = None) -> None:
        """The ComfyUI does not let go of this prompt, or begins none at all."""
        if prompt_id is not None:
            self.abandoned.add(prompt_id)
        if self.condition is Condition.UP:
            self._leave(Condition.STUCK, reason, now + self._pace.probes[0])

    # What the shell hears

    def look_begins(self, now: float) -> None:
        """The next look is due later, whatever comes of this one."""
        self._due_at = now + self._pace.look

    def queue_was_read(self, running: Sequence[str], pending: Sequence[str], now: float) -> None:
        """The queue has these prompts, ours and other people's."""
        ours = next((one for one in running if one in self.open or one in self.abandoned), None)
        if ours != self._running:
            self._running, self.running_since = ours, None if ours is None else now
        does_move = bool(running) or not pending or tuple(pending) != self._pending
        self._stands_since = (
            None if does_move else (now if self._stands_since is None else self._stands_since)
        )
        self._pending = tuple(pending)
        self.abandoned.intersection_update({*running, *pending})
        self.foreign = len({*running, *pending} - self.open - self.abandoned)

    def stands_for(self, now: float) -> float:
        """Return for how many seconds it has had prompts and has run none, as if its worker had died."""
        return 0.0 if self._stands_since is None else now - self._stands_since

    def went_away(self, reason: str, now: float) -> None:
        """The ComfyUI was not reached, or refused to work, while it was thought to be up."""
        if self.condition is Condition.UP:
            self._leave(Condition.DOWN, reason, now + self._pace.probes[0])

    def probe_begins(self, now: float) -> None:
        """The next probe is due later: each time it takes longer, up to the last pause."""
        self._probes += 1
        self._due_at = now + _nth(self._pace.probes, self._probes)

    def probe_failed(self, reason: str, now: float) -> None:
        """The ComfyUI is still away, or something is wrong with it."""
        if self.condition is Condition.UP:
            self._leave(Condition.DOWN, reason, now + self._pace.probes[0])
        self.reason = reason

    def came_up(self, now: float) -> None:
        """A probe went well: it was reached, its catalogue was read, and a tiny prompt of ours was heard."""
        if self.condition is not Condition.UP:
            self._breaker.came_back()
            self._stands_since = None
        self.condition, self.reason, self._probes, self._is_doubted = Condition.UP, "", 0, False
        self._due_at = now + self._pace.look

    def _leave(self, condition: Condition, reason: str, probe_at: float) -> None:
        self.condition, self.reason, self._due_at = condition, reason, probe_at
        self._is_doubted = False
        self._refused.clear()
        self.counts[condition] += 1

    # What is due

    def due(self, now: float, *, is_asked: bool = False) -> Due | None:
        """Return what should be done now; ``is_asked``: somebody wants to know how a server is that is up."""
        if self.condition is Condition.UP and not self._is_doubted:
            return Due.LOOK if is_asked or now >= self._due_at else None
        return Due.PROBE if now >= self._due_at else None

    def next_due(self, now: float) -> float:
        """Seconds until something is due."""
        return max(self._due_at - now, 0.0)


def _nth(pauses: tuple[float, ...], count: int) -> float:
    return pauses[min(count, len(pauses)) - 1]
