"""Inputs by URL: what may be fetched, over real sockets, and everything that may not."""

import asyncio
import base64
import contextlib
import gzip
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from comfywire.service.addresses import GuardedTransport
from comfywire.service.assets.blobs import TooLarge
from comfywire.service.assets.by_url import UnusableInput, fetch_input, from_base64
from comfywire.service.settings import Settings

from .conftest import noise, serving, whole

CONTENT = noise(300_000)
PNG = {"Content-Type": "image/png"}


class Site:
    """A web site on loopback that its test writes; what was asked for, and with which headers."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Request] = []
        self.answers: dict[str, Callable[[], Response]] = {}

    async def answer(self, request: Request) -> Response:
        self.asked.append(request)
        return self.answers[request.url.path]()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = FastAPI()
    app.add_route("/{path:path}", site.answer)
    async with serving(app) as site.url:
        yield site


@pytest.fixture
def private(settings: Settings) -> Settings:
    """Settings with which loopback may be reached."""
    return replace(settings, allow_private_urls=True, max_upload_bytes=1_000_000)


async def fetched(url: str, settings: Settings, **options: Any) -> tuple[str | None, str, bytes]:
    async with fetch_input(url, settings=settings, **options) as file:
        return file.name, file.content_type, await whole(file.chunks)


async def test_a_file_is_fetched_with_its_name_and_type(site: Site, private: Settings) -> None:
    site.answers["/a/photo 1.png"] = lambda: Response(CONTENT, headers=PNG)

    found = await fetched(f"{site.url}/a/photo%201.png?token=x", private)

    assert found == ("photo 1.png", "image/png", CONTENT)
    assert site.asked[0].headers["accept-encoding"] == "identity"
    assert site.asked[0].url.query == "token=x"


async def test_redirects_are_followed_without_cookies(site: Site, private: Settings) -> None:
    def first() -> Response:
        answer = RedirectResponse("/second")
        answer.set_cookie("session", "1")
        return answer

    site.answers["/first"] = first
    site.answers["/second"] = lambda: Response(CONTENT, headers=PNG)

    name, _, content = await fetched(f"{site.url}/first", private)

    assert (name, content) == ("second", CONTENT)
    assert "cookie" not in site.asked[1].headers


@pytest.mark.parametrize(
    "location", ["http://xn--/", "http://[::1", "http://a..b/", "http://\ud800/", "http://a:b/"]
)
async def test_a_redirect_that_cannot_be_read_is_told(site: Site, private: Settings, location: str) -> None:
    answer = Response(status_code=302)
    answer.raw_headers.append((b"location", location.encode("utf-8", "surrogatepass")))
    site.answers["/first"] = lambda: answer

    with pytest.raises(UnusableInput):
        await fetched(f"{site.url}/first", private)


async def test_redirects_without_end_are_refused(site: Site, private: Settings) -> None:
    site.answers["/round"] = lambda: RedirectResponse("/round")

    with pytest.raises(UnusableInput, match="redirected more than 5 times"):
        await fetched(f"{site.url}/round", private)

    assert len(site.asked) == 6


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(100_000)
        await asyncio.sleep(0)  # so that the server hears that nobody listens


PRIVATE = [
    "http://127.0.0.1",
    "http://localhost",
    "http://0.0.0.0",
    "http://0",
    "http://127.1",
    "http://2130706433",
    "http://0x7f000001",
    "http://0x7f.1",
    "http://0177.0.0.1",
    "http://10.0.0.1",
    "http://172.16.0.1",
    "http://192.168.1.1",
    "http://100.64.0.1",
    "http://169.254.169.254/latest/meta-data",
    "http://[::1]",
    "http://[::]",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:7f00:1]",
    "http://[64:ff9b::7f00:1]",
    "http://[2002:7f00:1::]",
    "http://[fe80::1]",
    "http://[fd00:ec2::254]",
    "http://224.0.0.1",
    "https://127.0.0.1",
    "http://127.0.0.1.",
    "http://\uff11\uff12\uff17.0.0.1",
]


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_private_address_is_connected_to_however_it_is_written(
    address: str, settings: Settings
) -> None:
    with pytest.raises(UnusableInput, match=r"no public address|was not found|cannot be read") as caught:
        await fetched(address, settings)

    assert "169.254" not in str(caught.value).replace("host '169.254.169.254'", "")


async def test_a_service_on_loopback_hears_nothing(site: Site, settings: Settings) -> None:
    site.answers["/"] = lambda: Response(CONTENT, headers=PNG)

    with pytest.raises(UnusableInput):
        await fetched(f"{site.url}/", settings)

    assert site.asked == []


class World(httpx.AsyncBaseTransport):
    """One public host, which is a site of the test; everything else is guarded."""

    def __init__(self, site: Site) -> None:
        self._port = int(site.url.rpartition(":")[2])
        self._real = httpx.AsyncHTTPTransport()
        self._guarded = GuardedTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != "public.example":
            return await self._guarded.handle_async_request(request)
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return await self._real.handle_async_request(request)

    async def aclose(self) -> None:
        await self._real.aclose()
        await self._guarded.aclose()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("{private}/secret", "no public address"),
        ("http://169.254.169.254/latest", "no public address"),
        ("file:///etc/passwd", "not by 'file'"),
        ("ftp://public.example/x", "not by 'ftp'"),
        ("http://user:pw@public.example/x", "user name"),
    ],
)
async def test_a_redirect_may_lead_only_where_the_url_may(
    site: Site, settings: Settings, target: str, says: str
) -> None:
    site.answers["/first"] = lambda: RedirectResponse(target.format(private=site.url))

    with pytest.raises(UnusableInput, match=says):
        await fetched("http://public.example/first", settings, transport=World(site))

    assert [request.url.path for request in site.asked] == ["/first"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://host/a.png", "not by 'ftp'"),
        ("file:///etc/passwd", "not by 'file'"),
        ("gopher://127.0.0.1/x", "not by 'gopher'"),
        ("//host/a.png", "not by 'none'"),
        ("a.png", "not by 'none'"),
        ("http://", "inputs come by"),
        ("http:///a.png", "inputs come by"),
        ("http://user@8.8.8.8/a.png", "user name"),
        ("http://8.8.8.8:99999/", "cannot be read"),
        ("http://a\nb/", "cannot be read"),
        ("http://" + "x" * 300 + ".example/", "was not found|cannot be read"),
    ],
)
async def test_what_is_no_plain_web_address_is_refused(url: str, says: str, settings: Settings) -> None:
    with pytest.raises(UnusableInput, match=says):
        await fetched(url, settings)


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/json", "image", ""])
async def test_only_what_comfyui_loads_is_taken(site: Site, private: Settings, kind: str) -> None:
    site.answers["/x"] = lambda: Response(CONTENT, headers={"Content-Type": kind})

    with pytest.raises(UnusableInput, match="images, video, audio and models are taken"):
        await fetched(f"{site.url}/x", private)


@pytest.mark.parametrize("kind", ["IMAGE/PNG", "video/mp4; codecs=x", "audio/wav", "binary/octet-stream"])
async def test_what_comfyui_loads_is_taken(site: Site, private: Settings, kind: str) -> None:
    site.answers["/x"] = lambda: Response(CONTENT, headers={"Content-Type": kind})

    assert (await fetched(f"{site.url}/x", private))[2] == CONTENT


@pytest.mark.parametrize("status", [204, 206, 304, 401, 404, 500])
async def test_what_is_not_given_is_not_taken(site: Site, private: Settings, status: int) -> None:
    site.answers["/x"] = lambda: Response(b"", status, headers=PNG)

    with pytest.raises(UnusableInput, match=f"127.0.0.1 answered {status}"):
        await fetched(f"{site.url}/x", private)


async def test_what_says_that_it_is_too_large_is_not_read(site: Site, private: Settings) -> None:
    site.answers["/x"] = lambda: Response(bytes(1_000_001), headers=PNG)

    with pytest.raises(TooLarge):
        async with fetch_input(f"{site.url}/x", settings=private):
            pytest.fail("it was opened")


async def test_what_turns_out_too_large_is_not_read_on(site: Site, private: Settings) -> None:
    site.answers["/x"] = lambda: StreamingResponse(endless(), headers=PNG)

    with pytest.raises(TooLarge):
        await fetched(f"{site.url}/x", private)


async def test_what_is_compressed_unasked_is_refused(site: Site, private: Settings) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    site.answers["/x"] = lambda: Response(bomb, headers=PNG | {"Content-Encoding": "gzip"})

    with pytest.raises(UnusableInput, match="compressed, unasked"):
        await fetched(f"{site.url}/x", private)


async def test_the_body_of_a_redirect_is_not_read(site: Site, private: Settings) -> None:
    site.answers["/x"] = lambda: StreamingResponse(endless(), 302, headers={"Location": "/y"})
    site.answers["/y"] = lambda: Response(CONTENT, headers=PNG)

    assert (await fetched(f"{site.url}/x", private))[2] == CONTENT


@pytest.mark.parametrize("sent", [b"", CONTENT[:1000]], ids=["nothing", "a-part"])
async def test_what_takes_too_long_is_given_up(site: Site, private: Settings, sent: bytes) -> None:
    is_over = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield sent
        await is_over.wait()

    site.answers["/x"] = lambda: StreamingResponse(slow(), headers=PNG)

    with pytest.raises(UnusableInput, match=r"not there within 0\.3 seconds"):
        await fetched(f"{site.url}/x", private, time_limit=0.3)
    is_over.set()


async def test_a_file_that_breaks_off_is_refused(private: Settings) -> None:
    async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\nhalf")
        writer.close()

    async with await asyncio.start_server(half, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UnusableInput, match="could not be fetched"):
            await fetched(f"http://127.0.0.1:{port}/x", private)


async def test_a_host_that_does_not_answer_is_named(private: Settings) -> None:
    with contextlib.closing(await free_port()) as port, pytest.raises(UnusableInput, match="fetched"):
        await fetched(f"http://127.0.0.1:{port}/x", private)


async def free_port() -> Any:
    import socket

    class Port(socket.socket):
        def __format__(self, spec: str) -> str:
            return str(self.getsockname()[1])

    taken = Port()
    taken.bind(("127.0.0.1", 0))  # and does not listen
    return taken


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:image/png;base64," + base64.b64encode(CONTENT).decode(), ("image/png", CONTENT)),
        ("DATA:image/png;x=y;BASE64,AAE%3D", ("image/png", b"\0\1")),
        ("data:audio/wav,a%20b", ("audio/wav", b"a b")),
        ("data:application/octet-stream,", ("application/octet-stream", b"")),
    ],
)
async def test_a_data_url_is_the_file_itself(
    settings: Settings, url: str, expected: tuple[str, bytes]
) -> None:
    assert (await fetched(url, settings))[1:] == expected


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("data:image/png;base64", "no comma"),
        ("data:image/png;base64,!!!!", "neither a URL nor base64"),
        ("data:image/png;base64,AAA", "neither a URL nor base64"),
        ("data:text/html,<p>", "images, video, audio and models"),
        ("data:,x", "images, video, audio and models"),
        ("data:image/png;base64,é", "neither a URL nor base64"),
    ],
)
async def test_a_wrong_data_url_is_refused(settings: Settings, url: str, says: str) -> None:
    with pytest.raises(UnusableInput, match=says):
        await fetched(url, settings)


@pytest.mark.parametrize("form", ["data:image/png;base64,{}", "data:image/png,{}"])
async def test_a_data_url_holds_to_the_largest_size(settings: Settings, form: str) -> None:
    small = replace(settings, max_upload_bytes=100)

    with pytest.raises(TooLarge):
        await fetched(form.format(base64.b64encode(bytes(101)).decode()), small)


async def test_base64_is_the_file_itself() -> None:
    file = from_base64("AAECAw==", most=4)

    assert (await whole(file.chunks), file.name) == (b"\0\1\2\3", None)


def test_base64_holds_to_the_largest_size() -> None:
    with pytest.raises(TooLarge):
        from_base64("AAECAw==", most=3)
