"""Whatever dies, every job ends once and truthfully, and none runs twice that was not lost by its server.

Real processes, killed for real. What ran is what the nodes wrote down themselves (marking.py). `make
soak-service` does the same for a quarter of an hour, with an asset store that is away, nodes that hang, jobs
of which their workers die, and a ComfyUI that lies: COMFYWIRE_CHAOS_SECONDS says how long.
"""

import asyncio
import io
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from PIL import Image

pytest.importorskip("procrastinate", reason="the job service needs the extra 'service'")

from comfywire.service.jobs.states import TRANSITIONS, JobState

from .town import IS_SOAK, SECONDS, Kept, Run, Town, color_of, frozen, until

SEED = int(os.environ.get("COMFYWIRE_CHAOS_SEED", str(random.SystemRandom().getrandbits(32))))
POISON_SECONDS = 120.0
"""How long the node of a job runs of which the worker dies: long enough for three to die."""
TAKEN_OVER_WITHIN = 15.0
MOST_OPEN = 16
"""Jobs of one submitter: what is submitted for half an hour has to be done soon after it."""
pytestmark = [pytest.mark.hostile, pytest.mark.timeout(1.5 * SECONDS + 150)]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town(tmp_path) as town:
        yield town


async def test_another_worker_takes_over_from_one_that_was_killed(town: Town):
    one, other = await town.several(2)
    dying = await town.worker(one)
    await town.serve()
    job_id = await town.submit(seconds=20)
    await town.reached(job_id, "running")
    await town.worker(other)

    await dying.kill()
    killed_at = time.monotonic()
    while (await audit(town, job_id))[-1]["attempt"] == 1:  # noqa: ASYNC110 - in another process
        await asyncio.sleep(0.1)

    assert time.monotonic() - killed_at < TAKEN_OVER_WITHIN
    job = await town.ended(job_id)
    assert (job["status"], len(town.runs_of(job))) == ("succeeded", 1)


async def test_a_worker_with_no_room_of_its_own_takes_over_all_the_same(town: Town):
    one, other = await town.several(2)
    dying = await town.worker(one)
    await town.serve()
    job_id = await town.submit(seconds=1)
    await until(lambda: bool(town.runs()))
    await dying.kill()
    killed_at = time.monotonic()
    await town.worker(other)
    for _ in range(2):
        await town.submit(seconds=40)

    job = await town.ended(job_id)

    assert time.monotonic() - killed_at < TAKEN_OVER_WITHIN
    assert (job["status"], len(town.runs_of(job))) == ("succeeded", 1)


async def test_a_worker_that_was_frozen_and_comes_back_changes_nothing(town: Town):
    comfyuis = await town.several(2)
    frozen_one = await town.worker(comfyuis[0])
    await town.serve()
    first = [await town.submit(seconds=3) for _ in range(2)]
    await town.reached(first[0], "running")
    await town.worker(*comfyuis)

    async with frozen(frozen_one):
        ended = [await town.ended(job_id) for job_id in first]
        audits = [await audit(town, job_id) for job_id in first]
    later = [await town.ended(await town.submit()) for _ in range(6)]

    assert [await audit(town, job_id) for job_id in first] == audits
    assert {job["status"] for job in [*ended, *later]} == {"succeeded"}
    assert {len(town.runs_of(job)) for job in [*ended, *later]} == {1}
    assert frozen_one.process is not None
    assert frozen_one.process.returncode is None


async def test_a_database_that_is_away_for_twelve_seconds_makes_nothing_run_again(town: Town):
    comfyuis = await town.several(2)
    await town.serve(comfyuis[0])
    await town.worker(comfyuis[1])
    jobs = [await town.submit(seconds=length) for length in (1, 2, 6, 20)] + [await town.submit()]
    await until(lambda: len(town.runs()) >= 2)

    await town.kill_database()
    await asyncio.sleep(12)
    await town.start_database()
    ended = [await town.ended(job_id) for job_id in jobs]

    assert {job["status"] for job in ended} == {"succeeded"}
    assert {len(town.runs_of(job)) for job in ended} == {1}


