"""When to read the server's state: often where messages cannot be relied on, rarely where they can.

``GET /queue`` carries every waiting graph, so it is read when something calls for it and otherwise rarely,
and never so often that reading it takes more than a tenth of the time. ``GET /history/{prompt_id}`` of a
prompt that has not ended answers ``{}``: that is the cheap probe, of the one prompt that should end next.
"""

from __future__ import annotations

from math import inf

from .feeds import FeedWatch

__all__ = ["Schedule"]

PROBE = 1.0
"""Seconds between probes while messages cannot be relied on."""
QUEUE_WHILE_DEAF = 2.0
"""Seconds between queue reads while the main feed is down or overdue."""
FIRST_QUIET_PROBE, SLOWEST_PROBE = 2.0, 5.0
"""Seconds of silence on a trusted feed before the first probe, and between probes at the most: so soon must a
server be found out that hangs with its connections open."""
FIRST_QUIET_QUEUE, SLOWEST_QUEUE = 10.0, 60.0
"""The same for queue reads."""
EXPLANATION = 0.25
"""Seconds in which a shorter queue may be explained by the end of a prompt of ours."""
SHARE = 10.0
"""A queue read that took a second is not repeated before ten have passed."""
PROBE_SHARE = 2.0
"""A probe that took a second is not repeated before two have passed since its answer: a slow server has
little to spare. ``SLOWEST_PROBE`` is the most, however long it took: silence must be found out.
"""
FIRST_RETRY, SLOWEST_RETRY = 0.1, 1.0
"""Seconds before a failed read is repeated; with the second look, an end is told within two seconds."""


class Schedule:
    """The times of one server's reads. ``now`` is always handed in."""

    def __init__(self) -> None:
        self.probed_at = -inf
        self._no_probe_before = -inf
        self._asked_at = inf
        self._read_at = -inf
        self._cost = 0.0
        self._unexplained = 0
        self._shortened_at = inf
        self._retry = FIRST_RETRY
        self._not_before = -inf

    def ask_queue(self, at: float) -> None:
        """Something calls for a queue read at ``at``."""
        self._asked_at = min(self._asked_at, at)

    def shortened(self, by: int, now: float) -> None:
        """The queue got shorter by ``by``; ends of our own prompts may explain it."""
        self._unexplained += by
        self._shortened_at = min(self._shortened_at, now)

    def explained(self) -> None:
        """A prompt of ours ended."""
        self._unexplained = max(self._unexplained - 1, 0)
        if self._unexplained == 0:
            self._shortened_at = inf

    def missed_an_end(self, now: float) -> None:
        """A probe found an end that was not heard; there may be others."""
        self.ask_queue(max(now, self._read_at + QUEUE_WHILE_DEAF))

    def queue_was_read(self, began: float, now: float) -> None:
        """A queue read is done; what called for one while it was under way calls for another."""
        self._read_at, self._cost = now, now - began
        if self._asked_at <= began:
            self._asked_at = inf
        if self._shortened_at <= began:
            self._shortened_at, self._unexplained = inf, 0
        self.server_answered()

    def probe_was_read(self, began: float, now: float) -> None:
        """A probe is answered; the slower that was, the longer the next one waits."""
        self._no_probe_before = now + min((now - began) * PROBE_SHARE, SLOWEST_PROBE)

    def server_answered(self) -> None:
        """A read succeeded."""
        self._retry = FIRST_RETRY

    def read_failed(self, now: float) -> float:
        """Return the seconds to wait before reading again."""
        pause, self._retry = self._retry, min(self._retry * 2, SLOWEST_RETRY)
        self.probed_at, self._not_before = now, now + pause
        return pause

    def queue_at(self, feeds: FeedWatch, now: float) -> float:
        """When the queue should be read next."""
        soonest = max(self._read_at + self._cost * SHARE, self._not_before)
        if not feeds.is_trusted(feeds.client_id, now):
            periodic = self._read_at + QUEUE_WHILE_DEAF
        else:
            periodic = _after_silence(self._read_at, feeds.last_heard, FIRST_QUIET_QUEUE, SLOWEST_QUEUE, 1.0)
        shortened = max(self._shortened_at + EXPLANATION, self._read_at + PROBE)
        return max(min(self._asked_at, periodic, shortened), soonest)

    def probe_at(self, feeds: FeedWatch, *, is_trusted: bool) -> float:
        """When the history of the prompt that should end next is worth a look."""
        if is_trusted:
            at = _after_silence(self.probed_at, feeds.last_heard, FIRST_QUIET_PROBE, SLOWEST_PROBE, 0.5)
        else:
            at = max(self.probed_at, self._read_at) + PROBE
        return max(at, self._no_probe_before)


def _after_silence(last: float, heard: float, first: float, slowest: float, share: float) -> float:
    """The first look comes ``first`` seconds after the last word, the next after ``share`` of the silence."""
    if last <= heard:
        return heard + first
    return last + min(max((last - heard) * share, first / 2), slowest)
