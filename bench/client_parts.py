"""Where the client's processor time goes that a bare loop does not spend, part by part, without a network.

    python bench/client_parts.py

Each part of a small job runs by itself, over and over, without the garbage collector; the least is printed,
in microseconds a job, beside what a bare loop takes for the same where it does it at all. The three requests
are answered by a stand-in for aiohttp's session: what aiohttp and the kernel take is the same for both.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Callable
from inspect import isawaitable
from typing import Any

from contest import prompt
from machine import conditions, conditions_line

import comfywire
from comfywire.client.preparing import Request, prepare
from comfywire.protocol.parsing import parse_text
from comfywire.protocol.session import Session
from comfywire.protocol.snapshots import parse_history
from comfywire.server import Server

BATCH, TIMES = 10, 600
STATUS = '{"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 1}}}}'
"""Each change of the queue is told to all: three times for a job."""


async def least(work: Callable[[], Any]) -> float:
    """Return the microseconds that ``work`` takes when nothing else holds it up."""
    best = float("inf")
    for _ in range(TIMES):
        began = time.perf_counter()
        for _ in range(BATCH):
            if isawaitable(waited := work()):
                await waited
        best = min(best, (time.perf_counter() - began) / BATCH)
    return best * 1e6


class Answer:
    """A reply that has come already."""

    status = 200

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.headers: dict[str, str] = {}
        self.content = self

    async def iter_any(self) -> AsyncIterator[bytes]:
        """Yield all of it."""
        yield self._body

    async def read(self) -> bytes:
        """Return all of it."""
        return self._body

    def release(self) -> None:
        """Nothing is held."""


class Answering:
    """A session that answers at once."""

    closed = False

    def __init__(self, body: bytes) -> None:
        self._answer = Answer(body)

    async def request(self, *_: object, **__: object) -> Answer:
        """Return the one answer."""
        return self._answer


async def parts(client: comfywire.Client) -> dict[str, tuple[float, float]]:
    """Return what each part takes, and what a bare loop takes for it."""
    graph, frames = prompt(1, "parts"), [STATUS] * 3
    job = await client.submit(graph)
    with job.told_to(lambda _, frame: frames.append(str(frame))):
        result = await job.result()
    history = await client.history(job.prompt_id)
    reply, output = json.dumps(history).encode(), result.outputs[0]
    accepted = json.dumps({"prompt_id": job.prompt_id, "number": 1, "node_errors": {}}).encode()
    body = {"prompt": graph, "prompt_id": job.prompt_id, "client_id": job.prompt_id, "extra_data": {}}
    found = {
        "the workflow recognised and copied": (await least(lambda: prepare(client, Request(graph))), 0.0),
        "a task for the request, which outlives its caller": (await least(lambda: _posted(client)), 0.0),
        f"reading {len(frames)} messages": (
            await least(lambda: [parse_text(frame) for frame in frames]),
            await least(lambda: [json.loads(frame) for frame in frames]),
        ),
        "the state of the prompt, the schedule of reads": (
            await least(_followed(job.prompt_id, graph, frames, history)),
            0.0,
        ),
        "the sockets and the timer looked after, twice": (
            2 * await least(client._follower._pump),  # noqa: SLF001
            0.0,
        ),
        "the result: outputs, warnings, how it ended": (await least(job.result), 0.0),
    }
    http = client._http  # noqa: SLF001
    kept = http._session  # noqa: SLF001
    for name, work, answered, bare in (
        (
            "POST /prompt",
            lambda: http.post_json("/prompt", body),
            accepted,
            lambda: _exchanged(body, accepted),
        ),
        ("GET /history", lambda: http.get_json("/history/x"), reply, lambda: _exchanged(None, reply)),
        ("GET /view, which can be resumed", output.read, b"0" * 80, lambda: None),
    ):
        http._session = Answering(answered)  # type: ignore[assignment]  # noqa: SLF001
        found[name] = (await least(work), await least(bare))
    http._session = kept  # noqa: SLF001
    return found


def _exchanged(body: object, reply: bytes) -> object:
    """The JSON of one request, and of its reply."""
    return (body and json.dumps(body).encode()), json.loads(reply)


def _followed(
    prompt_id: str, graph: dict[str, Any], frames: list[str], history: dict[str, Any]
) -> Callable[[], None]:
    """One prompt's way through a session that has fifteen others open."""
    session, messages = Session(lambda: "us"), [parse_text(frame) for frame in frames]
    key = session.feeds.wanted()[0]
    session.feed_opened(key, 0.0)
    for number in range(15):
        session.expect(f"other {number}", graph, 1.0)
        session.accepted(f"other {number}", 1.0)

    def follow() -> None:
        session.expect(prompt_id, graph, 1.0)
        session.accepted(prompt_id, 1.0)
        for message in messages:
            session.hear(key, message, 1.0)
        session.reads_due(1.0)
        session.history_was_read(prompt_id, parse_history(history, prompt_id), began=1.0, now=1.0)

    return follow


async def _posted(client: comfywire.Client) -> Any:
    posting = asyncio.create_task(asyncio.sleep(0))
    return await client._submitter._reply(None, posting)  # type: ignore[arg-type]  # noqa: SLF001


async def main() -> None:
    """Measure, and print a table in Markdown."""
    print(conditions_line(conditions()), end="\n\n")
    async with Server() as server, comfywire.Client(server.url) as client:
        gc.disable()
        found = await parts(client)
    print("| part | µs a job | of these a bare loop's |\n|---|---|---|")
    for name, (ours, bare) in found.items():
        print(f"| {name} | {ours:.1f} | {bare:.1f} |")
    ours, bare = (sum(took[place] for took in found.values()) for place in (0, 1))
    print(f"| together | {ours:.1f} | {bare:.1f} |")


if __name__ == "__main__":
    asyncio.run(main())