@pytest.mark.parametrize("is_embedded", [True, False], ids=["embedded", "external"])
async def test_every_job_ends_once_and_truthfully_whatever_is_killed(tmp_path: Path, is_embedded: bool):
    print(f"COMFYWIRE_CHAOS_SEED={SEED}")  # noqa: T201 - to be seen when it fails
    async with Town(tmp_path, is_embedded=is_embedded) as town:
        comfyuis = await town.several(4)
        await town.serve(*comfyuis[:2])
        await town.worker(*comfyuis[2:])
        await town.worker(*comfyuis[1:3])
        if IS_SOAK:
            await town.hostile(random.Random(SEED))
        webhooks = await town.receiver()
        submitters = [Submitter(town, random.Random(SEED + n), webhooks) for n in range(16)]
        await asyncio.gather(*(submitter.begin_with(8) for submitter in submitters))
        until_then = time.monotonic() + SECONDS
        chaos = Chaos(town, random.Random(SEED), until_then, webhooks)

        async with asyncio.TaskGroup() as group:
            group.create_task(chaos.go_on())
            for submitter in submitters:
                group.create_task(submitter.go_on(until_then))
        wanted = {job_id: kind for submitter in submitters for job_id, kind in submitter.wanted.items()}
        wanted |= dict.fromkeys(chaos.poisoned, "poison")
        jobs = [await town.ended(job_id) for job_id in wanted]
        await until(lambda: wanted.keys() <= town.told.keys(), 100)

        runs = town.runs()
        wrong = [word for job in jobs for word in judged(town, job, wanted[job["id"]], runs)]
        wrong += [word for job in jobs for word in await outputs_judged(town, job)]
        wrong += wrong_audits(town, jobs)
        wrong += [
            f"{job['id']} is {job['status']}, and the webhook said {town.told[job['id']]}"
            for job in jobs
            if set(town.told[job["id"]]) != {f"job.{job['status']}"}
        ]
        ends = Counter((wanted[job["id"]], *end_of(job)) for job in jobs)
        print(f"{len(jobs)} jobs: {dict(ends)}; done to them: {dict(chaos.killed)}")  # noqa: T201 - of the soak
        assert wrong == []


async def audit(town: Town, job_id: str) -> Any:
    return (await town.call("GET", f"/jobs/{job_id}/transitions"))["transitions"]


class Submitter:
    """Submits one job after another, and knows what each should come to."""

    def __init__(self, town: Town, chance: random.Random, webhooks: str) -> None:
        self.wanted: dict[str, str] = {}
        self._town = town
        self._chance = chance
        self._webhooks = webhooks

    async def begin_with(self, count: int) -> None:
        for _ in range(count):
            self.wanted[await self._submit("plain")] = "plain"

    async def go_on(self, until_then: float) -> None:
        while time.monotonic() < until_then:
            kinds = ["plain", "failing", "paid", "canceled", "hanging", "hostile"]
            rare = [0.2, 2] if IS_SOAK else [0, 0]
            kind = self._chance.choices(kinds, [12, 1, 2, 3, *rare])[0]
            job_id = await self._submit(kind)
            self.wanted[job_id] = kind
            if kind == "canceled":
                await asyncio.sleep(self._chance.uniform(0, 0.5))
                await self._town.call("POST", f"/jobs/{job_id}/cancel")
            await asyncio.sleep(self._chance.uniform(0, 0.2))
            while len(self.wanted.keys() - self._town.told.keys()) > MOST_OPEN:  # noqa: ASYNC110 - elsewhere
                await asyncio.sleep(0.1)

    async def _submit(self, kind: str) -> str:
        retry = "never" if kind == "paid" else {"max_attempts": 20}
        more: dict[str, dict[str, Any]] = {
            "hanging": {"run_timeout": 1},
            "hostile": {"is_marked": False, "tags": ["hostile"]},
        }
        return await self._town.submit(
            seconds=20 if kind == "hanging" else self._chance.choice([0, 0.05, 0.2, 0.5]),
            fails=kind == "failing",
            retry=retry,
            priority=self._chance.choice([0, 0, 5]),
            webhook_url=self._webhooks,
            **more.get(kind, {}),
        )


class Chaos:
    """Kills something, again and again, for a while; at the end everything is there."""

    def __init__(self, town: Town, chance: random.Random, until_then: float, webhooks: str) -> None:
        self.poisoned: list[str] = []
        self._webhooks = webhooks
        self.killed: Counter[str] = Counter()
        self._town = town
        self._chance = chance
        self._until = until_then

    async def go_on(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again("comfyui", 3, self._comfyui))
            group.create_task(self._again("worker", 4, self._worker))
            group.create_task(self._again("service", 10, self._service))
            group.create_task(self._again("database", 15, self._database))
            group.create_task(self._again("frozen worker", 12, self._freeze))
            group.create_task(self._again("read-only database", 20, self._read_only))
            if IS_SOAK:
                group.create_task(self._again("store", 60, self._no_store))
                group.create_task(self._again("poisoned job", 90, self._poison))

    async def _again(self, name: str, most: float, strike: Callable[[], Awaitable[None]]) -> None:
        pause = self._chance.uniform(0, SECONDS / 2)  # each kind at least once
        while time.monotonic() + pause < self._until:
            await asyncio.sleep(pause)
            self.killed[name] += 1
            await strike()
            pause = self._chance.uniform(most / 5, most)

    async def _comfyui(self) -> None:
        await self._restart(self._chance.choice(self._town.comfyuis))

    async def _restart(self, comfyui: Kept) -> None:
        async with comfyui.reviving:
            await self._town.kill_comfyui(comfyui)
            await self._pause()
            await comfyui.start()

    async def _worker(self) -> None:
        await self._revive(self._town.workers[0])

    async def _service(self) -> None:
        assert self._town.service is not None
        await self._revive(self._town.service)

    async def _database(self) -> None:
        await self._town.kill_database()
        await self._pause()
        await self._town.start_database()

    async def _read_only(self) -> None:
        await self._town.read_only_database(self._chance.uniform(0.5, 2.5))

    async def _no_store(self) -> None:
        await self._town.no_store(self._chance.uniform(0.5, 5))

    async def _poison(self) -> None:
        """Kill each worker that follows a job; at the job's end its ComfyUI goes, too, to be of use again."""
        job_id = await self._town.submit(
            seconds=POISON_SECONDS, retry={"max_attempts": 20}, webhook_url=self._webhooks
        )
        self.poisoned.append(job_id)
        while (job := await self._town.job(job_id))["status"] in ("queued", "running"):
            if (holder := await self._town.holder_of(job_id)) is not None:
                await self._revive(holder)
            await self._pause()
        for run in self._town.runs_of(job)[-1:]:
            for comfyui in self._town.comfyuis:
                if comfyui.pids[-1] == run.server:
                    await self._restart(comfyui)

    async def _freeze(self) -> None:
        async with frozen(self._town.workers[1]):
            await asyncio.sleep(min(10.0, max(self._until - time.monotonic(), 0.0)))

    async def _revive(self, kept: Kept) -> None:
        async with kept.reviving:
            await kept.kill()
            await self._pause()
            await kept.start()

    async def _pause(self) -> None:
        await asyncio.sleep(self._chance.uniform(0, 1.5))


