"""The command line's client, against a service that goes away in the middle of things."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from comfywire.cli.failures import Stopped
from comfywire.cli.jobs.service_following import follow_all
from comfywire.cli.jobs.service_telling import JsonTeller, PlainTeller
from comfywire.errors import ConnectionFailed, UnexpectedReply
from comfywire.service.jobs.states import TERMINAL
from comfywire.service_client.answers import ServiceRefused
from comfywire.service_client.client import ServiceClient
from comfywire.service_client.event_stream import (
    ENDS,
    LONGEST_LINE_BYTES,
    ServerEvent,
    read_events,
    read_lines,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
END = 'id: 9\nevent: status\ndata: {"status": "succeeded"}\n\n'


@contextlib.asynccontextmanager
async def service(*handlers: Handler) -> AsyncIterator[tuple[ServiceClient, list[web.Request]]]:
    """A client, and the requests that came: each is answered by the next of ``handlers``."""
    heard: list[web.Request] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        heard.append(request)
        return await handlers[len(heard) - 1](request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ServiceClient(_url(runner), pauses=(0.01,) * 5) as client:
        yield client, heard
    await runner.cleanup()


def _url(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


def says(body: object, status: int = 200) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        del request
        return web.json_response(body, status=status)

    return answer


def refuses(status: int, code: str, message: str) -> Handler:
    return says({"error": {"code": code, "message": message}}, status)


async def breaks_off(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def streams(text: str, *, then_breaks: bool = False) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(text.encode())
        if then_breaks:
            assert request.transport is not None
            request.transport.abort()
        return response

    return answer


async def test_a_read_is_repeated_while_the_service_is_away():
    async with service(breaks_off, refuses(503, "service_unavailable", "wait"), says({"id": "x"})) as (
        client,
        _,
    ):
        assert await client.read("/api/v2/jobs/x") == {"id": "x"}


async def test_a_change_is_repeated_under_one_key():
    async with service(breaks_off, says({"id": "x"}, 201)) as (client, heard):
        await client.ask("POST", "/api/v2/jobs", {})

    keys = {request.headers["Idempotency-Key"] for request in heard}
    assert (len(heard), len(keys)) == (2, 1)


async def test_two_changes_have_keys_of_their_own():
    async with service(says({}, 201), says({}, 201)) as (client, heard):
        await client.ask("POST", "/api/v2/jobs", {})
        await client.ask("POST", "/api/v2/jobs", {})

    assert len({request.headers["Idempotency-Key"] for request in heard}) == 2


async def test_a_refusal_is_not_repeated():
    async with service(refuses(422, "invalid_workflow", "node 1 is odd")) as (client, heard):
        with pytest.raises(ServiceRefused, match="node 1 is odd") as raised:
            await client.ask("POST", "/api/v2/jobs", {})

    assert (raised.value.code, raised.value.status, len(heard)) == ("invalid_workflow", 422, 1)


async def test_a_missing_key_names_the_next_step():
    async with service(refuses(401, "unauthorized", "a key is needed")) as (client, _):
        with pytest.raises(ServiceRefused) as raised:
            await client.read("/api/v2/jobs")

    assert "--key" in raised.value.next_step


async def test_what_answers_may_be_no_service():
    async def page(request: web.Request) -> web.Response:
        del request
        return web.Response(text="<html>", content_type="text/html")

    async with service(page) as (client, _):
        with pytest.raises(UnexpectedReply, match="did not answer with JSON"):
            await client.read("/api/v2/jobs")


async def test_a_service_that_never_was_there_is_said_at_once():
    async with ServiceClient("http://127.0.0.1:9") as client:
        with pytest.raises(ConnectionFailed, match="no job service was reached"):
            await client.read("/api/v2/jobs")


async def test_a_stream_that_breaks_is_resumed_behind_its_last_event():
    first = 'id: 5\nevent: progress\ndata: {"value": 0.5}\n\nid: 6\nevent: prog'
    async with service(streams(first, then_breaks=True), streams(END)) as (client, heard):
        events = [event async for event in client.events("x")]

    assert [event.id for event in events] == ["5", "9"]
    assert [request.headers.get("Last-Event-ID") for request in heard] == [None, "5"]


async def test_a_stream_that_ends_early_is_asked_for_again():
    async with service(streams(""), refuses(503, "not_ready", "wait"), streams(END)) as (client, _):
        events = [event async for event in client.events("x")]

    assert [event.data for event in events] == [{"status": "succeeded"}]


async def test_a_job_that_is_not_there_ends_the_stream():
    async with service(refuses(404, "not_found", "there is no job x")) as (client, heard):
        with pytest.raises(ServiceRefused, match="there is no job x"):
            [event async for event in client.events("x")]

    assert len(heard) == 1


async def test_the_key_is_sent_as_a_bearer_token():
    async with service(says({})) as (client, heard), ServiceClient(client.url, key="cw_secret") as other:
        await other.read("/")

    assert heard[0].headers["Authorization"] == "Bearer cw_secret"


@pytest.mark.parametrize("url", ["ftp://x", "http://", "x://y"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match=r"is not an address like http://127\.0\.0\.1:8190"):
        ServiceClient(url)


def test_an_address_may_leave_the_scheme_out():
    assert ServiceClient("localhost:8190").url == "http://localhost:8190"


@pytest.mark.parametrize(
    "size", [1, 7, 1000], ids=["byte-by-byte", "in-the-middle-of-characters", "everything-at-once"]
)
async def test_lines_are_the_same_however_they_arrive(size):
    text = 'a: "é\u2028ü"\r\n\n\rb\ncut off'.encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(text), size):
            yield text[start : start + size]

    assert [line async for line in read_lines(chunks())] == ['a: "é\u2028ü"', "", "\rb"]


async def test_a_line_without_end_is_given_up():
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield bytes(LONGEST_LINE_BYTES // 4)

    with pytest.raises(UnexpectedReply, match="64 MiB"):
        [line async for line in read_lines(chunks())]


def test_the_client_knows_the_states_that_the_service_ends_in():
    assert set(TERMINAL) == ENDS


async def test_a_key_does_not_follow_a_redirect_to_another_origin(tmp_path):
    async def keeps(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{other.url}/bytes")

    async with (
        service(lambda request: web_bytes(b"kept elsewhere")) as (other, asked),
        service(keeps) as (here, first),
        ServiceClient(here.url, key="cw_secret") as client,
    ):
        path = await client.download("a", tmp_path, "a.bin")

    assert path.read_bytes() == b"kept elsewhere"
    assert first[0].headers["Authorization"] == "Bearer cw_secret"
    assert "Authorization" not in asked[0].headers


async def web_bytes(content: bytes) -> web.Response:
    return web.Response(body=content)


async def read(text: str) -> list[ServerEvent]:
    async def lines() -> AsyncIterator[str]:
        for line in text.splitlines():
            yield line
            await asyncio.sleep(0)

    return [event async for event in read_events(lines())]


@pytest.mark.parametrize(
    ("text", "events"),
    [
        pytest.param("event: a\ndata: {}\n\n", [ServerEvent("a", {})], id="plain"),
        pytest.param("data:{}\n\n", [ServerEvent("message", {})], id="without-type-or-space"),
        pytest.param('data: {"a":\ndata: 1}\n\n', [ServerEvent("message", {"a": 1})], id="several-lines"),
        pytest.param(": heartbeat\n\ndata: {}\n\n", [ServerEvent("message", {})], id="comment"),
        pytest.param("data: {}\n", [], id="cut-off"),
        pytest.param("data: [1]\n\ndata: {\n\n", [], id="no-object"),
        pytest.param(
            "id: 7\ndata: {}\n\ndata: {}\n\n",
            [ServerEvent("message", {}, "7"), ServerEvent("message", {})],
            id="id",
        ),
    ],
)
async def test_events_are_read_from_lines(text, events):
    assert await read(text) == events


class Hanging:
    """Handlers that answer nothing, or the beginning of a stream, until they are let go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()

    async def hang(self, request: web.Request) -> web.StreamResponse:
        await self.let_go.wait()
        return web.json_response({})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(b'id: 1\nevent: status\ndata: {"status": "running"}\n\n')
        await self.let_go.wait()
        return stream


