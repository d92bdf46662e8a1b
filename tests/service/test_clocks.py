"""The clocks of processes differ: what is compared with the database's times is the database's clock."""

import ast
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from tests.service.assets.conftest import pieces
from tests.service.making import changed, job_in
from tests.service.receiver import receiver

import comfywire.service
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Blobs
from comfywire.service.assets.signing import Signer
from comfywire.service.database.clock import DatabaseClock
from comfywire.service.database.pool import Database
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store
from comfywire.service.sealing import Sealer
from comfywire.service.settings import Settings

SHIFTED = Path(__file__).parent / "shifted"
HOUR, MARGIN = 3600.0, 300.0
"""By how much a clock is wrong; and how long a test may take, however busy the machine."""
SOURCES = Path(comfywire.service.__file__).parent
OWN_CLOCK = {
    "assets/blobs.py": "files that were never finished have the times of a disk, and go after a day",
    "openai/pictures.py": "what the OpenAI API calls created",
    "openai/streaming.py": "what the OpenAI API calls created",
    "worker/inputs.py": "the memory of a ComfyUI gets a picture under another id now and then",
    "relay/ending.py": "ComfyUI's own messages carry the time of whoever sends them",
}
"""Modules that ask their process for the time of day, and why that does no harm."""


def asks_for_the_time(source: str) -> bool:
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return any(ast.unparse(call) in ("datetime.now", "datetime.utcnow", "time.time") for call in calls)


def test_no_other_module_of_the_service_asks_its_own_clock() -> None:
    found = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if asks_for_the_time(path.read_text(encoding="utf-8"))
    }

    assert found == set(OWN_CLOCK)


@pytest.mark.parametrize("call", ["datetime.now(UTC)", "time.time()", "f(datetime.utcnow())"])
def test_a_module_that_does_is_found(call: str) -> None:
    assert asks_for_the_time(f"def work():\n    return {call}")
    assert not asks_for_the_time("time.monotonic()")


async def in_a_shifted_process(shift: float, *arguments: object) -> dict[str, Any]:
    """What a process says whose clock is wrong by so many seconds."""
    environment = os.environ | {"PYTHONPATH": f"{SHIFTED}:{os.environ.get('PYTHONPATH', '')}"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SHIFTED / "program.py"),
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        env=environment | {"SHIFT": str(shift)},
    )
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    return dict(json.loads(told))


@pytest.mark.parametrize("shift", [HOUR, -HOUR], ids=["ahead", "behind"])
async def test_a_process_whose_clock_is_wrong_goes_by_the_databases(
    database: Database, store: Store, key_id: UUID, tmp_path: Path, shift: float
) -> None:
    settings = Settings(data=tmp_path, allow_private_urls=True)
    signer = Signer(*Sealer.of(tmp_path).derived_of_all("signed URLs"))
    blobs = Blobs(str(tmp_path / "assets"))
    async with DatabaseClock(database) as clock, receiver() as hook:
        assets = Assets(database, blobs, signer, settings, now=clock.now)
        young, old = [
            (await assets.create(key_id, pieces(content), expires_in=HOUR / 2))[0].id
            for content in (b"young", b"old")
        ]
        await database.do(
            "UPDATE assets SET expires_at = now() - interval '30 min' WHERE id = %(old)s", old=old
        )
        await job_in(store, key_id, JobState.SUCCEEDED)  # one to estimate by, which took no time
        waits = await job_in(store, key_id, JobState.QUEUED, queue_timeout=HOUR / 2)
        runs = await job_in(store, key_id, JobState.QUEUED, webhook_url=hook.url)
        runs = await changed(store, runs.id, JobState.RUNNING)
        await database.do("UPDATE jobs SET progress = '{\"value\": 0.5}' WHERE id = %(id)s", id=runs.id)
        await database.do(
            "INSERT INTO deliveries (job_id, type, url) VALUES (%(id)s, 'job.succeeded', %(url)s)",
            id=runs.id,
            url=hook.url,
        )
        ours = parse_qs(urlsplit(assets.url_of(young, "http://here")[0]).query)
        told = await in_a_shifted_process(
            shift, tmp_path, database.url, runs.id, young, f"{ours['expires'][0]} {ours['signature'][0]}"
        )

        theirs = parse_qs(urlsplit(told["url"]).query)
        expires = int(theirs["expires"][0])
        found = await assets.get_signed(young, expires, theirs["signature"][0])
        waiting = await store.get(waits.id)
        stamp = float(hook.received[0].headers["webhook-timestamp"])

    assert waiting is not None
    assert [abs(own - shift - time.time()) < MARGIN for own in told["own"]] == [True, True]
    assert (found.id, await assets.get(old)) == (young, None)  # swept: what is over, and nothing else
    assert waiting.state is JobState.QUEUED
    assert told["opens"]
    assert abs(expires - settings.url_lifetime - time.time()) < MARGIN
    assert abs(told["end_at"] - time.time()) < MARGIN
    assert abs(stamp - time.time()) < MARGIN
