"""``/ws``: the stream of one client_id, made from what the fleet's ComfyUIs say of the caller's jobs."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from comfywire.service.api.context import core_of
from comfywire.service.api.errors import InvalidRequest
from comfywire.service.native.callers import caller_for
from comfywire.service.native.face import refusal
from comfywire.service.native.system import features
from comfywire.service.relay.ear import Ear
from comfywire.service.relay.ending import message

__all__ = ["ROUTES"]

SLOWEST = 60.0
"""Seconds that a reader may take for one frame; a slower reader counts as gone."""
LONGEST_ID = 200
LONGEST_WORD = 64 << 10
"""The most that a client may say at once: its feature flags, and nothing else is of any use."""
NO_JSON = object()
"""Stands for a frame that is no JSON."""
TOO_BIG, TRY_AGAIN = 1009, 1013
"""Why a socket is closed (RFC 6455, 7.4.1, and IANA's registry): it says too much, or reads too slowly."""


async def listen(socket: WebSocket) -> None:
    """Tell what happens to the prompts of ``?clientId=``, until either side leaves."""
    core = core_of(socket)
    with ExitStack() as until_closed:
        try:
            caller = await caller_for("read", socket)
            client_id = _client_id(socket)
            until_closed.enter_context(core.streams.one(caller))
            ear_of = core.hub.socket(caller.key_id, client_id)
            ear = await ear_of.__aenter__()
        except Exception as error:  # noqa: BLE001 - nobody else can answer before the socket is open
            await socket.send_denial_response(refusal(error))
            return
        try:
            await socket.accept()
            await _serve(socket, ear, features(core))
        finally:
            await ear_of.__aexit__(None, None, None)


def _client_id(socket: WebSocket) -> str:
    """As the client names itself; one that does not gets a name (server.py, websocket_handler, 0.3.64)."""
    given = socket.query_params.get("clientId", "")
    if len(given) > LONGEST_ID or "\0" in given:
        raise InvalidRequest(f"clientId is at most {LONGEST_ID} characters long: a UUID, say")
    return given or uuid.uuid4().hex


async def _serve(socket: WebSocket, ear: Ear, flags: Mapping[str, Any]) -> None:
    sending = asyncio.create_task(_send(socket, ear), name="comfywire socket sends")
    hearing = asyncio.create_task(_hear(socket, ear, flags), name="comfywire socket hears")
    try:
        await asyncio.wait([sending, hearing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, hearing):
            task.cancel()
        await asyncio.gather(sending, hearing, return_exceptions=True)


async def _send(socket: WebSocket, ear: Ear) -> None:
    async with aclosing(ear.outbox.frames()) as frames:
        async for frame in frames:
            async with asyncio.timeout(SLOWEST):
                if isinstance(frame, str):
                    await socket.send_text(frame)
                else:
                    await socket.send_bytes(frame)
    if ear.outbox.has_overflowed:
        await socket.close(TRY_AGAIN, "it was not read for too long: connect again")


async def _hear(socket: WebSocket, ear: Ear, flags: Mapping[str, Any]) -> None:
    """Take in what the client says: its first word may be its feature flags, the rest is dropped.

    What is no JSON is no word (server.py, websocket_handler, 0.3.64).
    """
    is_first = True
    while (said := await socket.receive())["type"] != "websocket.disconnect":
        text = said.get("text")
        if len(text or said.get("bytes") or b"") > LONGEST_WORD:
            await socket.close(TOO_BIG, f"more than {LONGEST_WORD} bytes: say your feature flags only")
            return
        if is_first and text is not None and (word := _word_in(text)) is not NO_JSON:
            is_first = False
            wanted = _flags_in(word)
            if wanted is not None:
                ear.wants_metadata = wanted.get("supports_preview_metadata") is True
                ear.outbox.put("feature_flags", message("feature_flags", flags))


def _word_in(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return NO_JSON


def _flags_in(word: Any) -> Mapping[str, Any] | None:
    if not isinstance(word, dict) or word.get("type") != "feature_flags":
        return None
    flags = word.get("data")
    return flags if isinstance(flags, dict) else {}


async def _no_socket(request: Request) -> Response:
    del request
    return PlainTextResponse("this is a WebSocket: ask to upgrade the connection", 400)


ROUTES = [
    route
    for path in ("/ws", "/api/ws")
    for route in (WebSocketRoute(path, listen), Route(path, _no_socket, include_in_schema=False))
]
