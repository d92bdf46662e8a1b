"""One contestant's run, inside the contestant's own process: the same small jobs, timed, counted and checked.

Only the standard library is imported here, because this also runs in the environments of other clients.
A contestant is a script that calls :func:`race` or :func:`race_in_threads` with a function that takes a
prompt in API format, runs it, and returns the bytes of its one picture.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["NoPicture", "Run", "picture_number", "prompt", "race", "race_in_threads"]

JOB_TIMEOUT = 60.0
"""Seconds after which a job counts as missing."""
Prompt = dict[str, Any]


class NoPicture(Exception):
    """The client says that all went well, and has nothing to show for it."""


def prompt(number: int, folder: str) -> Prompt:
    """Return a small job that no other job's cache entries serve: 8 x 8 pixels in the colour ``number``."""
    return {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": number},
            "_meta": {"title": "Colour"},
        },
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": f"{folder}/job"},
            "_meta": {"title": "Save"},
        },
    }


def picture_number(png: bytes) -> int | None:
    """Return the colour of the first pixel of an RGB picture, whose bytes no PNG filter changes."""
    if not png.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    place, pixels = 8, b""
    while place + 8 <= len(png):
        length, kind = int.from_bytes(png[place : place + 4], "big"), png[place + 4 : place + 8]
        if kind == b"IDAT":
            pixels += png[place + 8 : place + 8 + length]
        place += length + 12
    return int.from_bytes(zlib.decompress(pixels)[1:4], "big") if pixels else None


@dataclass
class Run:
    """What a contestant was told on its command line, and how each of its jobs came out."""

    url: str
    jobs: int
    concurrency: int
    folder: str
    first: int
    latencies: list[float] = field(default_factory=list)
    pictures: dict[int, bytes] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @classmethod
    def from_command_line(cls) -> Self:
        """Return the run that ``URL JOBS CONCURRENCY FOLDER FIRST`` names."""
        url, jobs, concurrency, folder, first = sys.argv[1:6]
        return cls(url, int(jobs), int(concurrency), folder, int(first))

    def numbered_prompts(self) -> Iterator[tuple[int, Prompt]]:
        """Yield each job's number and prompt; a shared iterator is the queue that workers take from."""
        for number in range(self.first, self.first + self.jobs):
            yield number, prompt(number, self.folder)

    def came_out(self, number: int, began: float, picture: bytes) -> None:
        """A job is done."""
        self.latencies.append(time.perf_counter() - began)
        self.pictures[number] = bytes(picture)

    def went_wrong(self, error: BaseException) -> None:
        """A job gave no picture."""
        self.failures.append(f"{type(error).__name__}: {error}"[:200])

    def report(self, version: str, seconds: float, cpu: float) -> None:
        """Print everything as one line of JSON."""
        wrong = sum(picture_number(png) != number for number, png in self.pictures.items())
        figures = {
            "version": version,
            "python": sys.version.split()[0],
            "jobs": self.jobs,
            "seconds": seconds,
            "cpu_seconds": cpu,
            "latencies_ms": sorted(round(1000 * latency, 3) for latency in self.latencies),
            "wrong": wrong,
            "missing": self.jobs - len(self.pictures),
            "failures": self.failures[:3],
        }
        print(json.dumps(figures), flush=True)


def wait_for_start() -> None:
    """Where faults are made, say that all is ready, and begin when told to."""
    if "CONTEST_WAITS" in os.environ:
        print("ready", flush=True)
        sys.stdin.readline()


async def race(
    run_one: Callable[[Prompt], Awaitable[bytes]],
    run: Run,
    *,
    version: str,
    cpu_time: Callable[[], float] = time.process_time,
) -> None:
    """Run the jobs, ``run.concurrency`` at a time, and report; the first one, uncounted, warms up."""
    await run_one(prompt(run.first + run.jobs, run.folder))
    await asyncio.to_thread(wait_for_start)
    queue = run.numbered_prompts()

    async def work() -> None:
        for number, graph in queue:
            began = time.perf_counter()
            try:
                async with asyncio.timeout(JOB_TIMEOUT):
                    run.came_out(number, began, await run_one(graph))
            except Exception as error:  # noqa: BLE001 - whatever another client raises is a missing result
                run.went_wrong(error)

    began, cpu = time.perf_counter(), cpu_time()
    await asyncio.gather(*(work() for _ in range(run.concurrency)))
    run.report(version, time.perf_counter() - began, cpu_time() - cpu)


def race_in_threads(run_one: Callable[[Prompt], bytes], run: Run, *, version: str) -> None:
    """The same for clients that block: one thread for each job at a time."""
    run_one(prompt(run.first + run.jobs, run.folder))
    wait_for_start()

    def work(numbered: tuple[int, Prompt]) -> None:
        began = time.perf_counter()
        try:
            run.came_out(numbered[0], began, run_one(numbered[1]))
        except Exception as error:  # noqa: BLE001 - whatever another client raises is a missing result
            run.went_wrong(error)

    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(run.concurrency) as threads:
        list(threads.map(work, run.numbered_prompts()))
    run.report(version, time.perf_counter() - began, time.process_time() - cpu)