async def test_a_service_that_hangs_with_its_stream_open_is_told(capfd):
    hanging = Hanging()
    async with (
        service(hanging.stream, hanging.hang) as (client, heard),
        ServiceClient(client.url, quiet=0.1) as waiting,
    ):
        teller, told = PlainTeller(), asyncio.Event()
        with waiting.news.told_to(teller.service), waiting.news.told_to(lambda *_: told.set()):
            following = asyncio.create_task(follow_all(waiting, ["j"], teller, None))
            async with asyncio.timeout(60):
                await told.wait()
            following.cancel()
            with pytest.raises(Stopped):
                await following
            hanging.let_go.set()

    assert [request.path for request in heard] == ["/api/v2/jobs/j/events", "/healthz"]
    out, err = capfd.readouterr()
    assert out == "job j: running\n"
    assert err.startswith(
        f"comfywire: {client.url} does not answer: GET /healthz has had no reply for 2.5 s; "
    )
    assert "the jobs are safe in the service" in err


async def test_a_service_that_is_gone_is_told_by_each_teller(capfd):
    async with service(says({})) as (client, _):
        url = client.url
        await client.read("/x")
    for teller in (PlainTeller(), JsonTeller()):
        async with ServiceClient(url) as waiting:
            told = asyncio.Event()
            with waiting.news.told_to(teller.service), waiting.news.told_to(lambda *_, told=told: told.set()):
                following = asyncio.create_task(follow_all(waiting, ["j"], teller, None))
                async with asyncio.timeout(60):
                    await told.wait()
                following.cancel()
                with pytest.raises(Stopped):
                    await following

    out, err = capfd.readouterr()
    assert json.loads(out)["event"] == "silent"
    assert f"no job service was reached at {url}" in json.loads(out)["message"]
    assert f"comfywire: no job service was reached at {url}" in err
