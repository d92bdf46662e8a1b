"""A fleet on one PostgreSQL: what it costs, how soon and how fairly jobs are sent, and a worker that is lost.

    python bench/fleet.py [--servers 64] [--workers 8] [--seconds 30] [--json FILE]

Test servers, 16 to a process, the API and the workers are processes of their own, on one machine with this
program. Each worker is started with one server; the others are added over the API, which gives each a worker.
Four looks: nothing happens for so many ``--seconds``; one job after the other comes while all servers are
idle; three keys have more jobs than servers for as long; and a worker is killed while each server runs a job.
Statements are counted by pg_stat_statements, those of this program left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from fleet_jobs import Figures, Keys, all_ended, percentiles, shares, spent
from fleet_lost import lost
from fleet_place import Fleet, fleet
from machine import conditions, conditions_line

A_SECOND = 5
"""Jobs that come while all servers are idle."""
JOBS_A_SECOND = 10
"""What all servers together end in a second while they are busy: these cores have to bear it."""


async def idle(place: Fleet, seconds: float, servers: int) -> Figures:
    """Nothing happens: what a server costs in a minute, and all processes together."""
    await place.forget_statements()
    before = await place.costs()
    await asyncio.sleep(seconds)
    found = spent(before, await place.costs())
    minutes = seconds / 60
    processor = {name: n for name, n in found.items() if name.startswith("ms of ")}
    notified = {name: n for name, n in found.items() if name.startswith("notified ")}
    a_server = {
        name: round(n / servers / minutes, 1)
        for name, n in found.items()
        if name not in processor and name not in notified
    }
    return {
        "a server and minute": a_server,
        "of a core": {name: round(n / 1000 / seconds, 3) for name, n in processor.items()},
        "notifications a minute": {name: round(n / minutes, 1) for name, n in notified.items()},
        "statements": await place.most_asked(),
        "servers by worker": await shares(place),
    }


async def one_by_one(place: Fleet, keys: Keys, count: int) -> Figures:
    """All servers are idle: how long until a job is sent to one, and what that takes."""
    await place.forget_statements()
    before, ids = await place.costs(), []
    for number in range(count):
        ids.append(await keys.submit(number % len(keys.secrets), 0.0))
        await asyncio.sleep(1 / A_SECOND)
    ends = await all_ended(place, ids)
    found = spent(before, await place.costs())
    rows = await place.rows(
        "SELECT EXTRACT(epoch FROM submitted_at - created_at)::float8 AS sent,"
        " EXTRACT(epoch FROM completed_at - created_at)::float8 AS ended"
        " FROM jobs WHERE id = ANY(%(ids)s::uuid[])",
        ids=ids,
    )
    return {
        "queued to sent": percentiles([row["sent"] for row in rows]),
        "queued to ended": percentiles([row["ended"] for row in rows]),
        "ends": ends,
        "a job, with what the fleet costs meanwhile": {
            name: round(n / count, 2) for name, n in found.items() if not name.startswith("asked ")
        },
        "statements": await place.most_asked(),
    }


async def busy(place: Fleet, keys: Keys, seconds: float, servers: int) -> Figures:
    """Three keys have more jobs than there are servers: whose turn it is, and how soon a place is used."""
    takes = servers / JOBS_A_SECOND
    each = (2 * servers + int(JOBS_A_SECOND * seconds)) // len(keys.secrets)
    await keys.switch("pause")
    by_key = [
        await asyncio.gather(*(keys.submit(which, takes) for _ in range(each)))
        for which in range(len(keys.secrets))
    ]
    before = await place.costs()
    await keys.switch("resume")
    ids = [one for ids in by_key for one in ids]
    ends = await all_ended(place, ids)
    found = spent(before, await place.costs())
    rows = await place.rows(
        "SELECT id::text, server, EXTRACT(epoch FROM submitted_at)::float8 AS sent,"
        " EXTRACT(epoch FROM completed_at)::float8 AS ended FROM jobs WHERE id = ANY(%(ids)s::uuid[])",
        ids=ids,
    )
    return {
        "jobs": len(ids),
        "seconds each": takes,
        "ends": ends,
        "a place free to the next job sent": percentiles(gaps(rows)),
        "sent of each key, while all had some": turns(rows, by_key),
        "notifications a job": {
            name: round(n / len(ids), 2) for name, n in found.items() if name.startswith("notified ")
        },
        "statements a job": round(found["statements"] / len(ids), 1),
        "CPU ms a job": {
            name: round(n / len(ids), 2) for name, n in found.items() if name.startswith("ms of ")
        },
    }


def gaps(rows: Sequence[dict[str, Any]], slots: int = 2) -> list[float]:
    """On each server, from each end to the sending that it made room for."""
    found: list[float] = []
    for url in {row["server"] for row in rows}:
        sent = sorted(row["sent"] for row in rows if row["server"] == url)
        ended = sorted(row["ended"] for row in rows if row["server"] == url)
        found += [after - before for before, after in zip(ended, sent[slots:], strict=False)]
    return found


def turns(rows: Sequence[dict[str, Any]], by_key: Sequence[Sequence[str]]) -> list[int]:
    """How many jobs of each key were sent until the first key had none left."""
    sent = {row["id"]: row["sent"] for row in rows}
    until_then = min(max(sent[one] for one in ids) for ids in by_key)
    return [sum(sent[one] <= until_then for one in ids) for ids in by_key]


async def measure(options: argparse.Namespace, data: Path) -> Figures:
    """The four looks."""
    found: Figures = {}
    async with (
        fleet(options.servers, options.workers, data) as place,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        keys = Keys(place.api.url, session)
        await keys.make()
        (found["PostgreSQL"],) = [row["server_version"] for row in await place.rows("SHOW server_version")]
        looks: dict[str, Callable[[], Awaitable[Figures]]] = {
            "idle": lambda: idle(place, options.seconds, options.servers),
            "one by one": lambda: one_by_one(place, keys, int(options.seconds * A_SECOND)),
            "busy": lambda: busy(place, keys, options.seconds, options.servers),
            "a worker lost": lambda: lost(place, keys, options.servers),
        }
        for name, look in looks.items():
            found[name] = await look()
            print(name, json.dumps(found[name], indent=1), flush=True)
    return found


def main() -> None:
    """Measure, print, and write."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--servers", type=int, default=64)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each look")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = conditions()
    print(conditions_line(before))
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(options, Path(folder)))
    if options.json is not None:
        options.json.write_text(json.dumps({"conditions": before, **found}, indent=1))


if __name__ == "__main__":
    main()
