"""The sockets of one server: opened, greeted, read and replaced as the session wants them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from comfywire.errors import ComfywireError, ConnectionFailed, ConnectionLost, UnexpectedReply
from comfywire.protocol.binary import parse_binary
from comfywire.protocol.feeds import FeedKey
from comfywire.protocol.messages import FeatureFlags, Message, Status
from comfywire.protocol.parsing import parse_text
from comfywire.protocol.session import Session
from comfywire.transport.http import Http
from comfywire.transport.web_socket import Socket

__all__ = ["Sockets"]

log = logging.getLogger("comfywire")

FLAGS_TIMEOUT = 0.5
"""Seconds to wait for the answer to our feature flags; servers before 0.3.45 give none."""
SHOWN = 300
"""Characters of a frame in the log."""
FIRST_RETRY, SLOWEST_RETRY, SELDOM = 0.1, 2.0, 60.0
"""Seconds before a socket is opened again; seldom, where it is known that reading has to do."""


class Sockets:
    """One task for each socket that :meth:`FeedWatch.wanted` names."""

    def __init__(
        self,
        http: Http,
        session: Session,
        counts: Counter[str],
        *,
        start: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        hear: Callable[[FeedKey, Message, str | bytes], None],
        pump: Callable[[], None],
        greeting: float,
    ) -> None:
        self._http = http
        self._session = session
        self._counts = counts
        self._start = start
        self._hear = hear
        self._pump = pump
        self._greeting = greeting
        self._tasks: dict[FeedKey, asyncio.Task[None]] = {}
        self._synced: tuple[FeedKey, ...] = ()
        """What was wanted the last time."""
        self._closing: dict[asyncio.Task[None], str] = {}
        self._waiting: list[asyncio.Future[ComfywireError | None]] = []
        self._hurry = asyncio.Event()
        self._ready: FeedKey | None = None
        self.are_dispensable = False
        """Whether prompts are followed by reading alone, since no socket was to be had."""

    @property
    def is_open(self) -> bool:
        """Whether the main socket is open and has negotiated."""
        return self._ready is not None and self._session.feeds.is_main(self._ready)

    async def until_open(self) -> None:
        """Wait until the main socket is open and has negotiated, opening it if need be.

        Raises:
            ConnectionFailed: The server is not reached, or the socket is not greeted.
            ServerError: It refuses the socket.

        """
        if self.is_open:
            return
        self._pump()
        outcome: asyncio.Future[ComfywireError | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(outcome)
        self._hurry.set()
        if (refusal := await outcome) is not None:
            raise refusal

    def refuse(self, reason: ComfywireError) -> None:
        """Tell those who want to submit why they cannot."""
        self._tell(reason)

    def _tell(self, outcome: ComfywireError | None) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(outcome)

    def sync(self) -> None:
        """Open what is wanted, close what is not."""
        wanted = self._session.feeds.wanted()
        if wanted == self._synced:
            return
        self._synced = wanted
        self._closing = {task: client_id for task, client_id in self._closing.items() if not task.done()}
        for key in [known for known in self._tasks if known not in wanted]:
            task = self._tasks.pop(key)
            task.cancel()
            self._closing[task] = key.client_id
        for key in wanted:
            if key not in self._tasks:
                before = [task for task, client_id in self._closing.items() if client_id == key.client_id]
                self._tasks[key] = self._start(self._follow(key, before), f"comfywire feed {key.client_id}")

    async def _follow(self, key: FeedKey, before: list[asyncio.Task[None]]) -> None:
        if before:
            # The old socket of this id must be closed first: its handler removes the registration of
            # whichever socket holds the id when it ends (server.py, websocket_handler, 0.3.64).
            await asyncio.wait(before)
        pause = FIRST_RETRY
        while not await self._serve(key):
            await self._pause(pause)
            pause = min(pause * 2, SELDOM if self.are_dispensable else SLOWEST_RETRY)
        self._counts["sockets_lost"] += 1
        self._http.news.closed()
        self._session.feed_lost(key)
        self._pump()

    async def _pause(self, seconds: float) -> None:
        """Wait before a socket is tried again, unless somebody wants to submit now."""
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    async def _serve(self, key: FeedKey) -> bool:
        """Open a socket and read it until it closes; return whether it was greeted."""
        socket = None
        try:
            async with asyncio.timeout(self._greeting) as patience:
                with self._http.news.asked("the opening of its socket"):
                    socket = await self._http.open_socket(key.client_id)
                if await self._read(key, socket, patience):
                    return True
            self.refuse(ConnectionFailed(f"the socket of {self._http.address.url} closed without a word"))
        except ComfywireError as error:
            log.debug("socket not opened: %s", error)
            if isinstance(error, ConnectionFailed | ConnectionLost):
                self._http.news.failed(str(error))
            self.refuse(ConnectionFailed(str(error)) if isinstance(error, ConnectionLost) else error)
        except TimeoutError:
            url = self._http.address.url
            self.refuse(ConnectionFailed(f"the socket of {url} says nothing: does a proxy hold it back?"))
        finally:
            if socket is not None:
                await socket.close()
        return False

    async def _read(self, key: FeedKey, socket: Socket, patience: asyncio.Timeout) -> bool:
        is_greeted = False
        async for frame in socket.frames():
            if log.isEnabledFor(logging.DEBUG):
                log.debug("< %s", frame[:SHOWN] if isinstance(frame, str) else f"{len(frame)} bytes")
            self._http.news.heard()
            message = _parse(frame)
            if message is None:
                continue
            if not is_greeted and isinstance(message, Status):
                is_greeted = True
                patience.reschedule(None)
                self._session.feed_opened(key, asyncio.get_running_loop().time())
                asyncio.get_running_loop().call_later(FLAGS_TIMEOUT, self._is_ready, key)
                self._pump()
            elif isinstance(message, FeatureFlags):
                self._is_ready(key)
            self._hear(key, message, frame)
        return is_greeted

    def _is_ready(self, key: FeedKey) -> None:
        if self._session.feeds.is_main(key):
            self._ready = key
            self._tell(None)


def _parse(frame: str | bytes) -> Message | None:
    """Junk on the socket is nobody's message: it is skipped."""
    try:
        return parse_text(frame) if isinstance(frame, str) else parse_binary(frame)
    except UnexpectedReply as error:
        log.debug("< %s", error)
        return None
