from __future__ import annotations

import aiohttp
import pytest
from tests.server.wire import Wire, image

import comfywire
from comfywire.server import Server

TOKEN = "let me in"
ROUTES = (
    "/",
    "/queue",
    "/api/history",
    "/view?filename=a.png",
    "/ws",
    "/comfywire/overview",
    "/comfywire/log",
)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.test"])
@pytest.mark.parametrize("token", [None, ""])
def test_a_public_address_without_a_token_is_refused(host, token):
    with pytest.raises(ValueError, match=r"not a loopback address.*give it a token"):
        Server(host=host, token=token)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
async def test_a_loopback_address_needs_none(host):
    async with Server(host=host) as server, Wire(server.url) as wire:
        assert (await wire.get("/queue"))[0] == 200


async def test_a_server_on_every_address_says_how_it_is_reached_from_here():
    async with Server(host="0.0.0.0", token=TOKEN) as server:
        assert server.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer other"}, {"Cookie": "comfywire_token=other"}])
async def test_nothing_is_answered_without_the_token(route, sent):
    async with Server(token=TOKEN, faults_over_http=True) as server, Wire(server.url) as wire:
        status, words = await wire.get(route, headers=sent)

    assert status == 401
    assert b"?token=TOKEN" in words


async def test_a_prompt_without_the_token_does_not_run():
    async with Server(token=TOKEN) as server, Wire(server.url) as wire:
        status, _ = await wire.post("/prompt", {"prompt": image()})

        assert (status, server.life.queue.remaining(), server.log) == (401, 0, [])


async def test_our_client_is_let_in_on_http_and_on_the_socket():
    async with Server(token=TOKEN) as server, comfywire.Client(server.url, token=TOKEN) as client:
        result = await client.run(image())

    assert len(result.outputs) == 1


async def test_a_token_in_the_query_lets_in():
    async with Server(token=TOKEN) as server, Wire(server.url) as wire:
        assert (await wire.get("/queue", params={"token": TOKEN}))[0] == 200


async def test_a_browser_keeps_the_token_in_a_cookie_and_not_in_the_address():
    # An IP address: its cookies are kept only by a jar that is told to.
    jar = aiohttp.CookieJar(unsafe=True)
    async with Server(token=TOKEN) as server, aiohttp.ClientSession(server.url, cookie_jar=jar) as session:
        async with session.get("/", params={"token": TOKEN}) as page:
            assert (page.status, page.url.path_qs) == (200, "/")
            kept = page.history[0].headers["Set-Cookie"]
        async with session.get("/comfywire/overview") as reply:
            assert reply.status == 200

    assert "HttpOnly" in kept
    assert "SameSite=Strict" in kept


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        pytest.param("evil.example", "http://evil.example", id="a-name-that-leads-here"),
        pytest.param("evil.example:1", "http://evil.example:1", id="with-a-port"),
        pytest.param("192.0.2.1", "http://192.0.2.1", id="an-address"),
        pytest.param("127.0.0.1:1", "null", id="a-file"),
    ],
)
async def test_where_nodes_of_ones_own_run_pages_of_this_machine_alone_are_let_in(host, origin):
    headers = {"Host": host, "Origin": origin}
    async with Server(nodes={"Own": Own}) as server, Wire(server.url) as wire:
        assert (await wire.post("/prompt", {"prompt": image()}, headers=headers))[0] == 403
        assert (await wire.get("/ws", headers=headers))[0] == 403
        assert server.log == []
        for own in (server.url, "http://localhost"):
            same = {"Origin": own, "Host": own.removeprefix("http://")}
            assert (await wire.get("/queue", headers=same))[0] == 200


async def test_where_a_token_is_asked_for_a_page_under_any_name_is_let_in_with_it():
    headers = {"Host": "box.example", "Origin": "http://box.example", "Authorization": f"Bearer {TOKEN}"}
    async with Server(nodes={"Own": Own}, token=TOKEN) as server, Wire(server.url) as wire:
        assert (await wire.get("/queue", headers=headers))[0] == 200


class Own:
    CATEGORY = "test"
    FUNCTION = "do"
    RETURN_TYPES = ("INT",)

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 - ComfyUI's name for it
        return {"required": {}}

    def do(self):
        return (1,)
