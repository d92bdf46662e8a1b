"""Sockets that open and say nothing, or close at once: the submission ends with a sentence, not never."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from tests.server.wire import image
from tests.soon import soon

from comfywire import Client, ConnectionFailed
from comfywire.client.patience import Patience
from comfywire.server import Server

GRAPH = {"1": {"class_type": "EmptyImage", "inputs": {}}}


@asynccontextmanager
async def proxy(*, closes: bool) -> AsyncIterator[str]:
    """Something that accepts sockets for ComfyUI and passes nothing on."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if not closes:
            async for _ in socket:
                pass
        return socket

    app = web.Application()
    app.router.add_get("/api/ws", serve)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def impatient(url: str) -> Client:
    client = Client(url)
    client._patience = Patience(greeting=0.3)
    return client


async def test_a_socket_that_is_never_greeted_is_given_up() -> None:
    async with proxy(closes=False) as url, impatient(url) as client:
        with pytest.raises(ConnectionFailed, match="says nothing: does a proxy hold it back"):
            await soon(client.submit(GRAPH), 5)


async def test_a_check_finds_out_that_a_socket_says_nothing_at_all() -> None:
    async with Server() as server, impatient(server.url) as client:
        server.faults.replies.stall("GET /ws", times=None)

        event = next(finding for finding in await client.check() if finding.name == "event")

        assert (event.ok, server.log) == (False, [])
        assert event.next_step


async def test_a_socket_that_closes_at_once_is_named() -> None:
    async with proxy(closes=True) as url, Client(url) as client:
        with pytest.raises(ConnectionFailed, match="closed without a word"):
            await soon(client.submit(GRAPH), 5)


async def test_what_following_costs_is_counted() -> None:
    async with Server() as server, Client(server.url) as client:
        await client.run(image())
        before = dict(client.counts)
        await server.faults.sockets.cut()
        await client.run(image())

    assert before["reads"] > 0
    assert "sockets_lost" not in before
    assert client.counts["sockets_lost"] > 0
