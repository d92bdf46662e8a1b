"""Comfywire following what a server sends, in a process of its own: ``watching.py URL MODE NUMBER SECONDS``.

Modes: ``result`` waits for the end, ``events`` reads every event, ``progress`` asks for a snapshot ten times
a second, as a progress bar does; ``silence`` opens NUMBER jobs and waits SECONDS.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import tracemalloc
from typing import Any

import comfywire

GLANCE = 0.1


def graph(nodes: int) -> dict[str, Any]:
    """Return a chain of nodes."""
    links = ({} if number == 0 else {"image": [str(number - 1), 0]} for number in range(nodes))
    return {
        str(number): {"class_type": "ImageInvert", "inputs": inputs} for number, inputs in enumerate(links)
    }


async def read_events(job: comfywire.Job) -> None:
    async for _ in job.events():
        pass


async def glance(job: comfywire.Job) -> None:
    while not job.is_done:
        assert job.progress.nodes_total
        await asyncio.sleep(GLANCE)


async def follow(client: comfywire.Client, mode: str, nodes: int) -> dict[str, Any]:
    """Return the CPU time of following one job from its submission to its end."""
    began, cpu = time.perf_counter(), time.process_time()
    job = await client.submit(graph(nodes))
    watching = {"events": read_events, "progress": glance}.get(mode)
    task = asyncio.create_task(watching(job)) if watching is not None else None
    await job.result()
    if task is not None:
        await task
    return {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}


async def keep_silent(client: comfywire.Client, jobs: int, seconds: float) -> dict[str, Any]:
    """Return the memory of ``jobs`` open jobs, each with a graph of two nodes, and wait."""
    first = await client.submit(graph(2))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    opened = [await client.submit(graph(2)) for _ in range(jobs)]
    memory = tracemalloc.get_traced_memory()[0] - before
    graphs = [graph(2) for _ in range(jobs)]
    of_graphs = tracemalloc.get_traced_memory()[0] - before - memory
    tracemalloc.stop()
    del graphs
    print("open", flush=True)
    cpu, tasks = time.process_time(), len(asyncio.all_tasks())
    await asyncio.sleep(seconds)
    return {
        "kib_per_job": memory / jobs / 1024,
        "kib_per_graph": of_graphs / jobs / 1024,
        "open": sum(not job.is_done for job in [first, *opened]),
        "tasks": tasks,
        "cpu_seconds": time.process_time() - cpu,
    }


async def main() -> None:
    url, mode, number, seconds = sys.argv[1:5]
    async with comfywire.Client(url) as client:
        if mode == "silence":
            found = await keep_silent(client, int(number), float(seconds))
        else:
            found = await follow(client, mode, int(number))
    print(json.dumps(found), flush=True)


asyncio.run(main())
