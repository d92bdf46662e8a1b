from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import WSMsgType, web
from tests.transport.apps import serving

from comfywire.errors import ServerError
from comfywire.server.faults.tcp import reset
from comfywire.transport.address import Address
from comfywire.transport.http import Http
from comfywire.transport.limits import ReplyLimits

Talk = Callable[[web.WebSocketResponse], Awaitable[object]]


@contextlib.asynccontextmanager
async def http_to(url: str, *, key: str | None = None, ping_interval: float = 25.0) -> AsyncIterator[Http]:
    headers = None if key is None else {"X-Key": key}
    http = Http(Address.parse(url, headers=headers), ping_interval=ping_interval)
    try:
        yield http
    finally:
        await http.close()


def socket_that(talk: Talk, heard: list[web.Request] | None = None):
    async def serve(request: web.Request) -> web.StreamResponse:
        if heard is not None:
            heard.append(request)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await talk(ws)
        await ws.close()
        return ws

    return serve


async def frames_of(http: Http) -> list[str | bytes]:
    socket = await http.open_socket("me")
    frames = [frame async for frame in socket.frames()]
    await socket.close()
    return frames


async def test_the_first_frame_negotiates_preview_metadata():
    async def echo(ws: web.WebSocketResponse) -> None:
        await ws.send_str(await ws.receive_str())

    async with serving(socket_that(echo)) as url, http_to(url) as http:
        frames = await frames_of(http)

    assert json.loads(frames[0]) == {"type": "feature_flags", "data": {"supports_preview_metadata": True}}


async def test_credentials_prefix_and_client_id_go_with_the_socket():
    heard: list[web.Request] = []

    async def nothing(ws: web.WebSocketResponse) -> None:
        pass

    async with serving(socket_that(nothing, heard)) as url:
        address = url.replace("//", "//me:p%40w@") + "/gpu/1?token=t"
        async with http_to(address, key="k") as http:
            await frames_of(http)

    assert heard[0].path == "/gpu/1/api/ws"
    assert dict(heard[0].query) == {"token": "t", "clientId": "me"}
    assert heard[0].headers["Authorization"] == "Basic bWU6cEB3"
    assert heard[0].headers["X-Key"] == "k"


@pytest.mark.parametrize("size", [1 << 20, 5 << 20, 17 << 20], ids=["1-MiB", "5-MiB", "17-MiB"])
@pytest.mark.parametrize("kind", [str, bytes], ids=["text", "binary"])
async def test_large_frames_are_received(size, kind):
    async def shout(ws: web.WebSocketResponse) -> None:
        await (ws.send_str("x" * size) if kind is str else ws.send_bytes(b"x" * size))

    async with serving(socket_that(shout)) as url, http_to(url) as http:
        (frame,) = await frames_of(http)

    assert (type(frame), len(frame)) == (kind, size)


async def test_the_limit_of_a_frame_is_not_below_256_mib():
    assert ReplyLimits().frame_bytes >= 256 << 20


async def test_frames_end_when_the_connection_is_reset():
    async def vanish(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("one")
        await ws.receive()
        reset(request.transport)
        return ws

    async with serving(vanish) as url, http_to(url) as http:
        assert await frames_of(http) == ["one"]


async def test_closing_waits_until_the_server_has_ended_its_side():
    ended: list[WSMsgType] = []

    async def listen(ws: web.WebSocketResponse) -> None:
        await ws.receive()
        ended.append((await ws.receive()).type)

    async with serving(socket_that(listen)) as url, http_to(url) as http:
        socket = await http.open_socket("me")
        await socket.close()

        assert ended == [WSMsgType.CLOSE]


async def test_an_open_socket_pings():
    pinged = asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        async for frame in ws:
            if frame.type is WSMsgType.PING:
                pinged.set()
                break
        await ws.close()
        return ws

    async with serving(serve) as url, http_to(url, ping_interval=0.01) as http:
        await frames_of(http)

    assert pinged.is_set()


@pytest.mark.parametrize(
    ("status", "says"),
    [
        pytest.param(401, "was answered 401", id="login-is-wanted"),
        pytest.param(502, "was answered 502", id="nobody-behind-the-proxy"),
        pytest.param(200, "was answered 200", id="a-page-instead-of-a-socket"),
    ],
)
async def test_a_refused_socket_says_with_which_status(status, says):
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    async with serving(refuse) as url, http_to(url) as http:
        with pytest.raises(ServerError, match=says) as refusal:
            await http.open_socket("me")

    assert refusal.value.status == status


def serving_paths(*paths: str):
    async def serve(request: web.Request) -> web.StreamResponse:
        if request.path not in paths:
            return web.Response(status=404)
        if request.path.endswith("/ws"):
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            await ws.close()
            return ws
        return web.json_response(request.path)

    return serve


async def test_a_server_without_api_routes_is_spoken_to_without_them():
    async with serving(serving_paths("/ws", "/queue")) as url, http_to(url) as http:
        await frames_of(http)

        assert await http.get_json("/queue") == "/queue"


async def test_a_server_that_knows_no_socket_at_all_keeps_its_api_routes():
    async with serving(serving_paths("/api/queue")) as url, http_to(url) as http:
        with pytest.raises(ServerError, match="404"):
            await http.open_socket("me")

        assert await http.get_json("/queue") == "/api/queue"
