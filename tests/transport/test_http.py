from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from tests.transport.apps import answer_json, serving

from comfywire.errors import ServerError, UnexpectedReply
from comfywire.transport.address import Address
from comfywire.transport.http import Http

SECRETS = {"Authorization": "Basic bWU6czNjcmV0", "X-Key": "s3cret", "Cookie": "login=s3cret"}


@contextlib.asynccontextmanager
async def http_to(url: str, **headers: str) -> AsyncIterator[Http]:
    http = Http(Address.parse(url, headers=headers))
    try:
        yield http
    finally:
        await http.close()


@pytest.mark.parametrize(
    ("where", "says"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param("me:s3cret@", {"Authorization": SECRETS["Authorization"]}, id="userinfo"),
    ],
)
async def test_credentials_of_the_address_go_with_each_request(where, says):
    async with serving(answer_json) as url, http_to(url.replace("//", f"//{where}")) as http:
        asked = await http.get_json("/queue")
        posted = await http.post_json("/queue", {})

    for heard in (asked["headers"], posted["headers"]):
        assert {name: heard[name] for name in heard if name in SECRETS} == says


async def test_headers_and_query_go_with_each_request_below_a_prefix():
    async with serving(answer_json) as url, http_to(f"{url}/gpu/1/?token=a%2Bb", **SECRETS) as http:
        heard = await http.get_json("/view", filename="a b&c#1+%2f.png")

    assert heard["path"] == "/gpu/1/api/view"
    assert heard["query"] == {"token": "a+b", "filename": "a b&c#1+%2f.png"}
    assert SECRETS.items() <= heard["headers"].items()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_server_is_reached_on_either_kind_of_address(host):
    async with serving(answer_json, host=host) as url, http_to(url) as http:
        assert (await http.get_json("/queue"))["path"] == "/api/queue"


def moving_to(target: str, status: int = 302):
    async def move(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/there"):
            return await answer_json(request)
        return web.Response(status=status, headers={"Location": target})

    return move


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_inside_the_origin_takes_credentials_along(status):
    async with serving(moving_to("/there", status)) as url, http_to(url, **SECRETS) as http:
        heard = (await http.get_json("/queue"))["headers"]

    assert SECRETS.items() <= heard.items()


async def test_a_redirect_to_another_origin_takes_no_credentials_along():
    async with (
        serving(answer_json) as elsewhere,
        serving(moving_to(f"{elsewhere}/there")) as url,
        http_to(url, **SECRETS) as http,
    ):
        heard = (await http.get_json("/queue"))["headers"]

    assert not SECRETS.keys() & heard.keys()


async def test_credentials_stay_away_when_another_origin_sends_us_back():
    async def bounce(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{request.query['home']}/there")

    async with serving(bounce) as elsewhere:

        async def move(request: web.Request) -> web.StreamResponse:
            if request.path == "/there":
                return await answer_json(request)
            raise web.HTTPFound(f"{elsewhere}/?home=http://{request.host}")

        async with serving(move) as url, http_to(url, **SECRETS) as http:
            heard = (await http.get_json("/queue"))["headers"]

    assert not SECRETS.keys() & heard.keys()


async def test_a_range_survives_a_redirect_to_another_origin():
    async with (
        serving(answer_json) as elsewhere,
        serving(moving_to(f"{elsewhere}/there")) as url,
        http_to(url, **SECRETS) as http,
        http.request("GET", "/view", headers={"Range": "bytes=5-"}) as response,
    ):
        heard = (await response.json())["headers"]

    assert heard["Range"] == "bytes=5-"


async def test_a_post_is_not_sent_on():
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response()

    async with (
        serving(elsewhere) as other,
        serving(moving_to(f"{other}/there?t=s3cret", 308)) as url,
        http_to(url) as http,
    ):
        with pytest.raises(ServerError, match=f"moved to {other}/there: use the server's new") as refusal:
            await http.post_json("/prompt", {})

    assert asked == []
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize("target", ["/there", "{elsewhere}/there"], ids=["same-origin", "another-origin"])
async def test_a_socket_is_not_sent_on(target):
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response()

    async with (
        serving(elsewhere) as other,
        serving(moving_to(target.format(elsewhere=other))) as url,
        http_to(url, **SECRETS) as http,
    ):
        with pytest.raises(ServerError, match="moved to http") as refusal:
            await http.open_socket("me")

    assert (asked, refusal.value.status) == ([], 302)


async def test_redirects_in_circles_end():
    async with serving(moving_to("/again")) as url, http_to(url) as http:
        with pytest.raises(UnexpectedReply, match="redirects in circles"):
            await http.get_json("/queue")


async def test_a_long_refusal_is_read_to_its_end():
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=400, text="x" * 3_000_000)

    async with serving(refuse) as url, http_to(url) as http:
        with pytest.raises(ServerError) as refusal:
            await http.post_json("/prompt", {})

    assert len(refusal.value.body) == 3_000_000
    assert len(str(refusal.value)) < 300


async def test_a_bare_nan_in_a_reply_is_read():
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text='{"value": NaN, "max": Infinity}')

    async with serving(answer) as url, http_to(url) as http:
        reply = await http.get_json("/history")

    assert reply["value"] != reply["value"]


async def test_an_empty_answer_to_a_post_is_none():
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response()

    async with serving(answer) as url, http_to(url) as http:
        assert await http.post_json("/queue", {}) is None


async def test_a_large_graph_is_posted_whole():
    async def answer(request: web.Request) -> web.StreamResponse:
        request._client_max_size = 0
        return web.json_response(len((await request.json())["text"]))

    async with serving(answer) as url, http_to(url) as http:
        assert await http.post_json("/prompt", {"text": "x" * 5_000_000}) == 5_000_000
