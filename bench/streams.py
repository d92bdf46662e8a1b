"""Event streams and sockets by the thousand: what each costs the service, and if a slow one costs others.

    python bench/streams.py [--readers 5000] [--jobs 500] [--sockets 1000] [--slow 250]
                            [--slow-sockets 50] [--servers 2] [--steps 8] [--step-time 0.05] [--json FILE]

The API is a process of its own (``serve --no-workers``), whose CPU and memory are measured; the worker, the
test servers and this client are others, all on one machine. The jobs, of three keys, are submitted as ComfyUI
programs do it, each with the socket that follows it; event streams with previews follow them, too. Then once
more with readers beside them of which every other one takes 4 KiB a second, and the rest nothing at all.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import socket
import statistics
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from machine import conditions, conditions_line
from stream_readers import PAUSES, Reader, count_frames

from service import comfywire, service

KEYS = 3
AT_ONCE = 100
"""Connections that are opened at a time: a listen queue is bounded."""
IDLE = 10.0
PATIENCE = 300.0
TICKS = os.sysconf("SC_CLK_TCK")
GRAPH = Path(__file__).parents[1] / "examples" / "workflows" / "text_to_image.json"


def graph(number: int, steps: int) -> dict[str, Any]:
    """A picture of a seed of its own, with a preview at each step."""
    nodes: dict[str, Any] = json.loads(GRAPH.read_text())
    nodes["3"]["inputs"] |= {"seed": number, "steps": steps}
    nodes["5"]["inputs"] |= {"width": 64, "height": 64}
    return nodes


class Process:
    """What a process has used so far."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)

    def cpu(self) -> float:
        """Return seconds."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> int:
        """Return bytes that are resident."""
        return int((self._folder / "statm").read_text().split()[1]) * resource.getpagesize()


def api_process() -> Process:
    """Return the child of ours that serves the API."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"\0serve\0" in (folder / "cmdline").read_bytes():
                return Process(int(folder.name))
    raise RuntimeError("the service is not here")


class Crowd:
    """Everybody who reads, for one round."""

    def __init__(self, url: str, keys: list[str], session: aiohttp.ClientSession) -> None:
        self._url = url
        self._keys = keys
        self._session = session
        self._gate = asyncio.Semaphore(AT_ONCE)
        self.readers: dict[str, list[Reader]] = defaultdict(list)
        self.slow: list[Reader] = []
        self.sockets: list[asyncio.Task[int]] = []
        self.slow_sockets: list[asyncio.Task[int]] = []
        self._ready = 0

    def key(self, number: int) -> str:
        """Return the key that job and socket of this number are of."""
        return self._keys[number % len(self._keys)]

    async def submit(self, number: int, steps: int, clients: list[str]) -> str:
        """Queue a job for one client's socket; return its id."""
        body = {"prompt": graph(number, steps), "client_id": clients[number % len(clients)]}
        headers = {"Authorization": f"Bearer {self.key(number)}"}
        async with self._gate, self._session.post(f"{self._url}/prompt", json=body, headers=headers) as reply:
            reply.raise_for_status()
            return str((await reply.json())["prompt_id"])

    async def follow(self, job_id: str, key: str, *, pause: float = 0.0) -> None:
        """Open one stream; return when the service has begun to answer."""
        parts = urlsplit(self._url)
        path = f"/api/v2/jobs/{job_id}/events?previews=true"
        connection = socket.socket()
        if pause:  # so that little waits on the way to it
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        async with self._gate:
            await loop.sock_connect(connection, (parts.hostname, parts.port))
            _, reader = await loop.create_connection(
                lambda: Reader(parts.netloc, path, key, pause=pause), sock=connection
            )
            await reader.opened.wait()
        (self.slow if pause else self.readers[job_id]).append(reader)

    async def listen(self, client: str, key: str, *, pause: float = 0.0) -> None:
        """Open one of ComfyUI's sockets."""
        address = f"{self._url}/ws?clientId={client}"
        headers = {"Authorization": f"Bearer {key}"}
        async with self._gate:
            opened = await self._session.ws_connect(address, headers=headers, max_msg_size=0)
        (self.slow_sockets if pause else self.sockets).append(
            asyncio.create_task(count_frames(opened, pause))
        )

    async def close(self) -> int:
        """Hang up; return how many frames the sockets had."""
        for reader in self.slow:
            reader.transport.abort()
        for task in [*self.sockets, *self.slow_sockets]:
            task.cancel()
        await asyncio.wait([*self.sockets, *self.slow_sockets])
        return sum(count for count in await asyncio.gather(*self.sockets) if isinstance(count, int))


