"""When a ComfyUI is taken out because jobs fail on it, and when it is the jobs that are broken. Pure."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

__all__ = ["Breaker"]

BREAK_AFTER = 5
"""Failures of nodes in a row, with no success between them, that open the circuit."""
MOST_OF_ONE = 3
"""How many of them may be of one key's one kind of job."""
MOST_OF_KNOWN = 0.5
"""The same of a kind that had failed before the server came back."""
SLOW = 30.0
"""Seconds on a server after which a failure says half as much about it."""


class Breaker:
    """Weighs the failures on one server since its last success.

    A workflow that is broken fails wherever it runs; somebody who submits it five times must not take the
    server from everybody. So the failures of one key's one kind of job (its need: node types, models, tags)
    are not enough by themselves, unless jobs of that need are known to work, here or on another server:
    then it is the server. What may be wrong with a kind of job that never worked cannot be told apart from
    what may be wrong with the server, before another kind fails as well.

    A server that fails at once empties the queue, and is taken out for that; one that fails after long does
    less harm, and it is more often the job's doing (it ran out of memory, say): such a failure counts half.

    Of a server that came back one failure more is enough, but not one of a kind that failed before and never
    worked: whoever goes on submitting that would keep the server from everybody.

    Args:
        proven: The needs of which a job has ended well, on whichever server; shared by those of a worker.

    """

    def __init__(self, proven: set[str]) -> None:
        self.breaks = 0
        """How often it was taken out since its last success."""
        self.failures = 0
        """How many jobs have failed since then."""
        self._proven = proven
        self._weights: defaultdict[tuple[UUID, str], float] = defaultdict(float)
        self._failed_before: set[tuple[UUID, str]] = set()
        self._known = 0.0

    def succeeded(self, need: str) -> None:
        """A job ended well: whatever failed before is forgiven."""
        self._proven.add(need)
        self.breaks = 0
        self._failed_before.clear()
        self._begin(0.0)

    def failed(self, key_id: UUID, need: str, seconds: float) -> bool:
        """A node raised, so many seconds after its job was sent; return whether the server should go."""
        self.failures += 1
        self._weights[key_id, need] += 1.0 if seconds < SLOW else 0.5
        return self._known + sum(map(self._evidence, self._weights)) >= BREAK_AFTER

    def broke(self) -> None:
        """The server was taken out."""
        self.breaks += 1

    def came_back(self) -> None:
        """A probe went well. Of a server that was taken out before, one failure more may be enough."""
        self._failed_before.update(self._weights)
        self._begin(BREAK_AFTER - 1.0 if self.breaks else 0.0)

    def _begin(self, known: float) -> None:
        self.failures, self._known = 0, known
        self._weights.clear()

    def _evidence(self, kind: tuple[UUID, str]) -> float:
        weight, (_, need) = self._weights[kind], kind
        if need in self._proven:
            return weight
        return min(weight, MOST_OF_KNOWN if kind in self._failed_before else MOST_OF_ONE)
