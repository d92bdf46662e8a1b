"""Many small jobs on the test server beside other ComfyUI servers, with one and the same bare client.

    python bench/servers.py [--server NAME=URL ...] [-n 300] [--concurrency 1,16] [--rounds 5] [--json FILE]

The test server runs in a process of its own, once in each profile; the others are what ``--server`` names,
such as a real ComfyUI that was started by hand. They take turns, in another order each round. A job is that
of ``many_jobs.py``: submit, hear the end on the socket, read history, fetch the picture.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from machine import conditions, conditions_line
from many_jobs import COLOURS, HERE, Place, Rounds, run_contestant
from others.environments import Contestant

PROFILES = ("0.3.64", "0.33.0")
BARE = HERE / "contestants" / "bare.py"
HEAD = "| concurrency | server | jobs/s | spread | p50 ms | p99 ms | client CPU ms/job | wrong | missing |"


@contextlib.asynccontextmanager
async def own_server(profile: str) -> AsyncIterator[str]:
    """Start the test server as its command does, and say where it is."""
    code = (
        "from comfywire.server import run; "
        f"run(on_start=lambda server: print(server.url, flush=True), profile={profile!r})"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
    finally:
        process.terminate()
        await process.wait()


def version_of(url: str) -> str:
    """Return what a server says that it is."""
    with urllib.request.urlopen(f"{url}/system_stats", timeout=10) as reply:
        system = json.load(reply)["system"]
    return f"{url}: ComfyUI {system['comfyui_version']}, torch {system['pytorch_version']}"


async def compete(servers: dict[str, str], options: argparse.Namespace) -> list[Rounds]:
    """Let the servers take turns; the order rotates, so that none is always the first."""
    clients = {name: Contestant(name, sys.executable, BARE) for name in servers}
    results = [
        Rounds(client, concurrency) for concurrency in options.concurrency for client in clients.values()
    ]
    first = random.randrange(COLOURS // 2)  # a server that has run this before must not have it cached
    for number in range(options.rounds):
        for concurrency in options.concurrency:
            rows = [row for row in results if row.concurrency == concurrency]
            for row in rows[number % len(rows) :] + rows[: number % len(rows)]:
                place = Place(servers[row.contestant.name], None)
                figures = await run_contestant(
                    row.contestant, place, jobs=options.n, concurrency=concurrency, first=first
                )
                row.runs.append(figures)
                first = (first + options.n + 1) % COLOURS
                print(f"round {number + 1} {row.contestant.name} x{concurrency}", file=sys.stderr)
    return results


def table(results: list[Rounds]) -> str:
    """Return the results in Markdown: medians over the rounds."""
    lines = [HEAD, "|" + "---|" * 9]
    for row in results:
        cells = [
            str(row.concurrency),
            row.contestant.name,
            f"{row.median('jobs_per_second'):.0f}",
            row.spread("jobs_per_second"),
            f"{row.median('p50_ms'):.1f}",
            f"{row.median('p99_ms'):.1f}",
            f"{row.median('cpu_ms_per_job'):.2f}",
            str(row.total("wrong")),
            str(row.total("missing")),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


async def main(options: argparse.Namespace) -> None:
    where = conditions()
    async with contextlib.AsyncExitStack() as stack:
        servers = {
            f"comfywire, profile {profile}": await stack.enter_async_context(own_server(profile))
            for profile in PROFILES
        }
        servers |= dict(options.server)
        versions = [f"{name} is {version_of(url)}" for name, url in servers.items()]
        results = await compete(servers, options)
    print(conditions_line(where))
    print(f"client: the bare loop; n = {options.n} jobs x {options.rounds} rounds, medians")
    print("; ".join(versions), end="\n\n")
    print(table(results))
    if options.json is not None:
        rows: list[dict[str, Any]] = [
            {"server": row.contestant.name, "concurrency": row.concurrency, "rounds": row.runs}
            for row in results
        ]
        options.json.write_text(json.dumps({"conditions": where, "n": options.n, "rows": rows}, indent=1))


def named(text: str) -> tuple[str, str]:
    name, _, url = text.partition("=")
    return name, url.rstrip("/")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", type=named, action="append", default=[], metavar="NAME=URL")
    parser.add_argument("-n", type=int, default=300, help="jobs in each run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--concurrency", type=lambda text: [int(word) for word in text.split(",")], default=[1, 16]
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
