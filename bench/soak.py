"""Two clients, thousands of prompts, every fault at random: does each prompt end once, and truthfully?

``make soak`` runs it for 30 minutes. The seed is printed; the same seed scripts the same faults, though not
at the same moments. At the end every prompt's outcome is compared with the test server's own log, and the
client's tasks, file descriptors and memory are looked at.
"""

import argparse
import asyncio
import contextlib
import json
import random
import resource
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

import comfywire
from comfywire import Client, JobError

WORKERS = 6
"""Prompts that each client keeps in flight."""
ROUTES = ["POST /prompt", "GET /queue", "GET /history/{prompt_id}", "GET /view", "POST /interrupt", "GET /ws"]
KINDS = ["status", "executing", "executed", "progress_state", "execution_success", "execution_error"]


@dataclass
class Tally:
    """What became of the prompts, and what was wrong."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    ends: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0
    forgotten_at: list[float] = field(default_factory=list)
    """When the server was made to forget what had ended: killed, or its history evicted."""


def graph(color: int, *, steps: int) -> dict[str, Any]:
    """A picture in a colour of its own; with steps, one that takes a moment."""
    size = {"width": 16, "height": 16, "batch_size": 1, "color": color % (1 << 24)}
    nodes: dict[str, Any] = {
        "1": {"class_type": "EmptyImage", "inputs": size},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": f"soak{color}"}},
    }
    if steps:
        nodes["3"] = {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": steps / 100}}
        nodes["2"]["inputs"]["images"] = ["3", 0]
    return nodes


class Faulty:
    """The test server's faults, over HTTP."""

    def __init__(self, url: str, chance: random.Random, tally: Tally) -> None:
        self._url = url
        self._chance = chance
        self._tally = tally

    def pick(self) -> dict[str, Any]:
        """One fault at random, with its arguments."""
        pick, uniform = self._chance.choice, self._chance.uniform
        faults: list[Callable[[], dict[str, Any]]] = [
            lambda: {"fault": "sockets.cut", "how": pick(["close", "fin", "rst"])},
            lambda: {"fault": "sockets.half_open"},
            lambda: {"fault": "sockets.end_half_open"},
            lambda: {"fault": "sockets.deafen"},
            lambda: {"fault": f"messages.{pick(['drop', 'repeat', 'reorder'])}", "type": pick(KINDS)},
            lambda: {"fault": "messages.delay", "type": pick(KINDS), "seconds": uniform(0.05, 1)},
            lambda: {"fault": "messages.junk"},
            lambda: {"fault": "messages.foreign"},
            lambda: {"fault": "messages.oversized", "size_bytes": pick([2, 5]) << 20},
            lambda: {"fault": "replies.drop", "route": pick(ROUTES), "when": pick(["before", "after"])},
            lambda: {"fault": "replies.delay", "route": pick(ROUTES), "seconds": uniform(0.05, 1)},
            lambda: {
                "fault": "replies.fail",
                "route": pick(ROUTES),
                "status": pick([500, 503]),
                "when": pick(["before", "after"]),
            },
            lambda: {"fault": "replies.cut_body", "route": pick(ROUTES[:4]), "at_bytes": pick([0, 10, 60])},
            lambda: {"fault": "history.late", "seconds": uniform(0.05, 0.5)},
            lambda: {"fault": "history.evict"},
            lambda: {"fault": "prompts.clear"},
            lambda: {"fault": "prompts.interrupt"},
            lambda: {"fault": "nodes.slow", "seconds": uniform(0.1, 1)},
            lambda: {"fault": "nodes.silent", "seconds": uniform(0.5, 3)},
            lambda: {"fault": "nodes.fail"},
            lambda: {"fault": "life.kill", "restart_after": uniform(0.2, 1.5)},
            lambda: {"fault": "life.refuse_connections", "seconds": uniform(0.5, 3)},
        ]
        return pick(faults)()

    async def strike(self, session: aiohttp.ClientSession, fault: dict[str, Any]) -> None:
        """Do it; a server that is away for the moment is left alone."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.post(f"{self._url}/comfywire/faults", json=fault) as reply:
                if reply.status >= 400:
                    raise RuntimeError(await reply.text())
            self._tally.faults[fault["fault"]] += 1
            if fault["fault"] in ("life.kill", "history.evict"):
                self._tally.forgotten_at.append(time.time())

    async def go_on(self, until: float) -> None:
        """Strike at random until the time is over; take every rule back now and then, and at the end."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
            while time.monotonic() < until:
                await self.strike(session, self.pick())
                if self._chance.random() < 0.1:
                    await self.clear(session)
                await asyncio.sleep(self._chance.uniform(0.1, 1.2))
            await asyncio.sleep(5)
            for _ in range(20):
                if await self.clear(session):
                    return
                await asyncio.sleep(0.5)

    async def clear(self, session: aiohttp.ClientSession) -> bool:
        """Take every rule back."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.delete(f"{self._url}/comfywire/faults") as reply:
                return reply.status == 200
        return False


async def work(client: Client, chance: random.Random, tally: Tally, until: float) -> None:
    """Submit one prompt after another; cancel some."""
    while time.monotonic() < until:
        began = time.monotonic()
        prompt_id, outcome = await one(client, chance)
        tally.slowest = max(tally.slowest, time.monotonic() - began)
        tally.outcomes[outcome] += 1
        if prompt_id in tally.ends:
            tally.wrong.append(f"{prompt_id} ended twice: {tally.ends[prompt_id]}, {outcome}")
        tally.ends[prompt_id] = outcome
        if outcome in ("ConnectionFailed", "ConnectionLost", "ServerError"):
            await asyncio.sleep(0.2)


async def one(client: Client, chance: random.Random) -> tuple[str, str]:
    """Return the prompt_id and what became of it."""
    color, prompt_id = chance.getrandbits(40), new_prompt_id(chance)
    try:
        job = await client.submit(graph(color, steps=chance.choice([0, 0, 5, 30])), prompt_id=prompt_id)
        if chance.random() < 0.08:
            await asyncio.sleep(chance.uniform(0, 0.3))
            with contextlib.suppress(comfywire.ComfywireError):
                await job.cancel()
        result = await job.result()
        return prompt_id, await judge(result, color)
    except JobError as error:
        return prompt_id, type(error).__name__
    except comfywire.ComfywireError as error:
        return prompt_id, type(error).__name__


async def judge(result: comfywire.Result, color: int) -> str:
    """Is it this prompt's own picture, and can it be read, sooner or later?"""
    mine = [output for output in result.outputs if (output.filename or "").startswith(f"soak{color}_")]
    if not mine:
        return f"wrong outputs: {result.outputs}"
    for _ in range(20):
        with contextlib.suppress(comfywire.ConnectionFailed, comfywire.ConnectionLost, comfywire.ServerError):
            return "Result" if (await mine[0].read()).startswith(b"\x89PNG") else "not a picture"
        await asyncio.sleep(0.5)
    return "unreadable"


