"""A reverse proxy as people put before a ComfyUI: below a path prefix, and only for those who may."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp import web
from tests.transport.apps import serving

May = Callable[[web.Request], bool]
HOP_BY_HOP = {"Transfer-Encoding", "Content-Length", "Connection", "Host", "Content-Encoding"}


@contextlib.asynccontextmanager
async def proxy_to(server: str, *, prefix: str, may: May) -> AsyncIterator[str]:
    """Pass requests and sockets below ``prefix`` on to ``server`` if they ``may``; others get 401."""
    async with aiohttp.ClientSession(server) as session:

        async def pass_on(request: web.Request) -> web.StreamResponse:
            if not may(request) or not request.path.startswith(f"{prefix}/"):
                return web.Response(status=401, text="who are you?")
            path = request.raw_path.removeprefix(prefix)
            if "Upgrade" in request.headers:
                return await _pass_socket(request, session, path)
            headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
            async with session.request(request.method, path, headers=headers, data=request.content) as reply:
                kept = {name: value for name, value in reply.headers.items() if name not in HOP_BY_HOP}
                return web.Response(status=reply.status, body=await reply.read(), headers=kept)

        async with serving(pass_on) as url:
            yield url


async def _pass_socket(
    request: web.Request, session: aiohttp.ClientSession, path: str
) -> web.WebSocketResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async with session.ws_connect(path) as behind:
        there = asyncio.create_task(_pump(ws, behind))
        await _pump(behind, ws)
        there.cancel()
    return ws


async def _pump(
    source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
) -> None:
    async for frame in source:
        if frame.type is aiohttp.WSMsgType.TEXT:
            await target.send_str(frame.data)
        elif frame.type is aiohttp.WSMsgType.BINARY:
            await target.send_bytes(frame.data)
    await target.close()
