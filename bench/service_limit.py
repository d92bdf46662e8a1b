"""The job service beside the least that any durable service of its shape does for a job, in one run.

    python bench/service_limit.py [--jobs 200] [--rounds 5] [--servers 1,4,16] [--workers 1,2]
                                  [--beside NAME=SRC] [--json FILE]

``contestants/limit.py`` is that least: one request parsed by the same HTTP stack, three commits on the same
PostgreSQL, one prompt driven by the bare loop, one file put away. ``--beside`` adds the service of another
version, by the folder ``src`` of its tree. Contestants take turns, in another order each round; each has a
PostgreSQL and test servers of its own. The processor time of a job, in milliseconds, is that of the
contestant's processes and of its PostgreSQL, by psutil; ``busy`` is how many cores they kept busy,
``busiest`` how much of one the busiest of them did, and ``machine`` how many cores everything kept busy:
where that is all that there are, the cores limit the rate. ``overhead ms`` is the median of what a few jobs
take one by one, until their end is heard, less that of the same on the ComfyUI itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from machine import conditions, conditions_line

from comfywire.client import Client
from comfywire.service.postgres.embedded import Cluster
from service import SUBMIT_AT_ONCE, Api, _ended, direct_run, graph, test_servers

HERE = Path(__file__).parent
READY = re.compile(r"(http://[\d.]+:\d+)")
IDLE = ("idle", "iowait", "guest", "guest_nice")
ALONE = 15
"""Jobs that each round has one by one, and as many on the ComfyUI itself."""
Figures = dict[str, float]


@dataclass
class Contestant:
    """A service with servers of its own, up and ready."""

    api: Api
    server: str
    processes: list[psutil.Process]
    rounds: list[Figures] = field(default_factory=list)

    def processor_time(self) -> Counter[tuple[str, int]]:
        """Seconds so far of each process, by what it is, and its number."""
        spent: Counter[tuple[str, int]] = Counter()
        for root in self.processes:
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    is_postgres = "postgres" in process.name()
                    times = process.cpu_times()
                    ended = times.children_user + times.children_system if is_postgres else 0.0
                    kind = "postgres" if is_postgres else "python"
                    spent[kind, process.pid] += times.user + times.system + ended
        return spent


@contextlib.asynccontextmanager
async def started(*command: str, src: str | None = None) -> AsyncIterator[tuple[str, psutil.Process]]:
    """A process that prints its URL when it is ready."""
    environment = os.environ | ({"PYTHONPATH": src} if src else {})
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    assert process.stdout is not None
    try:
        while not (found := READY.search((line := await process.stdout.readline()).decode())):
            if not line:
                raise RuntimeError(f"{' '.join(command)} did not start")
        yield found[1], psutil.Process(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def service(servers: Sequence[str], data: Path, src: str | None = None) -> AsyncIterator[Contestant]:
    """The service in one process, of this tree or another."""
    options = [f"--data={data}", "--max-queued=1000000", *(f"--server={url}" for url in servers)]
    serve = ("-m", "comfywire", "serve", "--port=0", *options)
    async with started(*serve, src=src) as (url, process), Api(url) as api:
        await until_up(api, len(servers))
        yield Contestant(api, servers[0], [process])


@contextlib.asynccontextmanager
async def apart(servers: Sequence[str], data: Path, workers: int) -> AsyncIterator[Contestant]:
    """The service with its workers in processes of their own."""
    serve = ("-m", "comfywire", "serve", "--port=0", f"--data={data}", "--max-queued=1000000", "--no-workers")
    async with contextlib.AsyncExitStack() as stack:
        url, process = await stack.enter_async_context(started(*serve))
        processes = [process]
        at = [f"--data={data}", f"--database-url={Cluster(data / 'postgres').url}"]
        for number in range(workers):
            named = [f"--server={one}" for one in servers[number::workers]]
            work = started("-m", "comfywire", "worker", *at, *named)
            processes.append((await stack.enter_async_context(work))[1])
        api = await stack.enter_async_context(Api(url))
        await until_up(api, len(servers))
        yield Contestant(api, servers[0], processes)


async def until_up(api: Api, count: int) -> None:
    """Wait until the service has found its servers."""
    while sum(one["state"] == "up" for one in (await api.get("/servers"))["servers"]) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def limit(servers: Sequence[str], data: Path) -> AsyncIterator[Contestant]:
    """The least that a durable service does."""
    cluster = Cluster(data / "postgres")
    await asyncio.to_thread(cluster.attach)
    try:
        (data / "files").mkdir()
        named = [f"--server={url}" for url in servers]
        script = str(HERE / "contestants" / "limit.py")
        command = (script, f"--database={cluster.url}", f"--folder={data / 'files'}", *named)
        async with started(*command) as (url, process), Api(url) as api:
            assert cluster.pid is not None
            yield Contestant(api, servers[0], [process, psutil.Process(cluster.pid)])
    finally:
        await asyncio.to_thread(cluster.detach)


async def measure(one: Contestant, jobs: int) -> Figures:
    """Jobs a second, submitted 16 at a time and asked for once each; and what they cost."""
    gate = asyncio.Semaphore(SUBMIT_AT_ONCE)

    async def submit() -> str:
        async with gate:
            return await one.api.submit(graph())

    before, machine, began = one.processor_time(), _machine(), time.perf_counter()
    ids = await asyncio.gather(*(submit() for _ in range(jobs)))
    async for _ in one.api.statuses(ids[-1]):
        pass
    ends = Counter([(await _ended(one.api, job_id))["status"] for job_id in ids])
    took, after = time.perf_counter() - began, one.processor_time()
    assert ends == {"succeeded": jobs}, ends
    spent: Counter[str] = Counter(dict.fromkeys(("python", "postgres"), 0))
    for kind, number in before.keys() | after.keys():  # what a backend that ended has spent is its parent's
        spent[kind] += after[kind, number] - before[kind, number]
    figures = {kind: 1000 * seconds / jobs for kind, seconds in spent.items()}
    return {
        "jobs/s": jobs / took,
        **figures,
        "both": sum(figures.values()),
        "busy": spent.total() / took,
        "busiest": max(seconds - before[which] for which, seconds in after.items()) / took,
        "machine": (_machine() - machine) / took,
    }


async def overhead(one: Contestant) -> float:
    """Milliseconds that a job takes longer than on the ComfyUI itself."""
    through, directly = [], []
    async with Client(one.server) as client:
        for _ in range(ALONE):
            began = time.perf_counter()
            async for _ in one.api.statuses(await one.api.submit(graph())):
                pass
            through.append(1000 * (time.perf_counter() - began))
            directly.append((await direct_run(client))[1])
    return median(through) - median(directly)


def _machine() -> float:
    """The seconds that the machine's cores have worked, for anybody; a guest's are the user's, too."""
    times = psutil.cpu_times()._asdict()
    return float(sum(times.values()) - sum(times.get(name, 0.0) for name in IDLE))


