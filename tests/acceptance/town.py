"""The whole service as real processes, all of which may be killed: ComfyUIs, PostgreSQL, service, workers."""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import sys
import time
import uuid
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString, Self

import aiohttp
import psycopg
from aiohttp import web
from tests.service.worker.test_hostile import lying

from comfywire.service.migrate import migrate
from comfywire.service.postgres.embedded import Cluster

from .trouble import Link, lies_of

MARKING = Path(__file__).with_name("marking.py")
SECONDS = float(os.environ.get("COMFYWIRE_CHAOS_SECONDS", "5"))
IS_SOAK = SECONDS >= 60
"""Whether there is time for faults that take some: the suite has tests of each by itself."""
PATIENCE = 180.0 if IS_SOAK else 60.0
STARTED_WITHIN = 20.0
"""Seconds for a PostgreSQL that was killed; longer, and it is the database that fails, not who waits."""


@dataclass
class Run:
    """One time that the node of a job ran."""

    server: int
    begin: float
    end: float | None = None


@dataclass
class Kept:
    """One process that can be killed and started again, on the same port."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: Path
    ready: re.Pattern[str]
    process: Process | None = None
    url: str = ""
    pids: list[int] = field(default_factory=list)
    reviving: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Start it and wait until it says that it is ready, again if it does not: as a supervisor would."""
        until_then = time.monotonic() + PATIENCE
        while time.monotonic() < until_then:
            if await self._starts():
                return
            await asyncio.sleep(0.2)  # its database may be away, which it says at once
        raise AssertionError(f"{self.name} did not start:\n{self.log.read_text()[-2000:]}")

    async def _starts(self) -> bool:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "comfywire",
                *self.arguments,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=log,
                env=os.environ | self.environment,
            )
        self.pids.append(self.process.pid)
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            if found := self.ready.search(line.decode()):
                self._takes(found[1])
                return True
        await self.process.wait()
        return False

    def _takes(self, url: str) -> None:
        if not self.url and url.startswith("http"):
            self.url = url
            self.arguments = [
                word if word != "--port=0" else f"--port={url.rpartition(':')[2]}" for word in self.arguments
            ]

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL, and it is gone."""
        self.send(signal.SIGKILL)
        assert self.process is not None
        await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM; SIGKILL if that does not do."""
        if self.process is None or self.process.returncode is not None:
            return
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), 15)
        except TimeoutError:
            await self.kill()


