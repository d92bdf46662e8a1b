"""A server that answers too much, too slowly, compressed, or from elsewhere."""

import asyncio
import gzip
import json

import pytest
from aiohttp import web
from tests.transport.apps import serving

from comfywire.client import Client, ReplyLimits
from comfywire.errors import ReplyRefused
from comfywire.transport.address import Address
from comfywire.transport.http import Http

LONG = {"words": "x" * 100_000}


async def ask(url, path="/queue", **limits):
    http = Http(Address.parse(url), limits=ReplyLimits(**limits))
    try:
        return await http.get_json(path)
    finally:
        await http.close()


async def answer_long(request):
    return web.json_response(LONG)


async def answer_slowly(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b'{"a": "')
    for _ in range(40):
        await asyncio.sleep(0.05)
        await response.write(b"x")
    await response.write(b'"}')
    return response


async def answer_compressed(request):
    body = gzip.compress(json.dumps(LONG).encode())
    return web.Response(body=body, headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    ("path", "limits"),
    [
        pytest.param("/queue", {"json_bytes": 50_000}, id="json"),
        pytest.param("/history/x", {"json_bytes": 50_000, "catalogue_bytes": 200_000}, id="a-history"),
        pytest.param("/object_info", {"json_bytes": 200_000, "catalogue_bytes": 50_000}, id="a-catalogue"),
    ],
)
async def test_a_reply_that_is_too_large_is_not_read_to_its_end(path, limits):
    async with serving(answer_long) as url:
        with pytest.raises(ReplyRefused, match=f"GET /api{path} was answered with more than 50000 bytes"):
            await ask(url, path, **limits)


async def test_a_reply_that_takes_too_long_is_given_up():
    async with serving(answer_slowly) as url:
        with pytest.raises(ReplyRefused, match=r"GET /api/queue took over 0\.2 s"):
            await ask(url, json_seconds=0.2)


async def test_a_reply_that_trickles_is_given_up():
    async with serving(answer_slowly) as url:
        with pytest.raises(ReplyRefused, match=r"\d+ bytes came in 0\.2 seconds"):
            await ask(url, least_rate=100.0, rate_seconds=0.2)


async def test_a_slow_reply_that_keeps_the_pace_is_taken():
    async with serving(answer_slowly) as url:
        assert await ask(url, least_rate=1.0, rate_seconds=0.3) == {"a": "x" * 40}


async def test_what_is_compressed_is_refused_where_it_was_not_asked_for():
    async with serving(answer_compressed) as url:
        assert await ask(url) == LONG
        with pytest.raises(ReplyRefused, match="answered compressed"):
            await ask(url, is_plain=True, json_bytes=1 << 20)


async def test_only_plain_replies_are_asked_for():
    async def echo(request):
        return web.json_response({"accepts": request.headers.get("Accept-Encoding")})

    async with serving(echo) as url:
        assert (await ask(url, is_plain=True))["accepts"] == "identity"


async def test_a_redirect_to_another_address_is_not_followed():
    asked = []

    async def secret(request):
        asked.append(request.path)
        return web.json_response({"secret": 1})

    async with serving(secret) as inside:

        async def send_on(request):
            raise web.HTTPFound(f"{inside}/latest/meta-data?token=x")

        async with serving(send_on) as url:
            assert await ask(url) == {"secret": 1}
            asked.clear()
            with pytest.raises(ReplyRefused, match=f"to {inside}, where nothing is fetched") as told:
                await ask(url, stays_at_origin=True)

    assert asked == []
    assert "token" not in str(told.value)


async def test_a_redirect_within_the_server_is_followed():
    async def move(request):
        if request.path == "/api/queue":
            raise web.HTTPFound("/elsewhere")
        return web.json_response({"path": request.path})

    async with serving(move) as url:
        assert await ask(url, stays_at_origin=True) == {"path": "/elsewhere"}


async def test_a_file_that_is_too_large_is_not_fetched_to_its_end():
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    limits = ReplyLimits(file_bytes=1 << 20)
    async with serving(endless) as url, Client(url, reply_limits=limits) as client:
        with pytest.raises(ReplyRefused, match="more than 1048576 bytes"):
            await client.view("a.png")
        with pytest.raises(ReplyRefused, match=r"the file 'a\.png' has more than 1048576 bytes"):
            await client.downloads.read("a.png", "", "output")
