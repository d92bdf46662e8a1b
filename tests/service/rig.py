"""A worker over test servers and a real database, inside the test's own event loop."""

import asyncio
import contextlib
import signal
import sys
import time
import uuid
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from comfywire.server import Server
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Blobs
from comfywire.service.assets.signing import Signer
from comfywire.service.assets.store_check import StoreCheck
from comfywire.service.core import Core
from comfywire.service.database.pool import Database
from comfywire.service.fleet.needs import need_of, requirement_of
from comfywire.service.hooks import Hooks
from comfywire.service.jobs.engine import Queue
from comfywire.service.jobs.records import JobRecord, NewJob
from comfywire.service.jobs.states import TERMINAL, JobState
from comfywire.service.jobs.store import Store
from comfywire.service.relay.relay import Relay
from comfywire.service.sealing import Sealer
from comfywire.service.settings import Settings
from comfywire.service.worker.pace import Pace
from comfywire.service.worker.worker import Worker

__all__ = ["FAST", "Rig", "killed", "picture", "runs_of", "until", "up", "worker_of", "working"]


FAST = Pace(
    look=0.2,
    probes=(0.1, 0.2, 0.5),
    broken_probes=(1.0,),
    late_arrival=0.2,
    fetch=0.2,
    refusal=0.1,
    out_of_reach=0.5,
    tick=0.1,
)
"""A worker that waits for nothing longer than a test wants to."""


def picture(color: int = 0, **more: Mapping[str, Any]) -> dict[str, Any]:
    """A small prompt that saves one picture."""
    empty = {"width": 16, "height": 16, "batch_size": 1, "color": color}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
        **more,
    }


class Rig:
    """What a test holds."""

    def __init__(self, folder: Path, database: Database, key_id: uuid.UUID) -> None:
        self.store = Store(database, Queue(database))
        self.database = database
        self.key_id = key_id
        self.sealer = Sealer.of(folder)
        self.assets = Assets(
            database, Blobs(str(folder / "assets")), Signer(b"x" * 32), Settings(data=folder), now=time.time
        )
        self.folder = folder
        self.store_check = StoreCheck(self.assets.blobs, every=0.5, soon=0.1)

    def worker(self, *servers: str, hooks: Hooks | None = None, pace: Pace = FAST, **settings: Any) -> Worker:
        known = Settings(data=self.folder, servers=servers, **{"server_patience": 20.0, **settings})
        return Worker(
            known,
            self.store,
            assets=self.assets,
            store_check=self.store_check,
            sealer=self.sealer,
            hooks=hooks or Hooks({}),
            relay=Relay(self.database),
            pace=pace,
        )

    async def submit(self, prompt: Mapping[str, Any], **fields: Any) -> JobRecord:
        requirement = requirement_of(prompt)
        fields = {"id": uuid.uuid4(), "key_id": self.key_id, **fields}
        return await self.store.submit(
            NewJob(prompt=prompt, need=need_of(requirement), requirement=requirement, **fields)
        )

    async def ended(self, job: JobRecord) -> JobRecord:
        return await self.until(job, lambda now: now.state in TERMINAL)

    async def until(self, job: JobRecord, condition: Any) -> JobRecord:
        while not condition(now := await self.now(job)):  # noqa: ASYNC110 - the worker is who changes it
            await asyncio.sleep(0.02)
        return now

    async def now(self, job: JobRecord) -> JobRecord:
        found = await self.store.get(job.id)
        assert found is not None
        return found

    async def path(self, job: JobRecord) -> list[str]:
        """The states that a job went through."""
        return [step.to_state.value for step in await self.store.transitions(job.id)]


def worker_of(core: Core, *servers: str, pace: Pace | None = None, **settings: Any) -> Worker:
    """A worker of a whole service."""
    return Worker(
        replace(core.settings, servers=servers, **settings),
        core.store,
        assets=core.assets,
        store_check=core.store_check,
        sealer=core.sealer,
        hooks=core.hooks,
        relay=core.relay,
        pace=pace or Pace(),
    )


@contextlib.asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[asyncio.Event]:
    """A worker at work; it drains at the end, or when the event that this gives is set."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await task


@contextlib.asynccontextmanager
async def at_work(core: Core, *servers: str, pace: Pace | None = None) -> AsyncIterator[None]:
    """A worker of a whole service, whose servers are up: each has run the prompt that it is tried with.

    A fault that is set before that prompt has ended may strike it instead of a test's own.
    """
    count = "SELECT count(*) AS up FROM servers WHERE state = 'up'"

    async def are_up() -> bool:
        found = await core.database.one(count)
        return found is not None and found["up"] == len(servers)

    async with working(worker_of(core, *servers, pace=pace)):
        await until(are_up)
        yield


@contextlib.asynccontextmanager
async def killed(
    rig: Rig, *servers: str, options: Sequence[str] = (), number: int = signal.SIGKILL
) -> AsyncIterator[Process]:
    """A worker in a process of its own, which is killed at the end."""
    command = [sys.executable, "-m", "comfywire", "worker", "--data", str(rig.folder)]
    command += ["--database-url", rig.database.url, *options]
    process = await asyncio.create_subprocess_exec(*command, *(f"--server={url}" for url in servers))
    try:
        yield process
    finally:
        process.send_signal(number)
        await process.wait()


def runs_of(server: Server, job: JobRecord) -> int:
    """How often the server began to run the job."""
    return len(server.runs(str(job.id)))


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until ``condition`` returns something that is true."""
    while not await condition():  # noqa: ASYNC110 - what is waited for is in another process
        await asyncio.sleep(0.01)


async def up(rig: Rig) -> None:
    """Wait until a server is known to be there."""
    await until(lambda: rig.database.one("SELECT 1 FROM servers WHERE state = 'up'"))


async def is_at_work(store: Store) -> bool:
    """Whether a node has run: an interrupt that comes as a prompt begins is lost (ComfyUI clears it then)."""
    running = await store.search(states=[JobState.RUNNING])
    return any((job.progress or {}).get("value") for job in running)
