"""A job's events as they happen: Server-Sent Events, and the same over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, aclosing
from typing import Annotated, Any

from fastapi import Header, Query, Request, WebSocket
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from comfywire.service.core import Core
from comfywire.service.jobs.live_jobs import LiveJob
from comfywire.service.jobs.reader import Reader

from .admission import key_first_router
from .context import Reading, Service, core_of, get_caller, origin_of
from .errors import InvalidRequest, error_response
from .jobs import find
from .rendering import Renderer

__all__ = ["EventStream", "router"]

SOON = 1.0
"""The first silence, after which the job is read again; each further one is four times as long.

Why a new job waits is known only once every server has looked at it, and its reader should learn that soon.
"""
SLOWEST = 60.0
"""Seconds that a reader may take for one frame; a slower reader counts as gone."""
LONGEST_NUMBER = 20
Frame = Callable[[str, int | None, str], bytes]
router = key_first_router("/api/v2/jobs", tag="jobs")
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `status`, `progress`, `output` and `preview`; ends after the last `status`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "Everything was told up to `Last-Event-ID`, and the job has ended."},
}


@router.get("/{job_id}/events", operation_id="getJobEvents", response_class=Response, responses=STREAM)
async def stream_events(
    *,
    request: Request,
    job_id: str,
    core: Service,
    caller: Reading,
    previews: Annotated[bool, Query(description="Whether pictures of what is being made are sent.")] = False,
    last_event_id: Annotated[str | None, Header(description="Go on after this event.")] = None,
) -> Response:
    """Tell what happens to a job: first how it stands, or what was missed since `Last-Event-ID`."""
    job = await find(core, caller, job_id)
    after = _number(last_event_id)
    async with AsyncExitStack() as stack:
        stack.enter_context(core.streams.one(caller))
        live = await stack.enter_async_context(core.broker.watch(job.id, previews=previews))
        reader = Reader(live, after=after, previews=previews)
        if after is not None and reader.has_seen_the_end:
            # After a 200 that ends, a browser's EventSource would ask again, for ever.
            return Response(status_code=204)
        renderer = Renderer(core.assets, origin_of(request))
        telling = _Telling(core, live, reader, renderer)
        return EventStream(telling.frames(sse_frame, b": alive\n\n"), stack.pop_all())
    raise AssertionError("unreachable: the stack swallows nothing")


@router.websocket("/{job_id}/ws")
async def socket_events(
    *, socket: WebSocket, job_id: str, previews: bool = False, after: str | None = None
) -> None:
    """Tell the same over a WebSocket, as JSON texts `{"event", "id", "data"}`; closes after the last."""
    core = core_of(socket)
    with ExitStack() as until_closed:
        try:
            caller = await get_caller(socket)
            caller.must("read")
            job = await find(core, caller, job_id)
            number = _number(after)
            until_closed.enter_context(core.streams.one(caller))
        except Exception as error:  # noqa: BLE001 - FastAPI's handlers cannot answer before the socket is open
            await socket.send_denial_response(error_response(error))
            return
        await socket.accept(_protocol(socket))
        async with core.broker.watch(job.id, previews=previews) as live:
            reader = Reader(live, after=number, previews=previews)
            telling = _Telling(core, live, reader, Renderer(core.assets, origin_of(socket)))
            async with aclosing(telling.frames(json_frame)) as frames:
                await _until_gone(_send_texts(socket, frames), _close_of(socket))


async def _send_texts(socket: WebSocket, frames: AsyncIterator[bytes]) -> None:
    async for frame in frames:
        async with asyncio.timeout(SLOWEST):
            await socket.send_text(frame.decode())
    await socket.close()


async def _close_of(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass  # readers have nothing to say: what they send is received and dropped


class _Telling:
    """Tells one reader of a job, in frames as they go over the wire."""

    def __init__(self, core: Core, live: LiveJob, reader: Reader, renderer: Renderer) -> None:
        self._broker = core.broker
        self._heartbeat = core.settings.heartbeat
        self._live = live
        self._reader = reader
        self._renderer = renderer

    async def frames(self, frame: Frame, alive: bytes | None = None) -> AsyncGenerator[bytes]:
        """Yield a frame for each event until the last, and ``alive`` after each long silence."""
        live, reader = self._live, self._reader
        silence = min(SOON, self._heartbeat)
        while True:
            # Before the events are taken, so that a change while frames are being sent is not slept through.
            change = live.next_change()
            for event in reader.take():
                text = self._renderer.event(event, reader.place)
                if text is not None:
                    yield frame(event.name, event.id, text)
            if reader.is_done or live.is_closed:
                return
            if not await live.changed(change, silence):
                # No notification tells that a queue has moved up, so that places are read now and then.
                self._broker.look_again(live, silence / 2)
                silence = min(silence * 4, self._heartbeat)
                if alive is not None:
                    yield alive


class EventStream(Response):
    """Sends frames until the last, or until the client is gone or too slow, and then leaves their source.

    Args:
        frames: What is sent.
        until_sent: What is left at the end, however it comes.
        opening: What is sent before the first frame.
        when_gone: Called if the client was gone, or too slow, before the last frame.

    """

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncGenerator[bytes],
        until_sent: AsyncExitStack,
        *,
        opening: bytes = b"retry: 1000\n\n",
        when_gone: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._frames = frames
        self._until_sent = until_sent
        self._opening = opening
        self._when_gone = when_gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the frames; however that ends, the stream stops counting and its source is left."""
        del scope
        async with self._until_sent, aclosing(self._frames):
            is_told = await _until_gone(self._send(send), _disconnect(receive))
            if not is_told and self._when_gone is not None:
                await self._when_gone()

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        await send({"type": "http.response.body", "body": self._opening, "more_body": True})
        async for frame in self._frames:
            async with asyncio.timeout(SLOWEST):
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _until_gone(sending: Awaitable[None], leaving: Awaitable[None]) -> bool:
    """Send, unless the other side leaves first; return whether all was sent: one too slow is no error."""
    tasks = [asyncio.ensure_future(sending), asyncio.ensure_future(leaving)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        with_error = tasks[0].exception() if tasks[0].done() else None
        if with_error is not None and not isinstance(with_error, TimeoutError):
            raise with_error
        return tasks[0].done() and with_error is None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def sse_frame(name: str, number: int | None, text: str) -> bytes:
    """Return one Server-Sent Event; ``text`` is compact JSON, which has no line breaks."""
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {name}\ndata: {text}\n\n".encode()


def json_frame(name: str, number: int | None, text: str) -> bytes:
    """Return one event as a JSON text."""
    event_id = "null" if number is None else str(number)
    return f'{{"event":"{name}","id":{event_id},"data":{text}}}'.encode()


def _number(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < LONGEST_NUMBER):
        raise InvalidRequest("the id of an event is a number: begin without one")
    return int(text)


def _protocol(socket: WebSocket) -> str | None:
    """Return the subprotocol to agree on: a browser that offers any fails unless one of them is accepted."""
    offered = socket.scope.get("subprotocols") or []
    return "comfywire" if "comfywire" in offered else None
