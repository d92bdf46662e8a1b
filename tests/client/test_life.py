"""How a client lives: opened and closed, told where by the environment, in one loop, behind proxies."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from tests.client.graphs import image, over_socket

import comfywire
from comfywire import Client, ConnectionFailed, OutputsMissing, ServerError, sync
from comfywire.server import Server, server_in_thread

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Opened and closed


async def test_a_client_is_opened_and_closed_by_hand(server: Server):
    client = Client(server.url)
    assert await client.open() is client
    result = await client.run(image())
    await client.close()
    await client.close()

    assert len(result) == 1
    with pytest.raises(RuntimeError, match="this client is not open"):
        await client.queue()


async def test_a_closed_client_can_be_opened_again(server: Server):
    client = await Client(server.url).open()
    await client.close()
    await client.open()

    assert len(await client.run(image())) == 1
    with pytest.raises(RuntimeError, match="this client is open already"):
        await client.open()
    await client.close()


def test_the_blocking_client_is_opened_and_closed_by_hand():
    with server_in_thread() as server:
        client = sync.Client(server.url).open()
        assert len(client.run(image())) == 1
        client.close()

        with pytest.raises(RuntimeError, match="this client is not open"):
            client.queue()


# The environment


@pytest.mark.parametrize("kind", [Client, sync.Client])
def test_the_address_comes_from_the_environment(monkeypatch, kind):
    monkeypatch.setenv("COMFYWIRE_SERVER", "http://gpu-1:9000/comfy")
    assert kind().url == "http://gpu-1:9000/comfy"

    monkeypatch.setenv("COMFYWIRE_SERVER", "")
    assert kind().url == "http://127.0.0.1:8188"

    monkeypatch.delenv("COMFYWIRE_SERVER")
    assert kind().url == "http://127.0.0.1:8188"
    assert kind("http://other").url == "http://other"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, "Bearer env", id="by-default"),
        pytest.param({"token": "mine"}, "Bearer mine", id="what-is-given-wins"),
        pytest.param({"headers": {"Authorization": "Basic x"}}, "Basic x", id="a-header-wins"),
        pytest.param({"url": "http://other"}, None, id="not-to-another-server"),
    ],
)
def test_the_token_of_the_environment_goes_to_its_server_alone(monkeypatch, given, expected):
    monkeypatch.setenv("COMFYWIRE_TOKEN", "env")
    monkeypatch.setenv("COMFYWIRE_SERVER", "http://gpu-1")

    assert Client(**given)._address.headers.get("Authorization") == expected


# Loops


def test_a_client_in_another_loop_says_so_and_does_not_hang():
    async def opened(url: str) -> tuple[Client, comfywire.Job]:
        client = await Client(url).open()
        server.faults.nodes.hold()
        return client, await client.submit(image())

    with server_in_thread() as server, asyncio.Runner() as first:
        client, job = first.run(opened(server.url))
        for use in (client.queue, lambda: client.run(image()), job.result):
            with pytest.raises(RuntimeError, match="opened in another event loop: open it in the one"):
                asyncio.run(use())
        first.run(client.close())


def test_a_client_whose_loop_has_ended_is_opened_again_in_the_next():
    with server_in_thread() as server:
        client = Client(server.url)
        for _ in range(2):

            async def cell() -> int:
                await client.open()
                made = len(await client.run(image()))
                await client.close()
                return made

            assert asyncio.run(cell()) == 1


# Proxies without WebSockets


@asynccontextmanager
async def proxy(server: Server, sockets: Handler) -> AsyncIterator[str]:
    """Something in front of ``server`` that passes HTTP on, and answers for its socket by itself."""
    async with ClientSession(auto_decompress=False) as session:

        async def forward(request: web.Request) -> web.StreamResponse:
            if request.path.endswith("/ws"):
                return await sockets(request)
            content, url = await request.read(), server.url + request.path_qs
            async with session.request(request.method, url, data=content, headers=request.headers) as reply:
                kept = {name: value for name, value in reply.headers.items() if name == "Content-Type"}
                return web.Response(status=reply.status, body=await reply.read(), headers=kept)

        app = web.Application(client_max_size=1 << 28)
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
        await runner.cleanup()


def refuses(status: int) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(status=status)

    return answer


async def opens_and_closes(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close()
    return socket


PROXIES = {
    "bad-request": refuses(400),
    "not-found": refuses(404),
    "upgrade-required": refuses(426),
    "not-implemented": refuses(501),
    "plain-reply": refuses(200),
    "closed-without-a-word": opens_and_closes,
}


@pytest.mark.parametrize("sockets", PROXIES.values(), ids=PROXIES)
async def test_a_proxy_without_websockets_works_by_reading_and_is_told_once(server: Server, sockets, caplog):
    async with proxy(server, sockets) as url, Client(url) as client:
        first = await client.run(image(1))
        second = await client.run(image(2))

        assert [len(first), len(second)] == [1, 1]
        assert await second.outputs[0].read()
    told = [record.message for record in caplog.records if record.name == "comfywire"]
    assert len(told) == 1
    assert told[0].startswith(f"no events come from {url} (")
    assert told[0].endswith("let the proxy in front of it pass WebSockets on /ws")


async def test_pictures_that_only_a_socket_brings_are_missing_without_one(server: Server):
    async with proxy(server, refuses(400)) as url, Client(url) as client:
        with pytest.raises(OutputsMissing, match="went to a socket that was lost"):
            await client.run(over_socket())


async def test_who_is_not_let_in_is_told_that(server: Server):
    async with proxy(server, refuses(401)) as url, Client(url) as client:
        server.faults.replies.fail("*", 401, times=None)

        with pytest.raises(ServerError) as refused:
            await client.run(image())

    assert refused.value.status == 401


async def test_a_server_that_is_not_there_is_not_reached():
    async with Client("http://127.0.0.1:9") as client:
        with pytest.raises(ConnectionFailed):
            await client.run(image())


def test_basic_authentication_stays_as_it_was(monkeypatch):
    monkeypatch.setenv("COMFYWIRE_SERVER", "http://user:pass@gpu-1")

    client = Client()

    assert client.url == "http://gpu-1"
    assert client._address.headers["Authorization"] == "Basic " + base64.b64encode(b"user:pass").decode()
