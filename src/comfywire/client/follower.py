"""The shell around :class:`~comfywire.protocol.session.Session`: its sockets, its reads and its clock."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Coroutine, Mapping
from math import inf
from typing import Any
from urllib.parse import quote

from comfywire.errors import (
    ComfywireError,
    ConnectionFailed,
    ConnectionLost,
    ReplyRefused,
    ServerError,
    UnexpectedReply,
)
from comfywire.protocol.feeds import FeedKey
from comfywire.protocol.messages import Message, Status
from comfywire.protocol.schedule import EXPLANATION
from comfywire.protocol.session import Read, Session
from comfywire.protocol.snapshots import QueueSnapshot, parse_history, parse_jobs, parse_queue
from comfywire.protocol.tracked import Tracked
from comfywire.transport.http import Http

from .patience import Patience
from .sockets import Sockets
from .watch import Watch

__all__ = ["Follower"]

log = logging.getLogger("comfywire")

READS_AT_ONCE = 16
HISTORY_TIMEOUT, QUEUE_TIMEOUT = 10.0, 30.0
"""Seconds for a read of the state, after which it is made again; /queue carries every graph."""


class Follower:
    """Follows the open prompts of one server until it is closed."""

    def __init__(
        self,
        http: Http,
        counts: Counter[str],
        *,
        unreachable_timeout: float | None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._http = http
        self._counts = counts
        self._unreachable_timeout = unreachable_timeout
        self._unreachable_since = inf
        self._session = Session(lambda: str(uuid.uuid4()), owed_word=patience.owed_word)
        self._watches: dict[str, Watch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self._sockets = Sockets(
            http,
            self._session,
            counts,
            start=self._start,
            hear=self._hear,
            pump=self._pump,
            greeting=patience.greeting,
        )
        self._is_closed = False
        self._lists_jobs = True

    @property
    def client_id(self) -> str:
        """Under which the next prompt is submitted."""
        return self._session.feeds.client_id

    # Prompts

    def expect(self, prompt_id: str, graph: Mapping[str, Any], targets: list[str] | None = None) -> Watch:
        """Follow a prompt that is about to be submitted."""
        return self._watch(self._session.expect(prompt_id, graph, self._now(), targets=targets))

    def attach(self, prompt_id: str, *, takes_over: bool = False) -> Watch:
        """Follow a prompt that is somebody else's, or was."""
        watch = self._watches.get(prompt_id)
        if watch is None:
            watch = self._watch(self._session.attach(prompt_id, self._now(), takes_over=takes_over))
        self._pump()
        return watch

    def accepted(self, prompt_id: str) -> None:
        """The server has queued the prompt."""
        self._session.accepted(prompt_id, self._now())
        self._arm()

    def doubt(self, prompt_id: str, grace: float) -> None:
        """Find out whether the server has the prompt."""
        self._session.doubt(prompt_id, self._now(), grace=grace)
        self._pump()

    def look(self, prompt_id: str) -> None:
        """Something was done to the prompt: read what has become of it."""
        self._session.look_now(prompt_id, self._now())
        self._pump()

    def forget(self, prompt_id: str) -> None:
        """Stop following the prompt."""
        self._session.forget(prompt_id)
        self._watches.pop(prompt_id, None)

    def is_following(self, prompt_id: str) -> bool:
        """Whether the prompt is open here."""
        return prompt_id in self._watches

    def _watch(self, tracked: Tracked) -> Watch:
        watch = self._watches[tracked.prompt_id] = Watch(tracked)
        return watch

    async def until_open(self) -> None:
        """Wait until the main socket is open and has negotiated; see :meth:`Sockets.until_open`.

        Where there is none to be had, and the state can be read all the same, reading has to do: a proxy may
        know nothing of WebSockets.
        """
        if self._is_closed:
            raise RuntimeError("this client is closed")
        self._http.news.must_be_in_its_loop()
        if self._sockets.are_dispensable and not self._sockets.is_open:
            return
        try:
            await self._sockets.until_open()
            self._sockets.are_dispensable = False
        except (ConnectionFailed, ServerError) as refusal:
            try:
                await self.read_queue()
            except ComfywireError:
                raise refusal from None
            self._sockets.are_dispensable = True
            self._http.news.say_once(
                f"no events come from {self._http.address.url} ({refusal}): progress and previews are "
                "missing, and results are found by reading; let the proxy in front of it pass WebSockets on "
                "/ws"
            )

    # Messages

    def _hear(self, key: FeedKey, message: Message, frame: str | bytes) -> None:
        heard = self._session.hear(key, message, self._now())
        if heard is None:
            # A shorter queue wants an explanation: sooner than that, no status makes anything due.
            if isinstance(message, Status) and not self._wakes_within(EXPLANATION):
                self._arm()
            return
        tracked, event = heard
        watch = self._watches.get(tracked.prompt_id)
        if watch is None:
            return
        watch.tell(event, frame)
        if tracked.state.history_is_due:
            self._pump()

    # Reads

    def _pump(self) -> None:
        """Do what the session wants done now, and wake up when it wants something next."""
        if self._is_closed:
            return
        for read in self._session.reads_due(self._now()):
            self._start(self._read(read), "comfywire read")
        self._sockets.sync()
        self._arm()

    def _arm(self) -> None:
        """Wake up in time for what is due next."""
        now = self._now()
        at = min(self._session.next_due(now), self._unreachable_at())
        if self._timer is not None:
            if now < self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at  # uvloop's handles do not say when, if that is now
        self._timer = self._loop.call_at(at, self._wake) if at < inf and not self._is_closed else None

    def _wakes_within(self, seconds: float) -> bool:
        return self._timer is not None and self._timer_at <= self._now() + seconds

    def _wake(self) -> None:
        self._timer = None
        if self._unreachable_at() <= self._now():
            self._give_up()
        self._pump()

    async def _read(self, read: Read) -> None:
        async with self._reading:
            began = self._now()
            self._counts["reads"] += 1
            try:
                async with asyncio.timeout(QUEUE_TIMEOUT if read.prompt_id is None else HISTORY_TIMEOUT):
                    changed = await self._take_in(read, began)
                self._unreachable_since = inf
            except (ComfywireError, TimeoutError) as error:
                log.debug("state not read: %r", error)
                self._counts["reads_failed"] += 1
                if isinstance(error, ReplyRefused) and read.prompt_id is not None:
                    # The same would be told again: the prompt has ended, and how is not to be had.
                    self._end(read.prompt_id, error)
                else:
                    self._session.read_failed(read, self._now())
                    self._unreachable_since = min(self._unreachable_since, began)
                changed = []
        self._report(changed)
        self._pump()

    async def _take_in(self, read: Read, began: float) -> list[Tracked]:
        if read.prompt_id is None:
            snapshot = await self.read_queue()
            return self._session.queue_was_read(snapshot, began=began, now=self._now())
        reply = await self._http.get_json(f"/history/{quote(read.prompt_id, safe='')}")
        entry = parse_history(reply, read.prompt_id)
        done = self._session.history_was_read(read.prompt_id, entry, began=began, now=self._now())
        return [done] if done is not None else []

    async def has_stayed_up(self) -> bool | None:
        """Return whether the server still has a history entry that we read; None if we have read none.

        A restart forgets them all, and so does somebody who clears the history.
        """
        witness = self._session.witness
        if witness is None:
            return None
        return witness in await self._http.get_object(f"/history/{witness}")

    def entries_deleted(self, *prompt_ids: str) -> None:
        """We have deleted these history entries, or all: that they are gone proves nothing any more."""
        if not prompt_ids or self._session.witness in prompt_ids:
            self._session.witness = None

    async def read_queue(self) -> QueueSnapshot:
        """Return who runs and who waits, read in the cheapest way that the server has."""
        if self._lists_jobs and not self._session.wants_graphs:
            try:
                return parse_jobs(await self._http.get_json("/jobs", status="pending,in_progress"))
            except (ServerError, UnexpectedReply) as error:
                # Before 0.6.0 there is no such route; later, one odd prompt can break the whole listing
                # (comfyui-protocol.md 1.7).
                self._lists_jobs = isinstance(error, ServerError) and error.status >= 502
        return parse_queue(await self._http.get_json("/queue"))

    def _report(self, changed: list[Tracked]) -> None:
        for tracked in changed:
            watch = self._watches.get(tracked.prompt_id)
            if watch is not None and tracked.is_done:
                del self._watches[tracked.prompt_id]
                watch.finish()
            elif watch is not None:
                watch.settled.set()

    def _unreachable_at(self) -> float:
        return (
            inf if self._unreachable_timeout is None else self._unreachable_since + self._unreachable_timeout
        )

    def _give_up(self) -> None:
        """The server has not answered for as long as the caller is willing to wait."""
        self._unreachable_since = inf
        self._abandon(
            ConnectionLost(
                f"{self._http.address.url} has not answered for {self._unreachable_timeout:g} seconds; "
                "the prompt may still be there: attach to its prompt_id when the server is back"
            )
        )

    def _abandon(self, failure: ComfywireError) -> None:
        for prompt_id in list(self._watches):
            self._end(prompt_id, failure)

    def _end(self, prompt_id: str, failure: ComfywireError) -> None:
        """Have those who wait for a prompt learn that nobody will."""
        watch = self._watches.get(prompt_id)
        if watch is not None:
            watch.failure = failure
            self.forget(prompt_id)
            watch.finish()

    # Tasks

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A bug of ours: nobody may wait for ever because of it.
            log.error("a background task failed", exc_info=error)
            failure = ConnectionLost(f"the client broke down: {error!r}")
            failure.__cause__ = error
            self._abandon(failure)

    async def close(self) -> None:
        """End every task and socket; those who still wait learn that the client was closed."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._abandon(ConnectionLost("the client was closed while the prompt was open; it may still run"))
        self._sockets.refuse(ConnectionFailed("the client was closed before the prompt was sent"))
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _now(self) -> float:
        return self._loop.time()