class Town:
    """Everything.

    Args:
        folder: Where it all is.
        is_embedded: Whether the service starts its own PostgreSQL; else one is at hand.

    """

    def __init__(self, folder: Path, *, is_embedded: bool = False) -> None:
        self.folder = folder
        self.is_embedded = is_embedded
        self.data = folder / "data"
        self.cluster = Cluster((self.data if is_embedded else folder) / "postgres")
        self.comfyuis: list[Kept] = []
        self._liars: list[Kept] = []
        self.workers: list[Kept] = []
        self.service: Kept | None = None
        self.deaths: dict[int, float] = {}
        """When each ComfyUI was killed, by its process."""
        self.told: defaultdict[str, list[str]] = defaultdict(list)
        """What the webhooks said of each job."""
        self._stack = contextlib.AsyncExitStack()
        self._store = Link(self.data / "assets", folder / "store")
        self._marks = folder / "marks"
        self._marks.touch()

    async def __aenter__(self) -> Self:
        if not self.is_embedded:
            await asyncio.to_thread(self.cluster.attach)
            self._stack.push_async_callback(asyncio.to_thread, self.cluster.detach)
            await migrate(self.cluster.url)
        self.session = await self._stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20))
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(kept.stop() for kept in self.processes))
        # Asked to stop, one whose node sleeps on would wait for it.
        await asyncio.gather(*(kept.kill() for kept in [*self.comfyuis, *self._liars]))
        await self._stack.aclose()

    # Who is there

    async def comfyui(self) -> Kept:
        """One more ComfyUI."""
        arguments = ["server", "--port=0", "--step-time=0", f"--nodes={MARKING}", "--faults"]
        kept = self._kept(f"comfyui{len(self.comfyuis)}", arguments, r"ready at (\S+)")
        self.comfyuis.append(kept)
        await kept.start()
        return kept

    async def several(self, count: int) -> list[Kept]:
        """So many more, started at the same time."""
        return await asyncio.gather(*(self.comfyui() for _ in range(count)))

    async def worker(self, *comfyuis: Kept) -> Kept:
        """One more worker, for these ComfyUIs."""
        return await self._worker(self._options(*comfyuis))

    async def hostile(self, chance: random.Random) -> Kept:
        """A worker for a ComfyUI that lies now and then: jobs tagged ``hostile`` go there, and no others."""
        liar = self._kept("liar", ["server", "--port=0", "--step-time=0"], r"ready at (\S+)")
        self._liars.append(liar)
        await liar.start()
        since = asyncio.Event()
        since.set()
        url = await self._stack.enter_async_context(lying(liar.url, lies_of(chance), since))
        return await self._worker(
            [*self._options(), f"--server={url}#hostile", f"--max-output-bytes={1 << 20}"]
        )

    async def _worker(self, options: list[str]) -> Kept:
        kept = self._kept(f"worker{len(self.workers)}", ["worker", *options], r"^worker (\S+)")
        self.workers.append(kept)
        await kept.start()
        return kept

    async def serve(self, *comfyuis: Kept) -> Kept:
        """The service, with workers of its own for these ComfyUIs if there are any."""
        arguments = ["serve", "--port=0", *self._options(*comfyuis)]
        kept = self._kept("service", arguments + ([] if comfyuis else ["--no-workers"]), r"ready at (\S+)")
        self.service = kept
        await kept.start()
        return kept

    def _kept(self, name: str, arguments: list[str], ready: str) -> Kept:
        environment = {"MARKS": str(self._marks), "PYTHONUNBUFFERED": "1"}
        return Kept(name, arguments, environment, self.folder / f"{name}.log", re.compile(ready))

    def _options(self, *comfyuis: Kept) -> list[str]:
        options = [f"--data={self.data}", "--allow-private-urls", "--drain-timeout=1", "--slots=2"]
        options += ["--interrupt-grace=2"]
        if not self.is_embedded:
            options.append(f"--database-url={self.cluster.url}")
        return options + [f"--server={comfyui.url}" for comfyui in comfyuis]

    async def receiver(self) -> str:
        """The URL to which webhooks are sent."""

        async def take(request: web.Request) -> web.Response:
            told = await request.json()
            self.told[told["data"]["id"]].append(told["type"])
            return web.Response()

        app = web.Application()
        app.router.add_post("/", take)
        runner = web.AppRunner(app)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/"

    # What is done to them

    async def kill_comfyui(self, comfyui: Kept) -> None:
        """SIGKILL a ComfyUI: it forgets its queue and its history."""
        assert comfyui.process is not None
        await comfyui.kill()
        self.deaths[comfyui.process.pid] = time.time()

    async def kill_database(self) -> None:
        """SIGKILL PostgreSQL, if it is there."""
        if (pid := self.cluster.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            await until(lambda: self.cluster.pid != pid)

    async def start_database(self) -> None:
        """Start it again; the embedded one is started by its users."""
        if not self.is_embedded:
            async with asyncio.timeout(STARTED_WITHIN):
                await asyncio.to_thread(self.cluster.ensure_running)

    async def read_only_database(self, seconds: float) -> None:
        """Have PostgreSQL take no writes for a while, as after a switchover; it may die meanwhile."""
        await self._alter("SET default_transaction_read_only = on")
        await asyncio.sleep(seconds)
        await self._alter("RESET default_transaction_read_only")

    async def no_store(self, seconds: float) -> None:
        """Have the asset store away for a while: a file is where its folder was."""
        self._store.leads_to(self.folder / "marks")
        await asyncio.sleep(seconds)
        self._store.leads_to(self.folder / "store")

    async def holder_of(self, job_id: str) -> Kept | None:
        """The process whose worker follows a running job; None if nobody does, or nobody can say."""
        query = "SELECT worker FROM jobs WHERE id = %s AND state = 'running'"
        with contextlib.suppress(psycopg.OperationalError):
            found = await self._asked(query, [job_id])
            pid = int(found.split("-")[-2]) if found else 0
            return next((kept for kept in self.processes if kept.pids[-1] == pid), None)
        return None

    @property
    def processes(self) -> list[Kept]:
        """Those that have workers."""
        return [*self.workers, *([self.service] if self.service else [])]

    async def _asked(self, query: LiteralString, values: list[str]) -> str | None:
        options = "-c search_path=comfywire"
        async with await psycopg.AsyncConnection.connect(self.cluster.url, options=options) as one:
            row = await (await one.execute(query, values)).fetchone()
            return None if row is None else row[0]

    async def _alter(self, change: str) -> None:
        options = "-c default_transaction_read_only=off"
        for _ in range(int(STARTED_WITHIN / 0.2)):
            with contextlib.suppress(psycopg.OperationalError):
                url = self.cluster.url
                async with await psycopg.AsyncConnection.connect(
                    url, autocommit=True, options=options
                ) as one:
                    await one.execute(f"ALTER SYSTEM {change}".encode())
                    await one.execute("SELECT pg_reload_conf()")
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"PostgreSQL did not take ALTER SYSTEM {change}")

    # What is asked of it

    async def submit(
        self, *, seconds: float = 0.0, fails: bool = False, is_marked: bool = True, **fields: Any
    ) -> str:
        """Submit a job, for as long as it takes until the service says that it has it; return its id."""
        mark = uuid.uuid4().hex
        graph = workflow(mark, seconds=seconds, fails=fails)
        if not is_marked:
            graph["3"]["inputs"]["images"] = ["1", 0]
            del graph["2"]
        body = {"workflow": graph, "metadata": {"mark": mark}, **fields}
        job = await self.call("POST", "/jobs", json=body, headers={"Idempotency-Key": mark})
        return str(job["id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        """A job as it stands."""
        return await self.call("GET", f"/jobs/{job_id}")

    async def ended(self, job_id: str) -> dict[str, Any]:
        """A job when it has ended."""
        return await self.reached(job_id, "succeeded failed canceled expired")

    async def reached(self, job_id: str, states: str) -> dict[str, Any]:
        """A job when it is in one of ``states``."""
        while (job := await self.job(job_id))["status"] not in states.split():  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return job

    async def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Ask the service, again while it or its database is away."""
        until_then, last = time.monotonic() + PATIENCE, ""
        while True:
            try:
                status, answer = await self._ask(method, path, **options)
            except (aiohttp.ClientError, TimeoutError) as error:
                last = repr(error)
            else:
                if status < 400:
                    return answer
                last = f"{status} {answer}"
                assert status in (409, 429) or status >= 500, f"{method} {path}: {last}"
            assert time.monotonic() < until_then, f"{method} {path} in {PATIENCE} s: {last}"
            await asyncio.sleep(0.2)

    async def _ask(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        assert self.service is not None
        url = f"{self.service.url}/api/v2{path}"
        async with self.session.request(method, url, **options) as reply:
            return reply.status, await reply.json()

    def runs(self) -> dict[str, list[Run]]:
        """What really ran: by mark, each time that it began."""
        found: defaultdict[str, list[Run]] = defaultdict(list)
        for line in self._marks.read_text().splitlines():
            said = json.loads(line)
            if said["what"] == "begin":
                found[said["mark"]].append(Run(said["server"], said["at"]))
            else:
                found[said["mark"]][-1].end = said["at"]
        return found

    def runs_of(self, job: dict[str, Any]) -> list[Run]:
        """The times that a job really ran."""
        return self.runs().get(job["metadata"]["mark"], [])


def workflow(mark: str, *, seconds: float, fails: bool) -> dict[str, Any]:
    """A picture of its own colour, through the node that writes it down."""
    size = {"width": 16, "height": 16, "batch_size": 1, "color": color_of(mark)}
    marking = {"image": ["1", 0], "mark": mark, "seconds": seconds, "fails": fails}
    return {
        "1": {"class_type": "EmptyImage", "inputs": size},
        "2": {"class_type": "Mark", "inputs": marking},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": mark}},
    }


def color_of(mark: str) -> int:
    """A colour that is a job's own."""
    return int(mark[:6], 16)


async def until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110 - it is other processes that make it so
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def frozen(kept: Kept) -> AsyncIterator[None]:
    """A process that does nothing for a while, and does not know it."""
    kept.send(signal.SIGSTOP)
    try:
        yield
    finally:
        kept.send(signal.SIGCONT)
