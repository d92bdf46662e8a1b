"""What a worker knows of one ComfyUI, and what is due on it now.

No I/O and no clock: the shell (``server.py``) says what it heard, and when, and asks :meth:`ServerState.due`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from enum import Enum, StrEnum
from math import inf
from uuid import UUID

from comfywire.service.worker.breaker import Breaker
from comfywire.service.worker.pace import Pace

__all__ = ["Condition", "Due", "ServerState"]


class Condition(StrEnum):
    """How a ComfyUI is, in the words of ``/api/v2/servers``."""

    UP = "up"
    """It was reached, read and heard, and has answered since."""
    DOWN = "down"
    """It is not reached, or a probe found something wrong."""
    BROKEN = "broken"
    """Job after job failed on it."""


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
        foreign: How many prompts of other people its queue had at the last look.
        loaded: The model files that its last job used.
        counts: What happened to it and to jobs on it, by name.

    """

    def __init__(self, *, slots: int, proven: set[str], pace: Pace) -> None:
        self.condition = Condition.DOWN
        self.reason = "not probed yet"
        self.wanted = "active"
        self.open: set[str] = set()
        self.foreign = 0
        self.loaded: frozenset[str] = frozenset()
        self.counts: Counter[str] = Counter()
        self._slots = slots
        self._pace = pace
        self._breaker = Breaker(proven)
        self._probes = 0
        self._due_at = -inf

    # For the choice

    @property
    def has_room(self) -> bool:
        """Whether it may be given a job: where other people have prompts, ours go there one at a time."""
        slots = 1 if self.foreign else self._slots
        return self.condition is Condition.UP and self.wanted == "active" and len(self.open) < slots

    def took(self, prompt_id: str, models: frozenset[str] = frozenset()) -> None:
        """A job that uses these model files is on its way there."""
        self.open.add(prompt_id)
        self.loaded = models or self.loaded

    def let_go(self, prompt_id: str) -> None:
        """A job is not there any more."""
        self.open.discard(prompt_id)

    # What jobs tell

    def succeeded(self, need: str) -> None:
        """A job of this need ended well."""
        self.counts["succeeded"] += 1
        self._breaker.succeeded(need)

    def failed(self, key_id: UUID, need: str, seconds: float, now: float) -> None:
        """A node raised, so long after its job was sent; several in a row, and the server is taken out."""
        self.counts["failed"] += 1
        if self._breaker.failed(key_id, need, seconds) and self.condition is Condition.UP:
            self._breaker.broke()
            pauses = self._pace.broken_probes
            reason = f"{self._breaker.failures} jobs in a row failed on it"
            self._leave(Condition.BROKEN, reason, now + _nth(pauses, self._breaker.breaks))

    # What the shell hears

    def look_begins(self, now: float) -> None:
        """The next look is due later, whatever comes of this one."""
        self._due_at = now + self._pace.look

    def queue_was_read(self, prompt_ids: Collection[str]) -> None:
        """It has these prompts, ours and other people's."""
        self.foreign = len(set(prompt_ids) - self.open)

    def went_away(self, reason: str, now: float) -> None:
        """It was not reached, or refused to work, while it was thought to be up."""
        if self.condition is Condition.UP:
            self._leave(Condition.DOWN, reason, now + self._pace.probes[0])

    def probe_begins(self, now: float) -> None:
        """The next probe is due later: each time it takes longer, up to the last pause."""
        self._probes += 1
        self._due_at = now + _nth(self._pace.probes, self._probes)

    def probe_failed(self, reason: str) -> None:
        """It is still away, or something is wrong with it."""
        self.reason = reason

    def came_up(self, now: float) -> None:
        """A probe went well: it was reached, its catalogue was read, and a tiny prompt of ours was heard."""
        self.condition, self.reason, self._probes = Condition.UP, "", 0
        self._due_at = now + self._pace.look
        self._breaker.came_back()

    def _leave(self, condition: Condition, reason: str, probe_at: float) -> None:
        self.condition, self.reason, self._due_at = condition, reason, probe_at
        self.counts[condition] += 1

    # What is due

    def due(self, now: float, *, is_asked: bool = False) -> Due | None:
        """Return what should be done now; ``is_asked``: somebody wants to know how a server is that is up."""
        if self.condition is Condition.UP:
            return Due.LOOK if is_asked or now >= self._due_at else None
        return Due.PROBE if now >= self._due_at else None

    def next_due(self, now: float) -> float:
        """Seconds until something is due."""
        return max(self._due_at - now, 0.0)


def _nth(pauses: tuple[float, ...], count: int) -> float:
    return pauses[min(count, len(pauses)) - 1]
