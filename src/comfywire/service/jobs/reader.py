"""The events of a job, and how far into them a reader is. Pure.

Events of a job are numbered: changes of state, outputs, and the latest progress share one sequence. Whoever
has seen everything up to a number can go on after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from comfywire.service.jobs.live_jobs import LiveJob, Preview
from comfywire.service.jobs.records import OutputRecord, Transition

__all__ = ["NOWHERE", "Event", "Queued", "Reader"]


@dataclass(frozen=True, slots=True)
class Queued:
    """A job that waits has come nearer, or waits for another reason."""

    position: int | None
    reason: str | None

    def is_news_after(self, before: Queued) -> bool:
        """Whether it is worth telling: that a worker has taken the job is told as a change of its state."""
        if self.position is None:
            return self.reason not in (None, before.reason)
        return self != before


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job.

    Attributes:
        value: What; a dict is a snapshot of the progress.
        id: Its number; None for what cannot be asked for again.

    """

    value: Transition | OutputRecord | Preview | Queued | dict[str, Any]
    id: int | None = None

    @property
    def name(self) -> str:
        """What the Comfy API v2 calls it."""
        match self.value:
            case Transition() | Queued():
                return "status"
            case OutputRecord():
                return "output"
            case Preview():
                return "preview"
            case _:
                return "progress"


NOWHERE = Queued(None, None)


class Reader:
    """Where somebody who reads a live job is.

    Args:
        live: The job.
        after: The number after which to go on; None begins with the job as it stands.
        previews: Whether pictures are wanted.

    """

    def __init__(self, live: LiveJob, *, after: int | None = None, previews: bool = False) -> None:
        self._live = live
        self._previews = previews
        self._status = live.transitions[-1].event_id - 1 if after is None and live.transitions else after or 0
        self._output = self._progress = after or 0
        self._place = self.place
        self._preview: Preview | None = None
        self.is_done = False
        """Whether the last event of the job has been taken."""

    @property
    def place(self) -> Queued:
        """Where it waits now."""
        return Queued(self._live.position, self._live.waiting_reason)

    @property
    def has_seen_the_end(self) -> bool:
        """Whether a reader that begins here has nothing to wait for."""
        job = self._live.job
        return job is None or (job.is_over and self._status >= self._live.last_transition)

    def take(self) -> list[Event]:
        """Return what is new, in order; of progress, pictures and positions only the latest."""
        job = self._live.job
        events = sorted(self._numbered(), key=lambda event: event.id or 0)
        self.is_done = job is None or job.is_over
        if not self.is_done:
            events += self._unnumbered(has_status=any(event.name == "status" for event in events))
        return events

    def _numbered(self) -> Iterator[Event]:
        live, job = self._live, self._live.job
        for transition in live.transitions:
            if transition.event_id > self._status:
                yield Event(transition, transition.event_id)
        for output in live.outputs.values():
            if output.event_id > self._output:
                yield Event(output, output.event_id)
        told = job.progress_event if job is not None and job.started_at is not None else None
        if job is not None and job.progress is not None and told is not None and told > self._progress:
            self._progress = told
            yield Event(job.progress, told)
        self._status = max(self._status, live.last_transition)
        self._output = max([self._output, *(output.event_id for output in live.outputs.values())])

    def _unnumbered(self, *, has_status: bool) -> Iterator[Event]:
        live = self._live
        before, self._place = self._place, self.place
        if not has_status and self._place.is_news_after(before):
            yield Event(self._place)
        preview = live.preview
        if self._previews and preview is not None and preview != self._preview:
            self._preview = preview
            yield Event(preview)