def new_prompt_id(chance: random.Random) -> str:
    """A uuid4 from the seed."""
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


# What each outcome allows the server's log to say of the prompt's runs.
TRUTH: dict[str, Callable[[list[str]], bool]] = {
    "Result": lambda runs: runs == ["success"],
    "JobFailed": lambda runs: runs == ["error"],
    "JobInterrupted": lambda runs: runs in (["interrupted"], []),
    "OutputsGone": lambda runs: runs == ["success"],
    "JobLost": lambda runs: runs in ([], ["stopped"]),
    "ConnectionFailed": lambda runs: runs == [],
    "ConnectionLost": lambda runs: len(runs) <= 1,
    "ServerError": lambda runs: len(runs) <= 1,
}


def compare(tally: Tally, log: list[dict[str, Any]]) -> None:
    """Compare every outcome with what the server really did."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for run in log:
        runs.setdefault(run["prompt_id"], []).append(run)
    for prompt_id, outcome in tally.ends.items():
        hows = [run["how"] for run in runs.get(prompt_id, [])]
        if outcome == "JobLost" and len(hows) == 1 and was_forgotten(tally, runs[prompt_id][0]):
            continue  # it ended, and the server was made to forget it before it could be read
        if outcome not in TRUTH or not TRUTH[outcome](hows):
            tally.wrong.append(f"{prompt_id}: told {outcome}, but the server's log says {hows}")


def was_forgotten(tally: Tally, run: dict[str, Any]) -> bool:
    """Whether the server was made to forget this run soon after it had ended."""
    end = run["end"] or run["start"]
    return any(end - 2 <= moment <= end + 10 for moment in tally.forgotten_at)


async def soak(seconds: float, seed: int, url: str) -> dict[str, Any]:
    """Return the report."""
    tally, until = Tally(), time.monotonic() + seconds
    memory: list[int] = []
    async with Client(url) as first, Client(url) as second, asyncio.TaskGroup() as group:
        group.create_task(Faulty(url, random.Random(seed), tally).go_on(until - 10))
        for number in range(2 * WORKERS):
            chance = random.Random(seed * 1000 + number)
            group.create_task(work((first, second)[number % 2], chance, tally, until))
        group.create_task(watch_memory(memory, until))
    async with aiohttp.ClientSession() as session, session.get(f"{url}/comfywire/log") as reply:
        compare(tally, await reply.json())
    await asyncio.sleep(0.5)
    return {
        "seed": seed,
        "seconds": seconds,
        "prompts": len(tally.ends),
        "outcomes": dict(tally.outcomes.most_common()),
        "faults": dict(tally.faults.most_common()),
        "slowest prompt, seconds": round(tally.slowest, 1),
        "wrong": tally.wrong,
        "tasks left": sorted(
            task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()
        ),
        "descriptors left": descriptors(),
        "memory, MB": {"after a tenth": memory[len(memory) // 10] >> 20, "at the end": memory[-1] >> 20},
    }


async def watch_memory(memory: list[int], until: float) -> None:
    """Note the resident size each second."""
    while time.monotonic() < until:
        memory.append(resident())
        await asyncio.sleep(1)


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def descriptors() -> int:
    """Sockets and files that are open in this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def main() -> int:
    """Start the server in a process of its own, soak, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.seconds:g} seconds, comfywire {comfywire.__version__}", flush=True)
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE, limit=1 << 20
    )
    assert server.stdout is not None
    url = (await server.stdout.readline()).decode().strip()
    before = descriptors()
    try:
        report = await soak(options.seconds, options.seed, url)
    finally:
        server.terminate()
        await server.wait()
    report["descriptors left"] -= before
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))
    return 1 if report["wrong"] or report["tasks left"] else 0


SERVER = """
import asyncio
from comfywire.server import Server
async def main():
    async with Server(faults_over_http=True) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""

if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