def judged(town: Town, job: dict[str, Any], kind: str, ran: dict[str, list[Run]]) -> list[str]:
    """What is wrong about the end of a job, and about the times that it ran."""
    status, code = end_of(job)
    if kind == "hostile":
        is_right = status == "succeeded" or (status, code) == ("failed", "outputs_unavailable")
        return [] if is_right else [f"{job['id']}, {kind}, is {status}: {job.get('error')}"]
    runs = ran.get(job["metadata"]["mark"], [])
    may_be: dict[str, set[tuple[str, str | None]]] = {
        "plain": {("succeeded", None)},
        "failing": {("failed", "node_execution_error")},
        "paid": {("succeeded", None), ("failed", "lost")},
        "canceled": {("canceled", None), ("succeeded", None)},
        "hanging": {("failed", "timed_out"), ("succeeded", None)},  # nobody may have been there to end it
        "poison": {("failed", "poison")},
    }
    wrong = []
    # Workers are killed so often that three may have died by chance while a prompt ran; then that is its end.
    had_ended = bool(runs and runs[-1].end and runs[-1].server not in town.deaths)
    is_poison = IS_SOAK and code == "poison" and not had_ended
    if (status, code) not in may_be[kind] and not is_poison:
        wrong.append(f"{job['id']}, {kind}, is {status}: {job.get('error')}")
    if status == "succeeded" and not (runs and runs[-1].end):
        wrong.append(f"{job['id']} succeeded, and did not run to its end: {runs}")
    if kind == "paid" and len(runs) > 1:
        wrong.append(f"{job['id']} may not be repeated, and ran {len(runs)} times")
    for run, following in pairwise(runs):
        died_at = town.deaths.get(run.server)
        if died_at is None or died_at > following.begin:
            wrong.append(f"{job['id']} ran again, although its server lived: {runs}")
    return wrong


def end_of(job: dict[str, Any]) -> tuple[str, str | None]:
    """How a job ended, and with what code."""
    return job["status"], (job.get("error") or {}).get("code")


async def outputs_judged(town: Town, job: dict[str, Any]) -> list[str]:
    """What is wrong about what is kept of a job."""
    if job["status"] != "succeeded":
        return []
    if len(job["outputs"]) != 1:
        return [f"{job['id']} has {len(job['outputs'])} outputs: {job['outputs']}"]
    assert town.service is not None
    async with town.session.get(job["outputs"][0]["url"]) as reply:
        picture = Image.open(io.BytesIO(await reply.read())).convert("RGB")
    color = color_of(job["metadata"]["mark"])
    is_its_own = picture.getpixel((0, 0)) == (color >> 16, color >> 8 & 255, color & 255)
    return [] if is_its_own else [f"{job['id']} has somebody else's picture"]


def wrong_audits(town: Town, jobs: list[dict[str, Any]]) -> list[str]:
    """Jobs whose rows do not follow from each other, by the table, to one end."""
    wrong = []
    with psycopg.connect(town.cluster.url, options="-c search_path=comfywire") as connection:
        for job in jobs:
            rows = connection.execute(
                "SELECT from_state::text, to_state::text FROM transitions WHERE job_id = %s "
                "ORDER BY event_id",
                [UUID(job["id"])],
            ).fetchall()
            changes = [(one and JobState(one), JobState(other)) for one, other in rows]
            follows = all(one[1] == other[0] for one, other in pairwise(changes))
            if not follows or changes[-1][1] != job["status"] or not set(changes) <= set(TRANSITIONS):
                wrong.append(f"{job['id']} is {job['status']}, but was {rows}")
        stuck = connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone()
    return wrong + ([f"the engine still has {stuck} jobs"] if stuck != (0,) else [])
