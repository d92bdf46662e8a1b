"""A ComfyUI that lies: its job ends, in words, and nobody else's suffers."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.service.rig import FAST, Rig, picture, up, working
from tests.transport.apps import serving

from comfywire.server import Server
from comfywire.service.jobs.records import JobRecord, OutputRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.worker import replies
from comfywire.service.worker.replies import (
    LONGEST_TRACEBACK,
    LONGEST_VALUE_BYTES,
    LONGEST_WORDS,
    MOST_VALUE_BYTES,
)

Lie = Callable[[web.Request, bytes], Awaitable[web.StreamResponse | None]]
SMALL = 1 << 20
KEPT = ("Content-Type", "Range")


@contextlib.asynccontextmanager
async def liar(rig: Rig, lie: Lie, **settings: Any) -> AsyncIterator[None]:
    """A worker on a server behind a proxy, which hands each answer to ``lie`` once the server is up."""
    is_up = asyncio.Event()
    async with Server() as server, lying(server.url, lie, is_up) as url, working(rig.worker(url, **settings)):
        await up(rig)
        is_up.set()
        yield


@contextlib.asynccontextmanager
async def lying(server: str, lie: Lie, since: asyncio.Event) -> AsyncIterator[str]:
    """A proxy before the server at this URL; what sockets say is passed on."""
    async with aiohttp.ClientSession() as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            target = server + request.path_qs
            if request.path.endswith("/ws"):
                return await pass_on(session, target, request)
            kept = {name: request.headers[name] for name in KEPT if name in request.headers}
            sent = await request.read()
            async with session.request(request.method, target, data=sent, headers=kept) as answer:
                body = await answer.read()
            lied = await lie(request, body) if since.is_set() else None
            kind = answer.headers.get("Content-Type", "")
            return lied or web.Response(body=body, status=answer.status, headers={"Content-Type": kind})

        async with serving(handle) as url:
            yield url


async def pass_on(session: aiohttp.ClientSession, target: str, request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async with session.ws_connect(target) as theirs:
        async for message in theirs:
            if message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data)
    return socket


async def endless(request: web.Request, head: bytes = b"") -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(head)
    while True:
        await response.write(b" " * SMALL)


def of(path: str, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Lie:
    async def lie(request: web.Request, body: bytes) -> web.StreamResponse | None:
        return await answer(request) if path in request.path and request.method == "GET" else None

    return lie


def entry(change: Callable[[dict[str, Any]], None]) -> Lie:
    """Lie about each history entry."""

    async def lie(request: web.Request, body: bytes) -> web.StreamResponse | None:
        if "/history/" not in request.path:
            return None
        entries = json.loads(body)
        for one in entries.values():
            change(one)
        return web.json_response(entries)

    return lie


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


async def redirected(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://127.0.0.1:9/latest/meta-data")


async def bomb(request: web.Request) -> web.StreamResponse:
    return web.Response(body=gzip.compress(b"\0" * 50 * SMALL), headers={"Content-Encoding": "gzip"})


async def endless_history(request: web.Request) -> web.StreamResponse:
    return await endless(request, b'{"a": [')


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        pytest.param(of("/view", redirected), "where nothing is fetched from", id="a-redirect-inside"),
        pytest.param(of("/view", endless), "more than 1048576 bytes", id="a-file-without-end"),
        pytest.param(of("/view", bomb), "answered compressed", id="a-file-that-unpacks"),
        pytest.param(of("/history/", endless_history), "more than 1048576 bytes", id="a-history-without-end"),
        pytest.param(
            entry(lambda one: one["outputs"].update({"2": {"images": [{"filename": "\ud800.png"}]}})),
            "names an output that nobody can ask for",
            id="a-name-that-cannot-be-sent",
        ),
        pytest.param(
            entry(lambda one: one["outputs"].update({"2": {"thing": [nested(101)]}})),
            "node 2 tells a value that is nested more than 100 levels deep",
            id="a-value-too-deep-to-be-kept",
        ),
        pytest.param(
            entry(lambda one: one["outputs"].update({"2": {"thing": [nested(900)]}})),
            "node 2 tells a value that is nested more than 100 levels deep",
            id="a-value-too-deep-for-recursion",
        ),
        pytest.param(
            entry(lambda one: one["outputs"].update({"2": {"text": [str(n) for n in range(10_001)]}})),
            "it tells of 10001 outputs, and a job may have 10000",
            id="outputs-without-number",
        ),
    ],
)
async def test_what_is_not_taken_ends_the_job_in_words_and_not_the_server(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, lie: Lie, words: str
):
    monkeypatch.setattr(replies, "JSON_BYTES", SMALL)
    async with liar(rig, lie, max_output_bytes=SMALL):
        ended = await rig.ended(await rig.submit(picture()))

        assert ended.state is JobState.FAILED
        assert ended.error is not None
        assert ended.error["code"] == "outputs_unavailable"
        assert words in ended.error["message"]
        (found,) = await rig.database.all("SELECT state FROM servers")
        assert found["state"] == "up"


async def test_a_file_that_trickles_is_given_up(rig: Rig):
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.Event().wait()
        return response

    async with liar(rig, of("/view", trickle), pace=replace(FAST, rate=0.5)):
        ended = await rig.ended(await rig.submit(picture()))

    assert ended.error is not None
    assert "bytes came in 0.5 seconds" in ended.error["message"]


async def test_a_file_that_breaks_off_each_time_fails_the_job_and_is_not_waited_for_for_ever(rig: Rig):
    """It is not run again: the ComfyUI answers, and would break off again."""

    async def broken_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 10)
        assert request.transport is not None
        request.transport.close()
        return response

    async with liar(rig, of("/view", broken_off), server_patience=0.5):
        ended = await rig.ended(await rig.submit(picture()))

    assert (ended.state, ended.submissions) == (JobState.FAILED, 1)
    assert ended.error is not None
    assert ended.error["code"] == "outputs_unavailable"
    assert "does not give out its outputs: the connection to" in ended.error["message"]


async def test_a_long_error_is_cut_and_says_so(rig: Rig):
    def fail(one: dict[str, Any]) -> None:
        error = {
            "node_id": "1",
            "node_type": "EmptyImage",
            "exception_message": "m" * SMALL,
            "exception_type": "E" * SMALL,
            "traceback": ["t" * SMALL],
        }
        messages = [["execution_error", error]]
        one["status"] = {"status_str": "error", "completed": False, "messages": messages}

    async with liar(rig, entry(fail)):
        ended = await rig.ended(await rig.submit(picture()))

    assert ended.error is not None
    assert len(ended.error["message"]) < LONGEST_WORDS + 100
    assert LONGEST_TRACEBACK < len(ended.error["traceback"]) < LONGEST_TRACEBACK + 100
    assert "characters are left out" in ended.error["message"]
    assert len(json.dumps(ended.error)) < 2 * (LONGEST_WORDS + LONGEST_TRACEBACK)


async def texts_of(rig: Rig, job: JobRecord) -> list[OutputRecord]:
    """What a lie told; the picture that was made may have been heard of over the socket before."""
    return [output for output in await rig.store.outputs(job.id) if output.kind == "text"]


async def test_a_long_text_is_an_asset_and_no_value(rig: Rig):
    def say(one: dict[str, Any]) -> None:
        one["outputs"] = {"2": {"text": ["x" * (LONGEST_VALUE_BYTES + 1)], "note": ["short"]}}

    async with liar(rig, entry(say)):
        ended = await rig.ended(await rig.submit(picture()))
        long, short = await texts_of(rig, ended)

    assert ended.state is JobState.SUCCEEDED
    assert (long.value, long.is_truncated, long.size_bytes) == (None, True, LONGEST_VALUE_BYTES + 1)
    assert (short.value, short.is_truncated) == ("short", False)


async def test_texts_that_are_long_together_are_assets_too(rig: Rig):
    many = MOST_VALUE_BYTES // LONGEST_VALUE_BYTES
    texts = [f"{number:02}" + "x" * (LONGEST_VALUE_BYTES - 3) for number in range(many)]

    def say(one: dict[str, Any]) -> None:
        one["outputs"] = {"2": {"text": [*texts, "as many as there are bytes left", "short"]}}

    async with liar(rig, entry(say)):
        ended = await rig.ended(await rig.submit(picture()))
        *told, long, short = await texts_of(rig, ended)

    assert [output.value for output in told] == texts
    assert (long.value, long.is_truncated) == (None, True)
    assert (short.value, short.is_truncated) == ("short", False)
