"""ComfyUI's own API in front of a fleet: what it costs beside a ComfyUI itself, and beside the Comfy API v2.

    python bench/native.py [-n 100] [--jobs 400] [--rounds 3] [--servers 4] [--sockets 200] [--pollers 20]
                           [--json FILE]

Test servers and the service are processes of their own, all on one machine with this client. A job is what
programs such as comfykit do: POST /prompt, wait on the socket for the end, read the history, fetch the
picture. The same runs on a ComfyUI itself, and over v2 with its event stream. Rates are those of 16 clients
that run one job after another; rounds take turns. Then once more while others hold sockets and poll the whole
history.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import aiohttp
from machine import conditions, conditions_line

from service import Api, graph, service, test_servers

CLIENTS = 16
POLL_EVERY = 0.1
Run = Callable[[], Awaitable[tuple[float | None, float, str]]]


class Native:
    """One program for ComfyUI, with its socket.

    Args:
        url: A ComfyUI, or what it takes for one.

    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._client_id = str(uuid.uuid4())

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(None))
        address = f"{self.url}/ws?clientId={self._client_id}"
        self._socket = await self._session.ws_connect(address, max_msg_size=0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        await self._session.close()

    async def run(self) -> tuple[float | None, float, str]:
        """Run a job to its picture: milliseconds to its start, and in all; its end."""
        began, start = time.perf_counter(), None
        body = {"prompt": graph(), "client_id": self._client_id}
        async with self._session.post(f"{self.url}/prompt", json=body) as reply:
            reply.raise_for_status()
            prompt_id = (await reply.json())["prompt_id"]
        while (told := await self._told())["type"] != "executing" or told["data"] != _end(prompt_id):
            if told["type"] == "execution_start":
                start = 1000 * (time.perf_counter() - began)
        async with self._session.get(f"{self.url}/history/{prompt_id}") as reply:
            entry = (await reply.json())[prompt_id]
        (image,) = entry["outputs"]["2"]["images"]
        async with self._session.get(f"{self.url}/view", params=image) as reply:
            assert (await reply.read()).startswith(b"\x89PNG")
        return start, 1000 * (time.perf_counter() - began), entry["status"]["status_str"]

    async def _told(self) -> dict[str, Any]:
        while True:
            frame = await self._socket.receive()
            if frame.type is aiohttp.WSMsgType.TEXT:
                return dict(json.loads(frame.data))
            assert frame.type is aiohttp.WSMsgType.BINARY, frame


def _end(prompt_id: str) -> dict[str, Any]:
    return {"node": None, "prompt_id": prompt_id}


@contextlib.asynccontextmanager
async def natives(url: str) -> AsyncIterator[list[Run]]:
    """Programs, each with a socket."""
    async with contextlib.AsyncExitStack() as stack:
        yield [(await stack.enter_async_context(Native(url))).run for _ in range(CLIENTS)]


async def in_turns(runs: dict[str, Run], n: int) -> dict[str, dict[str, Any]]:
    """Run jobs one after another, of each in turn: what else the machine does is the same for all."""
    totals: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(n + 1):
        for name, run in runs.items():
            _, total, end = await run()
            assert end in ("succeeded", "success"), end
            if number:  # the first opens connections
                totals[name].append(total)
    return {
        name: {"p50 ms": round(statistics.median(each), 1), "p95 ms": round(sorted(each)[int(n * 0.95)], 1)}
        for name, each in totals.items()
    }


async def rate(runs: list[Run], jobs: int) -> float:
    """Jobs a second, by clients that run one after another."""
    left = iter(range(jobs))

    async def work(run: Run) -> None:
        for _ in left:
            *_, end = await run()
            assert end in ("succeeded", "success"), end

    began = time.perf_counter()
    await asyncio.gather(*(work(run) for run in runs))
    return jobs / (time.perf_counter() - began)


@contextlib.asynccontextmanager
async def company(url: str, sockets: int, pollers: int) -> AsyncIterator[None]:
    """Have others listen, and read the whole history again and again, inside this context."""
    connector = aiohttp.TCPConnector(limit=0)
    # What others do with their bytes is not the service's cost, and would be in the figures on one machine.
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        async def listen() -> None:
            async with session.ws_connect(f"{url}/ws?clientId={uuid.uuid4()}") as socket:
                async for _ in socket:
                    pass

        async def poll() -> None:
            while True:
                async with session.get(f"{url}/history") as reply:
                    await reply.read()
                await asyncio.sleep(POLL_EVERY)

        tasks = [asyncio.create_task(listen()) for _ in range(sockets)]
        tasks += [asyncio.create_task(poll()) for _ in range(pollers)]
        await asyncio.sleep(2)
        try:
            yield
        finally:
            assert not any(task.done() for task in tasks), "somebody in company lost the service"
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything, in turns."""
    found: dict[str, Any] = {}
    async with contextlib.AsyncExitStack() as stack:
        servers = await test_servers(stack, options.servers)
        url = await stack.enter_async_context(service(servers, folder / "data"))
        api = await stack.enter_async_context(Api(url))
        face = await stack.enter_async_context(natives(url))
        direct = await stack.enter_async_context(natives(servers[0]))
        alone = {"directly": direct[0], "v2": api.run, "native": face[0]}
        for name, figures in (await in_turns(alone, options.n)).items():
            _told(found, f"{name}, one by one", figures)
        rates: dict[str, list[float]] = {"v2": [], "native": [], "native in company": []}
        for _ in range(options.rounds):
            rates["v2"].append(await rate([api.run] * CLIENTS, options.jobs))
            rates["native"].append(await rate(face, options.jobs))
            async with company(url, options.sockets, options.pollers):
                rates["native in company"].append(await rate(face, options.jobs))
        for name, each in rates.items():
            between = f"{min(each):.1f} to {max(each):.1f}"
            _told(found, f"{name}, jobs/s", {"median": round(statistics.median(each), 1), "between": between})
    over = found["native, one by one"]["p50 ms"] - found["v2, one by one"]["p50 ms"]
    _told(found, "over v2, p50 ms", round(over, 1))
    _told(found, "of v2's jobs/s", _share(rates["native"], rates["v2"]))
    _told(found, "of the rate alone, in company", _share(rates["native in company"], rates["native"]))
    return found


def _share(some: list[float], of: list[float]) -> float:
    """The middle of the rounds' own shares: a round's two rates were measured one after the other."""
    return round(statistics.median(one / other for one, other in zip(some, of, strict=True)), 2)


def _told(found: dict[str, Any], name: str, figures: Any) -> None:
    found[name] = figures
    print(f"{name}: {figures}", flush=True)


async def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--servers", type=int, default=4)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--pollers", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ran = conditions()
    print(conditions_line(ran), flush=True)
    with tempfile.TemporaryDirectory() as name:
        found = await measure(options, Path(name))
    if options.json:
        options.json.write_text(json.dumps({**ran, **found}, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
