"""Many prompts on one server: who a message is for, and what to read next, and when.

A session does no I/O and has no clock. The shell hands it messages, snapshots and ``now``, and asks
:meth:`Session.reads_due`. Reads are per server, not per job: one ``/queue`` answers for all open prompts,
then ``/history/{prompt_id}`` is read only for those that left it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .feeds import OWED_WORD, FeedKey, FeedWatch
from .job import Phase, advance, reconcile
from .messages import Executing, ExecutionSuccess, FeatureFlags, Message, PreviewImage, Status
from .schedule import Schedule
from .snapshots import HistoryEntry, QueueSnapshot
from .tracked import SocketImage, Tracked

__all__ = ["Event", "Read", "Session"]

Event = Message | SocketImage
GONE = QueueSnapshot()
CONFIRM = 0.75
"""Seconds between the two looks that must both find a prompt nowhere before that is believed."""
LAST_WORD = 0.5
"""Seconds for which the socket of a prompt that was taken over may be behind the history."""
READ_AGAIN = 0.1
"""Seconds before a history entry that should be there is read again; doubled each time, up to one second."""


@dataclass(frozen=True, slots=True)
class Read:
    """Something to fetch: ``GET /history/{prompt_id}``, or ``GET /queue`` when ``prompt_id`` is None."""

    prompt_id: str | None = None


class Session:
    """Follows every open prompt of one server."""

    def __init__(self, new_client_id: Callable[[], str], *, owed_word: float = OWED_WORD) -> None:
        self.feeds = FeedWatch(new_client_id, owed_word=owed_word)
        self.open: dict[str, Tracked] = {}
        self._schedule = Schedule()
        self._due: dict[str, float] = {}
        self._under_way: dict[str | None, bool] = {}
        """What is being read, and whether it is read again when that fails: probes are not."""
        self._last_running: Tracked | None = None
        self._remaining: int | None = None
        self._names_previews: set[FeedKey] = set()
        self.witness: str | None = None
        """A prompt whose history entry was read: while it is there, the server has not been restarted."""

    # Prompts come

    def expect(
        self,
        prompt_id: str,
        graph: Mapping[str, Any],
        now: float,
        *,
        targets: Collection[str] | None = None,
    ) -> Tracked:
        """Follow a prompt that is about to be submitted: its messages may overtake the reply."""
        client_id = self.feeds.client_id
        tracked = Tracked.begin(prompt_id, graph, client_id=client_id, now=now, targets=targets)
        tracked.has_missed = not self.feeds.is_open
        return self._follow(tracked)

    def attach(self, prompt_id: str, now: float, *, takes_over: bool = False) -> Tracked:
        """Follow a prompt that somebody else, or an earlier process, submitted.

        If that one is gone for good, ``takes_over`` has what it would be told told to us.
        """
        tracked = Tracked.begin(prompt_id, {}, client_id=None, now=now)
        tracked.takes_over = takes_over
        tracked.accepted_at, tracked.has_missed = now, True
        self._schedule.ask_queue(now)
        return self._follow(tracked)

    def accepted(self, prompt_id: str, now: float) -> None:
        """The server's reply to the submission came."""
        tracked = self.open.get(prompt_id)
        if tracked is not None and tracked.accepted_at is None:
            tracked.see("the reply to its submission", now)
            # Our own submission is a probe: the server has broadcast a status when it was queued
            # (execution.py, PromptQueue.put, 0.3.64).
            self.feeds.owes(tracked.client_id, tracked.began_at, now)

    def doubt(self, prompt_id: str, now: float, *, grace: float) -> None:
        """The reply was lost: look for the prompt; after ``grace`` seconds, believe that it is nowhere.

        The server validates before it queues (server.py, ``post_prompt``), so it may still be on its way.
        """
        tracked = self.open.get(prompt_id)
        if tracked is not None:
            tracked.accepted_at, tracked.confirm_for = now, grace
            self._schedule.ask_queue(now)

    def forget(self, prompt_id: str) -> None:
        """Stop following a prompt."""
        self.open.pop(prompt_id, None)
        self._due.pop(prompt_id, None)
        if self.feeds.has_company:
            self.feeds.retire(self._open_ids(), has_open=bool(self.open))

    def _follow(self, tracked: Tracked) -> Tracked:
        tracked.confirm_for = CONFIRM
        self.open[tracked.prompt_id] = tracked
        return tracked

    # The feed speaks

    def feed_opened(self, key: FeedKey, now: float) -> None:
        """A socket was opened and greeted; whatever was said before is missed."""
        self.feeds.opened(key, now)
        if self.feeds.is_main(key):
            self._remaining = None
            if any(tracked.accepted_at is not None for tracked in self.open.values()):
                self._schedule.ask_queue(now)

    def feed_lost(self, key: FeedKey) -> None:
        """A socket closed."""
        self._may_have_missed(key.client_id)
        self.feeds.lost(key, self._open_ids(), has_open=bool(self.open))

    def _may_have_missed(self, client_id: str) -> None:
        for tracked in self.open.values():
            tracked.has_missed |= tracked.client_id == client_id

    def hear(self, key: FeedKey, message: Message, now: float) -> tuple[Tracked, Event] | None:
        """Take in a message; return the prompt of ours that it is about, if any, and the event that it is."""
        self.feeds.heard(key, now)
        if message.prompt_id is None:
            self._hear_of_all(key, message, now)
        tracked = self._owner(key, message)
        if tracked is None:
            return None
        if isinstance(message, PreviewImage):
            return tracked, self._take_picture(tracked, message)
        if isinstance(message, Executing) and message.prompt_id is None:
            message = replace(message, prompt_id=tracked.prompt_id)
        self._advance(tracked, message, now)
        return tracked, message

    def _hear_of_all(self, key: FeedKey, message: Message, now: float) -> None:
        match message:
            case Status() if self.feeds.is_main(key):
                self._count(message, now)
            case Status(sid=None):  # a greeting is for one socket alone
                self.feeds.broadcast(key, now)
            case FeatureFlags(flags={"supports_preview_metadata": True}):
                # Sockets come and go for as long as the client is open: only those that are wanted are kept.
                self._names_previews = {key, *self._names_previews.intersection(self.feeds.wanted())}
            case _:
                pass

    def _owner(self, key: FeedKey, message: Message) -> Tracked | None:
        if message.prompt_id is not None:
            return self.open.get(message.prompt_id)
        if isinstance(message, PreviewImage) and key in self._names_previews:
            return None  # our own would carry their ids (main.py, hijack_progress, 0.3.64): somebody else's
        if isinstance(message, PreviewImage) or (isinstance(message, Executing) and message.node is not None):
            # The greeting of a reconnected socket and previews without metadata name no prompt. The
            # server runs one at a time, so they are about the one of ours that runs.
            running = [
                tracked
                for tracked in self.open.values()
                if tracked.state.phase is Phase.RUNNING and tracked.client_id == key.client_id
            ]
            return running[0] if len(running) == 1 else None
        return None

    def _take_picture(self, tracked: Tracked, picture: PreviewImage) -> Event:
        owned = replace(picture, prompt_id=tracked.prompt_id, node_id=picture.node_id or tracked.state.node)
        result = tracked.as_result(owned)
        if result is None:
            return owned
        tracked.images.append(result)
        return result

    def _advance(self, tracked: Tracked, message: Message, now: float) -> None:
        if message.prompt_id is None:
            return
        before = tracked.state
        after = tracked.state = advance(before, message)
        tracked.tally.hear(message)
        tracked.see("its messages", now)
        if after.phase is Phase.RUNNING:
            tracked.position, self._last_running = 0, tracked
        if after.history_is_due and not before.history_is_due:
            self._schedule.explained()
            self._due[tracked.prompt_id] = now

    def _count(self, status: Status, now: float) -> None:
        """A queue that got shorter without an end of ours: somebody's prompt ended, or one was deleted."""
        remaining, self._remaining = self._remaining, status.queue_remaining
        if (
            self.open
            and remaining is not None
            and self._remaining is not None
            and self._remaining < remaining
        ):
            self._schedule.shortened(remaining - self._remaining, now)

    # What to read

    def reads_due(self, now: float) -> list[Read]:
        """Return what to fetch now; each is under way until its outcome is handed back."""
        if self.feeds.next_review(has_open=bool(self.open)) <= now:
            self._may_have_missed(self.feeds.client_id)
            self.feeds.review(now, self._open_ids(), has_open=bool(self.open))
        reads = [Read(prompt_id) for prompt_id, at in self._due.items() if at <= now]
        front = self._front()
        if front is not None and self._queue_is_due(now):
            reads.append(Read())
        elif front is not None and self._probe_at(front, now) <= now:
            reads.append(Read(front.prompt_id))
            self._schedule.probed_at = now
        reads = [read for read in reads if read.prompt_id not in self._under_way]
        for read in reads:
            self._under_way[read.prompt_id] = self._due.pop(read.prompt_id or "", None) is not None
        return reads

    def _queue_is_due(self, now: float) -> bool:
        """A slow read that is under way holds up no probe; else one would be due at once, for ever."""
        return None not in self._under_way and self._schedule.queue_at(self.feeds, now) <= now

    def next_due(self, now: float) -> float:
        """When :meth:`reads_due` may next have something, or the wanted feeds may change."""
        times = [at for key, at in self._due.items() if key not in self._under_way] if self._due else []
        times.append(self.feeds.next_review(has_open=bool(self.open)))
        front = self._front()
        if front is not None:
            if None not in self._under_way:
                times.append(self._schedule.queue_at(self.feeds, now))
            times.append(self._probe_at(front, now))
        return min(times)

    def queue_was_read(self, snapshot: QueueSnapshot, *, began: float, now: float) -> list[Tracked]:
        """Take in a snapshot whose reading began at ``began``; return the prompts that it has news of."""
        self._under_way.pop(None, None)
        self._schedule.queue_was_read(began, now)
        ahead = {prompt_id: place for place, prompt_id in enumerate((*snapshot.running, *snapshot.pending))}
        changed = []
        for tracked in self.open.values():
            if tracked.accepted_at is None or tracked.accepted_at > began:
                continue  # older than the prompt: it cannot speak about it
            if tracked.prompt_id in ahead:
                changed += self._is_queued(tracked, snapshot, ahead[tracked.prompt_id], now)
            else:
                tracked.absent_after = now
                self._due[tracked.prompt_id] = now
        return changed

    def _is_queued(self, tracked: Tracked, snapshot: QueueSnapshot, place: int, now: float) -> list[Tracked]:
        before = (tracked.state.phase, tracked.position)
        tracked.state = reconcile(tracked.state, snapshot, None)
        tracked.position = place
        if tracked.state.phase is Phase.RUNNING:
            self._last_running = tracked
        tracked.see("the running queue" if place < len(snapshot.running) else "the pending queue", now)
        if not tracked.graph and snapshot.graphs.get(tracked.prompt_id):
            self._learn_graph(tracked, snapshot.graphs[tracked.prompt_id])
        submitter = snapshot.client_ids.get(tracked.prompt_id)
        if tracked.takes_over and tracked.client_id is None and submitter is not None:
            tracked.client_id = submitter
            self.feeds.take_over(submitter)
        return [tracked] if before != (tracked.state.phase, tracked.position) else []

    def _learn_graph(self, tracked: Tracked, graph: Mapping[str, Any]) -> None:
        fresh = Tracked.begin(tracked.prompt_id, graph, client_id=None, now=0.0)
        tracked.graph, tracked.tally = fresh.graph, fresh.tally

    def history_was_read(
        self, prompt_id: str, entry: HistoryEntry | None, *, began: float, now: float
    ) -> Tracked | None:
        """Take in a history read that began at ``began``; return the prompt if that finished it."""
        if self._under_way.pop(prompt_id, None) is False:
            self._schedule.probe_was_read(began, now)
        self._schedule.server_answered()
        tracked = self.open.get(prompt_id)
        if tracked is None:
            return None
        if entry is not None:
            if self._may_yet_hear(tracked, now):
                assert tracked.last_word_by is not None
                self._due[prompt_id] = tracked.last_word_by
                return None
            return self._finish(tracked, entry, now)
        if tracked.absent_after is not None and began >= tracked.absent_after:
            return self._is_absent(tracked, now)
        if tracked.state.history_is_due:
            # The end was heard and the entry is not there: evicted, cleared, or held back. Look properly.
            tracked.read_pause = min(max(tracked.read_pause * 2, READ_AGAIN), 1.0)
            self._due[prompt_id] = now + tracked.read_pause
            self._schedule.ask_queue(now)
        return None

    def _may_yet_hear(self, tracked: Tracked, now: float) -> bool:
        """Whether a prompt that was taken over has ended, and its socket may be about to say more of it."""
        if not tracked.takes_over or tracked.client_id is None or tracked.state.history_is_due:
            return False
        if tracked.last_word_by is None:
            tracked.last_word_by = now + LAST_WORD
        return now < tracked.last_word_by

    def _finish(self, tracked: Tracked, entry: HistoryEntry | None, now: float) -> Tracked:
        was_silent, was_probed = not tracked.state.history_is_due, tracked.absent_after is None
        tracked.state = reconcile(tracked.state, GONE, entry)
        if isinstance(tracked.state.verdict, ExecutionSuccess):
            tracked.tally.end()
        if entry is not None:
            tracked.see("history", now)
            self.witness = tracked.prompt_id
            if not tracked.graph:
                self._learn_graph(tracked, entry.graph)
            if was_silent:
                # Its end was sent before we could read this, and was not heard.
                self.feeds.owes(tracked.client_id, now, now)
                if was_probed:
                    self._schedule.missed_an_end(now)
        self.forget(tracked.prompt_id)
        return tracked

    def _is_absent(self, tracked: Tracked, now: float) -> Tracked | None:
        """In neither, queue first: gone, if a second look says so too."""
        tracked.absent_after = None
        if tracked.absent_since is None:
            tracked.absent_since = now
        if now - tracked.absent_since >= tracked.confirm_for:
            return self._finish(tracked, None, now)
        self._schedule.ask_queue(now + min(CONFIRM, tracked.absent_since + tracked.confirm_for - now))
        return None

    def read_failed(self, read: Read, now: float) -> None:
        """The server did not answer, or not properly: that says nothing about any prompt."""
        was_due = self._under_way.pop(read.prompt_id, False) or read.prompt_id in self._due
        pause = self._schedule.read_failed(now)
        if read.prompt_id is None:
            self._schedule.ask_queue(now + pause)
        elif was_due and read.prompt_id in self.open:
            self._due[read.prompt_id] = now + pause

    def look_now(self, prompt_id: str, now: float) -> None:
        """The server was told to let go of this prompt: read what came of it, and believe one look."""
        tracked = self.open.get(prompt_id)
        if tracked is not None:
            tracked.confirm_for = 0.0
            self._schedule.ask_queue(now)
            self._due[prompt_id] = now

    @property
    def wants_graphs(self) -> bool:
        """Whether a prompt is followed whose graph only the queue can tell."""
        return any(not tracked.graph for tracked in self.open.values())

    def _probe_at(self, front: Tracked, now: float) -> float:
        return self._schedule.probe_at(self.feeds, is_trusted=self.feeds.is_trusted(front.client_id, now))

    def _front(self) -> Tracked | None:
        """The prompt that should end next, None where none was accepted: to read its history is cheap."""
        running = self._last_running
        if running is not None and self.open.get(running.prompt_id) is running:
            return running
        for tracked in self.open.values():
            if tracked.accepted_at is not None:
                return tracked
        return None

    def _open_ids(self) -> set[str]:
        return {tracked.client_id for tracked in self.open.values() if tracked.client_id is not None}