async def one_round(url: str, keys: list[str], options: argparse.Namespace, *, slow: bool) -> dict[str, Any]:
    """Open everything while the queue is paused, let the jobs run, and see what that costs."""
    api = api_process()
    found: dict[str, Any] = {}
    timeout = aiohttp.ClientTimeout(None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        crowd = Crowd(url, keys, session)
        await _switch(session, url, "pause")
        clients = [uuid.uuid4().hex for _ in range(options.sockets)] or [uuid.uuid4().hex]
        job_ids = await asyncio.gather(
            *(crowd.submit(number, options.steps, clients) for number in range(options.jobs))
        )
        each = options.readers // options.jobs
        found |= await _opened(
            api,
            "stream",
            options.readers,
            (crowd.follow(job, crowd.key(at)) for at, job in enumerate(job_ids) for _ in range(each)),
        )
        found |= await _opened(
            api,
            "socket",
            options.sockets,
            (crowd.listen(client, crowd.key(at)) for at, client in enumerate(clients[: options.sockets])),
        )
        if slow:
            found |= await _opened(
                api, "slow stream", options.slow, _slow_streams(crowd, job_ids, options.slow)
            )
            opening = _slow_sockets(crowd, clients, options.slow_sockets)
            found |= await _opened(api, "slow socket", options.slow_sockets, opening)
        found |= await _idle(api)
        found |= await _ran(api, crowd, session, url)
        found["frames of the sockets"] = await crowd.close()
    return found


def _slow_streams(crowd: Crowd, job_ids: Sequence[str], count: int) -> Iterator[Coroutine[Any, Any, None]]:
    for at in range(count):
        number = at % len(job_ids)
        yield crowd.follow(job_ids[number], crowd.key(number), pause=PAUSES[at % len(PAUSES)])


def _slow_sockets(crowd: Crowd, clients: Sequence[str], count: int) -> Iterator[Coroutine[Any, Any, None]]:
    """The same clients', so that as much is said to them."""
    for at in range(count):
        number = at % len(clients)
        yield crowd.listen(clients[number], crowd.key(number), pause=PAUSES[at % len(PAUSES)])


async def _opened(api: Process, what: str, count: int, opening: Any) -> dict[str, Any]:
    if not count:
        return {}
    before, cpu, began = api.memory(), api.cpu(), time.perf_counter()
    await asyncio.gather(*opening)
    return {
        f"{what}s": count,
        f"KiB a {what}": round((api.memory() - before) / count / 1024, 1),
        f"CPU ms to open a {what}": round(1000 * (api.cpu() - cpu) / count, 2),
        f"all {what}s open after s": round(time.perf_counter() - began, 1),
    }


async def _idle(api: Process) -> dict[str, Any]:
    cpu = api.cpu()
    await asyncio.sleep(IDLE)
    return {"of a core, nothing happening": round((api.cpu() - cpu) / IDLE, 3)}


async def _ran(api: Process, crowd: Crowd, session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """Let the jobs run until every reader has heard the end of its own."""
    cpu, began, peak = api.cpu(), time.perf_counter(), 0
    await _switch(session, url, "resume")
    everybody = [reader for readers in crowd.readers.values() for reader in readers]
    waiting = asyncio.gather(*(reader.ended.wait() for reader in everybody))
    async with asyncio.timeout(PATIENCE):
        while not waiting.done():
            peak = max(peak, api.memory())
            await asyncio.wait([waiting], timeout=0.5)
    seconds = time.perf_counter() - began
    seen = sum((reader.seen for reader in everybody), Counter[bytes]())
    lags = sorted(
        1000 * (max(ends) - min(ends))
        for ends in ([reader.ended_at or 0.0 for reader in readers] for readers in crowd.readers.values())
    )
    events = sum(seen.values())
    used = api.cpu() - cpu
    return {
        "seconds": round(seconds, 1),
        "events": {kind.decode().removeprefix("event: "): count for kind, count in seen.items()},
        "MB of events": round(sum(reader.bytes for reader in everybody) / 1e6, 1),
        "events/s": round(events / seconds),
        "of a core": round(used / seconds, 2),
        "CPU µs an event": round(1e6 * used / events),
        "ms from a job's first reader to its last": {
            "p50": round(statistics.median(lags), 1),
            "p99": round(lags[int(len(lags) * 0.99)], 1),
            "most": round(lags[-1], 1),
        },
        "MiB at most": round(peak / 2**20, 1),
    }


async def _switch(session: aiohttp.ClientSession, url: str, action: str) -> None:
    async with session.post(f"{url}/api/v2/queue/{action}") as reply:
        reply.raise_for_status()


async def _keys(session: aiohttp.ClientSession, url: str) -> list[str]:
    async def one(name: str) -> str:
        async with session.post(f"{url}/api/v2/keys", json={"name": name}) as reply:
            reply.raise_for_status()
            return str((await reply.json())["secret"])

    return [await one(f"key {number}") for number in range(KEYS)]


async def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Both rounds on one service: without slow readers, and with."""
    async with contextlib.AsyncExitStack() as stack:
        server = ["server", "--port=0", f"--step-time={options.step_time}"]
        servers = [await stack.enter_async_context(comfywire(*server)) for _ in range(options.servers)]
        more = ["--max-streams=100000"]
        url = await stack.enter_async_context(service(servers, folder, workers=1, more=more))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        keys = await _keys(session, url)
        found: dict[str, Any] = {"MiB at first": round(api_process().memory() / 2**20, 1)}
        for name, slow in (("warm", False), ("all read", False), ("some read slowly, or nothing", True)):
            few = argparse.Namespace(**{**vars(options), "jobs": 20, "readers": 200, "sockets": 20})
            found[name] = await one_round(url, keys, few if name == "warm" else options, slow=slow)
            print(name, json.dumps(found[name], ensure_ascii=False), flush=True)
    return found


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--readers", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--slow", type=int, default=250, help="more streams, read slowly or not at all")
    parser.add_argument("--slow-sockets", type=int, default=50, help="more sockets of that kind")
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument(
        "--step-time", type=float, default=0.05, help="seconds of a step, with a preview each"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # children inherit it
    before = conditions()
    print(conditions_line(before))
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(options, Path(folder)))
    if options.json is not None:
        options.json.write_text(json.dumps({"conditions": before, **found}, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
