"""A server that stops answering: who waits for it is told within seconds, and a quiet node is no silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from tests.client.graphs import image, text_to_image
from tests.soon import soon

from comfywire import Client, Job, JobProgress
from comfywire.server import Server


@dataclass
class Waiting:
    """A prompt that is held at a node, and what is told of its server."""

    server: Server
    job: Job
    told: asyncio.Queue[tuple[str, bool | None]] = field(default_factory=asyncio.Queue)

    async def until_told(self, seconds: float) -> tuple[str, bool | None]:
        """Return what is told next, and soon: the sentence, and whether the server answers."""
        return await soon(self.told.get(), seconds)


@asynccontextmanager
async def held() -> AsyncIterator[Waiting]:
    async with Server() as server, Client(server.url) as client:
        server.faults.nodes.hold(node_id="2")
        waiting = Waiting(server, await client.submit(image()))
        client.news.listeners.append(lambda sentence, answers: waiting.told.put_nowait((sentence, answers)))
        await server.until_executing(waiting.job.prompt_id, "2")
        yield waiting


async def test_a_server_that_hangs_is_told_and_a_quiet_node_is_not():
    async with held() as hung, held() as quiet:
        hung.server.faults.replies.stall("*", times=None)

        sentence, answers = await hung.until_told(8)

        assert not answers
        assert sentence.startswith(f"{hung.server.url} does not answer: GET /history/")
        hung.server.faults.clear()
        assert (await hung.until_told(15))[0].startswith(f"{hung.server.url} answers again, after ")
        assert len((await hung.job.result()).outputs) == 1
        assert quiet.told.empty()


async def test_a_server_that_is_gone_is_told_within_three_seconds():
    async with held() as waiting:
        await waiting.server.faults.life.kill()

        sentence, answers = await waiting.until_told(3)

        assert not answers
        assert f"no ComfyUI was reached at {waiting.server.url}" in sentence or "closed" in sentence


async def test_a_socket_that_is_cut_while_reads_are_answered_is_nothing():
    async with held() as waiting:
        await waiting.server.faults.sockets.cut()
        waiting.server.faults.clear()

        await waiting.job.result()

        assert waiting.told.empty()


# Progress


async def test_progress_is_never_told_twice_and_is_whole_only_at_the_end(client: Client):
    told: list[JobProgress] = []

    await client.run(text_to_image(steps=5), on_progress=told.append)

    assert all(earlier != later for earlier, later in pairwise(told))
    assert [progress.phase for progress in told if progress.fraction == 1] == ["done"]
    assert told[-1].fraction == 1


async def test_an_end_that_is_only_heard_of_is_not_shown_as_whole(client: Client):
    job = await client.submit(image())
    shares = [job.progress async for _ in job.events()]

    most = max(progress.fraction for progress in shares if progress.phase != "done")
    assert f"{most:4.0%}" == " 99%"
