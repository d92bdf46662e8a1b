"""How often the database is asked for a job: what each job costs, PostgreSQL and Python alike."""

from collections import Counter
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from tests.service.rig import FAST, Rig, picture, up, working

from comfywire.server import Server
from comfywire.service.sql import queries

NAMES = {
    text: f"{file}.{name}" for file in ("jobs", "queue", "assets") for name, text in queries(file).items()
}
EACH = ("jobs.submit", "jobs.began", "assets.touch", "jobs.end")
"""Asked once for each job. `queue.take` is asked whenever there may be a job, and finds each of them once."""
NOW_AND_THEN = {
    "queue.take",
    "queue.take_submitted",
    "queue.give_back_stalled",
    "queue.has_suspect",
    "queue.held_by",
    "queue.beat",
    "jobs.still_mine",
    "jobs.get",  # this test's own looks
}
JOBS = 3


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often which of our statements was sent, by any connection of this process."""
    counts: Counter[str] = Counter()
    execute = psycopg.AsyncCursor.execute

    async def counting(self: Any, query: Any, *args: Any, **named: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else str(query)
        if text in NAMES:
            counts[NAMES[text]] += 1
        return await execute(self, query, *args, **named)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", counting)
    return counts


async def test_a_job_with_one_output_costs_five_statements(rig: Rig, server: Server, asked: Counter[str]):
    async with working(rig.worker(server.url, pace=replace(FAST, tick=600.0))):
        await up(rig)
        asked.clear()
        for color in range(JOBS):
            job = await rig.ended(await rig.submit(picture(color)))
            assert job.state == "succeeded"

    assert {name: asked[name] for name in EACH} == dict.fromkeys(EACH, JOBS)
    assert asked["queue.take"] >= JOBS
    assert asked.keys() - {*EACH} <= NOW_AND_THEN


async def test_each_further_output_costs_two(rig: Rig, server: Server, asked: Counter[str]):
    second = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "y"}}

    async with working(rig.worker(server.url, pace=replace(FAST, tick=600.0))):
        job = await rig.ended(await rig.submit(picture() | {"3": second}))

    assert len(await rig.store.outputs(job.id)) == 2
    assert (asked["assets.touch"], asked["jobs.insert_output"], asked["jobs.end"]) == (2, 1, 1)