async def through(count: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All contestants in turns, through so many servers each."""
    async with contextlib.AsyncExitStack() as stack:
        contestants: dict[str, Contestant] = {}

        async def enter(name: str, how: Any, *args: Any) -> None:
            data = folder / f"{name.replace(' ', '-')}-{count}"
            data.mkdir()
            servers = await test_servers(stack, count)
            contestants[name] = await stack.enter_async_context(how(servers, data, *args))

        await enter("limit", limit)
        await enter("service", service)
        for workers in options.workers:
            if workers <= count:
                await enter(f"workers apart ({workers})", apart, workers)
        for named in options.beside:
            name, _, src = named.partition("=")
            await enter(name, service, src)
        names = list(contestants)
        for name in names:
            await measure(contestants[name], options.jobs // 2)
        for number in range(options.rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                contestant = contestants[name]
                figures = await measure(contestant, options.jobs)
                contestant.rounds.append(figures | {"overhead ms": await overhead(contestant)})
    return {name: compared(one.rounds, contestants["limit"].rounds) for name, one in contestants.items()}


def compared(rounds: Sequence[Figures], least: Sequence[Figures]) -> Figures:
    """The medians, and the medians of the ratios round by round."""
    found = {name: round(median(one[name] for one in rounds), 2) for name in rounds[0]}
    ratios = {
        f"{name} to the limit's": round(
            median(one[name] / other[name] for one, other in zip(rounds, least, strict=True)), 2
        )
        for name in ("jobs/s", "both")
    }
    slower = median(one["overhead ms"] for one in least)
    return found | ratios | {"overhead to the limit's": round(found["overhead ms"] / slower, 2)}


def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


async def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--servers", type=_numbers, default=[1, 4, 16])
    parser.add_argument("--workers", type=_numbers, default=[1], help="workers in processes of their own")
    parser.add_argument("--beside", action="append", default=[], metavar="NAME=SRC")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ran = conditions()
    print(conditions_line(ran), flush=True)
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for count in options.servers:
            found[f"{count} servers"] = figures = await through(count, options, Path(name))
            for contestant, told in figures.items():
                print(f"{count} servers, {contestant}: {told}", flush=True)
    print(f"load after: {os.getloadavg()[0]:.1f}")
    if options.json:
        options.json.write_text(json.dumps({**ran, **found}, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
