from __future__ import annotations

import asyncio
import contextlib
import socket
import traceback
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from tests.transport.apps import replying, serving

from comfywire.errors import ComfywireError, ConnectionFailed, ConnectionLost, ServerError, UnexpectedReply
from comfywire.transport.address import Address
from comfywire.transport.http import Http

OK = b"HTTP/1.1 200 OK\r\n"


@contextlib.asynccontextmanager
async def http_to(
    url: str, *, connect_timeout: float = 5.0, read_timeout: float = 5.0
) -> AsyncIterator[Http]:
    http = Http(Address.parse(url), connect_timeout=connect_timeout, read_timeout=read_timeout)
    try:
        yield http
    finally:
        await http.close()


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        pytest.param(b"", ConnectionLost, "broke during GET /queue", id="closed-without-a-word"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", ConnectionLost, "broke during", id="not-http"),
        pytest.param(OK + b"Content-Length: 9\r\n\r\n{", ConnectionLost, "broke during", id="body-cut"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{", ConnectionLost, "broke during", id="chunks-cut"
        ),
        pytest.param(
            OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk",
            ConnectionLost,
            "broke during",
            id="compression-broken",
        ),
        pytest.param(
            OK + b"X: " + b"x" * 20_000 + b"\r\n\r\n", ConnectionLost, "broke", id="header-too-long"
        ),
        pytest.param(OK + b"Content-Length: 4\r\n\r\n<ht>", UnexpectedReply, "<ht>", id="not-json"),
        pytest.param(
            OK + b"Content-Length: 0\r\n\r\n", UnexpectedReply, "not answered with JSON", id="empty"
        ),
        pytest.param(
            OK + b"Content-Length: 2\r\n\r\n\xff\xfe", UnexpectedReply, "not answered with", id="not-utf-8"
        ),
        pytest.param(
            OK + b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000,
            UnexpectedReply,
            "[[[",
            id="nested-too-deep",
        ),
        pytest.param(
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops",
            ServerError,
            "GET /queue was answered 502: oops",
            id="error-status",
        ),
        pytest.param(
            b"HTTP/1.1 500 Sorry\r\nContent-Length: 9\r\n\r\noo",
            ConnectionLost,
            "broke",
            id="error-status-cut",
        ),
    ],
)
async def test_an_answer_that_cannot_be_used_is_an_error_of_ours(reply, error, says):
    async with replying(reply) as url, http_to(url) as http:
        with pytest.raises(ComfywireError) as failure:
            await http.get_json("/queue")

    assert type(failure.value) is error
    assert says in str(failure.value)


async def test_silence_loses_the_connection():
    async with replying(None) as url, http_to(url, read_timeout=0.05) as http:
        with pytest.raises(ConnectionLost, match="broke during POST /prompt"):
            await http.post_json("/prompt", {})


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param(f"http://127.0.0.1:{unused_port()}", "is it running", id="nobody-listens"),
        pytest.param("http://nowhere.invalid", "nowhere.invalid", id="no-such-name"),
    ],
)
async def test_a_server_that_is_not_reached_is_a_failed_connection(url, says):
    async with http_to(url) as http:
        with pytest.raises(ConnectionFailed, match=says):
            await http.get_json("/queue")
        with pytest.raises(ConnectionFailed, match=says):
            await http.open_socket("me")


async def test_a_server_that_does_not_accept_in_time_is_a_failed_connection():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        host, port = full.getsockname()
        with contextlib.ExitStack() as waiting:
            for _ in range(4):
                blocker = waiting.enter_context(socket.socket())
                blocker.setblocking(False)
                blocker.connect_ex((host, port))
            async with http_to(f"{host}:{port}", connect_timeout=0.1) as http:
                with pytest.raises(ConnectionFailed, match="did not answer in time"):
                    await http.get_json("/queue")


async def answer(request: web.Request) -> web.Response:
    return web.json_response([])


async def test_a_certificate_that_nobody_vouches_for_is_refused():
    async with serving(answer, tls=True) as url, http_to(url) as http:
        with pytest.raises(ConnectionFailed, match=r"certificate.* was not accepted.*verify=False"):
            await http.get_json("/queue")


async def test_a_certificate_is_not_looked_at_when_that_is_asked_for():
    async with serving(answer, tls=True) as url:
        http = Http(Address.parse(url), verify=False)
        try:
            assert await http.get_json("/queue") == []
        finally:
            await http.close()


async def test_https_to_a_server_without_it_does_not_blame_a_certificate():
    async with serving(answer) as url, http_to(url.replace("http:", "https:")) as http:
        with pytest.raises(ConnectionFailed, match="speaks no https: try http://") as failure:
            await http.get_json("/queue")

    assert "certificate" not in str(failure.value).split("(")[0]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"HTTP/9.9 what\r\n\r\n", id="not-http"),
        pytest.param(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", id="refused"),
        pytest.param(OK + b"Content-Length: 0\r\n\r\n", id="answered-without-an-upgrade"),
    ],
)
async def test_a_token_in_the_address_is_in_no_error(reply):
    async with replying(reply) as url, http_to(f"{url}?token=s3cret") as http:
        for ask in (lambda: http.get_json("/queue"), lambda: http.open_socket("me")):
            with pytest.raises(ComfywireError) as failure:
                await ask()

            assert "s3cret" not in "".join(traceback.format_exception(failure.value)) + repr(failure.value)
            assert "s3cret" not in repr(failure.value.__cause__)


async def test_a_request_after_the_close_is_a_mistake_of_the_caller():
    async with serving(answer) as url, http_to(url) as http:
        await http.close()

        with pytest.raises(RuntimeError, match="this client is closed"):
            await http.get_json("/queue")


async def test_a_cancelled_request_is_just_cancelled():
    asked = asyncio.Event()

    async def stall(request: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(stall) as url, http_to(url) as http:
        asking = asyncio.create_task(http.get_json("/queue"))
        await asked.wait()
        asking.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asking
