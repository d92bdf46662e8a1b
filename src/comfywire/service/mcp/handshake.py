"""What clients of the old handshake need beside their requests: a stream of news, and canceling a call.

Revisions up to 2025-11-25 do both within a session. There is none here: the id that such a client is given
tells its requests from those of the key's other clients, and any process answers any request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from typing import Any

from mcp.server.subscriptions import ServerEvent, ToolsListChanged
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Send

from comfywire.service.access.callers import Caller
from comfywire.service.api.events import EventStream
from comfywire.service.core import Core

from .news import WorkflowNews

__all__ = ["Calls", "NewsStreams", "with_session"]

SESSION, VERSION = "mcp-session-id", "mcp-protocol-version"
TOOLS, RESOURCES = "notifications/tools/list_changed", "notifications/resources/list_changed"
ALIVE = b": alive\n\n"
MOST_NEWS = 10
"""Changes that wait for a slow reader: more of them say nothing new."""


def with_session(headers: Headers, send: Send) -> Send:
    """Return a ``send`` that gives a client an id with the answer to its first request, the handshake.

    That request alone has neither an id nor a revision in its head.
    """
    if SESSION in headers or VERSION in headers:
        return send

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)[SESSION] = uuid.uuid4().hex
        await send(message)

    return sending


class NewsStreams:
    """The streams of clients that ask for news with GET; they end before the process does."""

    def __init__(self, core: Core, news: WorkflowNews) -> None:
        self._core = core
        self._news = news
        self._open: set[asyncio.Queue[ServerEvent | None]] = set()
        core.broker.on_close(self._close)

    def one(self, caller: Caller) -> EventStream:
        """Return a stream for ``caller``.

        Raises:
            TooManyStreams: The key has as many open as it may.

        """
        stack = AsyncExitStack()
        stack.enter_context(self._core.streams.one(caller))  # until the stream was sent
        return EventStream(self._frames(), stack, opening=ALIVE)

    def _close(self) -> None:
        for heard in self._open:
            heard.put_nowait(None)

    async def _frames(self) -> AsyncGenerator[bytes]:
        heard: asyncio.Queue[ServerEvent | None] = asyncio.Queue()

        def hear(event: ServerEvent) -> None:
            if heard.qsize() < MOST_NEWS:
                heard.put_nowait(event)

        leave = self._news.subscribe(hear)
        self._open.add(heard)
        try:
            while True:
                try:
                    event = await asyncio.wait_for(heard.get(), self._core.settings.heartbeat)
                except TimeoutError:
                    yield ALIVE
                    continue
                if event is None:
                    return
                method = TOOLS if isinstance(event, ToolsListChanged) else RESOURCES
                yield f"event: message\ndata: {json.dumps({'jsonrpc': '2.0', 'method': method})}\n\n".encode()
        finally:
            self._open.discard(heard)
            leave()


class Calls:
    """Calls that wait for their jobs in this process, so that a notification can end the waiting."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Any, ...], asyncio.Task[Any]] = {}

    @contextlib.contextmanager
    def one(self, request: Request, request_id: Any, task: asyncio.Task[Any]) -> Iterator[None]:
        """Let ``task``, which answers the request ``request_id``, be canceled inside the context."""
        name = self._name(request, request_id)
        if name is not None:
            self._waiting[name] = task
        try:
            yield
        finally:
            if name is not None:
                self._waiting.pop(name, None)

    def cancel(self, request: Request, request_id: Any) -> None:
        """End what the client of ``request`` waits for; what is not known here is left alone."""
        name = self._name(request, request_id)
        task = None if name is None else self._waiting.get(name)
        if task is not None:
            task.cancel()

    @staticmethod
    def _name(request: Request, request_id: Any) -> tuple[Any, ...] | None:
        session = request.headers.get(SESSION)
        if session is None or request_id is None:
            return None
        return request.state.caller.key_id, session, type(request_id).__name__, request_id
