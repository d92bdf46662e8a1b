"""What each step costs in a database that has been used for a year, beside one that was just made.

    python bench/scale.py [--ended 1000000] [--waiting 100000] [--rounds 40] [--data FOLDER] [--json FILE]

Two databases in one PostgreSQL: one with 1,000 keys, a million jobs that have ended, 100,000 that wait,
10,000 versions of workflows and 100,000 assets; one with a single key and just enough that every answer is as
long. Each step is taken in both, in turns, through the service's own code. ``--data`` keeps the databases for
the next run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from machine import conditions, conditions_line
from scale_fill import PROMPT, REQUIREMENTS, Size, check, churn, fill

from comfywire.service.api.prometheus import Metrics
from comfywire.service.assets.blobs import Blobs
from comfywire.service.assets.sweep import Sweep
from comfywire.service.database.pool import Database
from comfywire.service.fleet.needs import need_of
from comfywire.service.jobs.claims import Claim
from comfywire.service.jobs.engine import Queue
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.listing import Wanted, search
from comfywire.service.jobs.native_prompts import NativePrompts
from comfywire.service.jobs.overview import Operating
from comfywire.service.jobs.records import NewJob
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store
from comfywire.service.migrate import migrate
from comfywire.service.postgres.embedded import database_at
from comfywire.service.workflows.registered import Workflows

FEW = Size(keys=1, ended=1000, waiting=130, names=1, versions=10, assets=1000, deliveries=100)
NEEDS = [need_of(one) for one in REQUIREMENTS]
AT_WORK = 10
"""Keys that are at work, of all that there are: what they have is asked for again and again."""
SERVERS = 16
"""ComfyUIs that nothing is on."""
GONE = 5
"""Jobs that each sweep finds expired."""
Step = Callable[[], Awaitable[Any]]


class Place:
    """One of the two databases, and the steps in it."""

    def __init__(self, database: Database, worker: int, keys: Sequence[uuid.UUID], blobs: Blobs) -> None:
        self.database, self.store = database, Store(database, Queue(database))
        self.worker, self.blobs = worker, blobs
        self.leases = Leases(self.store, "bench")
        self.native = NativePrompts(database)
        self.keys, self.needs = itertools.cycle(keys), itertools.cycle(range(len(NEEDS)))
        self.claims: list[Claim] = []

    def steps(self) -> dict[str, Step]:
        """Return each step; each call of one is for the next key, or the next need."""
        operating, found = Operating(self.database), self._found
        states = [JobState.SUCCEEDED]
        return {
            "submit": self._submit,
            "claim (heads, take)": self._claim,
            "end": self._end,
            "list: a key's first page": lambda: found(Wanted()),
            "list: everybody's first page": lambda: search(self.database, None, Wanted()),
            "filter: that succeeded, with outputs (gallery)": lambda: self._gallery(Wanted(states=states)),
            "filter: that failed": lambda: found(Wanted(states=[JobState.FAILED])),
            "filter: of a label": lambda: found(Wanted(labels={"project": "p10"})),
            "filter: of a workflow": lambda: found(Wanted(workflow="workflow-1")),
            "filter: with words in them": lambda: found(Wanted(words="picture")),
            "filter: with a picture": lambda: found(Wanted(kind="image")),
            "/queue": lambda: self.native.queue(next(self.keys)),
            "/history": self._history,
            "workflow by name": lambda: Workflows(self.database).get("workflow-1"),
            "queue's overview": operating.queue,
            "what waits, by key": operating.waiting,
            "demand": operating.demand,
            f"{SERVERS} idle servers": operating.servers,
            "prompts to take over (none)": lambda: self.store.queue.take_submitted(self.worker, "bench"),
            "metrics": lambda: Metrics(self.database).text(),
            f"sweep of {GONE} jobs": lambda: Sweep(self.database, self.blobs).run(1 << 60),
        }

    async def _found(self, wanted: Wanted) -> None:
        await search(self.database, next(self.keys), wanted)

    async def _gallery(self, wanted: Wanted) -> None:
        ids = [job.id for job in await search(self.database, next(self.keys), wanted)]
        await self.store.outputs_of(ids)
        await self.store.inputs_of(ids)

    async def _submit(self) -> None:
        requirement = REQUIREMENTS[next(self.needs)]
        job = NewJob(
            id=uuid.uuid4(),
            key_id=next(self.keys),
            prompt=PROMPT,
            need=need_of(requirement),
            requirement=requirement,
        )
        await self.store.submit(job, default_max_queued=100_000)

    async def _claim(self) -> None:
        heads = await self.store.queue.heads(NEEDS)
        taken = await self.store.queue.take(heads[0].need, self.worker)
        assert taken is not None
        claim = await self.leases.claim(taken)
        assert claim is not None
        self.claims.append(claim)

    async def _end(self) -> None:
        await self.leases.end(self.claims.pop().lease, JobState.CANCELED, "it was asked for")

    async def _history(self) -> None:
        key_id = next(self.keys)
        await self.native.mark(key_id, 50)
        shown = await self.native.ended(key_id, most=50)
        await self.native.entries(key_id, [job_id for job_id, _ in shown])

    async def expire(self) -> None:
        """Let some jobs be due for the next sweep."""
        await self.database.do(
            "UPDATE jobs SET expires_at = now() - interval '1 second' WHERE id IN ("
            "SELECT id FROM jobs WHERE state = 'succeeded' ORDER BY created_at LIMIT %(most)s)",
            most=GONE,
        )


@contextlib.asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Place]:
    """One of the two databases, ready."""
    async with Database(url) as database:
        keys = [
            row["id"]
            for row in await database.all(
                "SELECT id FROM keys ORDER BY md5(id::text) LIMIT %(most)s", most=AT_WORK
            )
        ]
        await database.do(
            "INSERT INTO servers (url, worker, state) SELECT 'http://gpu-' || i || ':8188', 'bench', 'up'"
            " FROM generate_series(1, %(servers)s) AS i ON CONFLICT DO NOTHING",
            servers=SERVERS,
        )
        worker = await Queue(database).register()
        yield Place(database, worker, keys, Blobs(str(folder)))


async def filled(url: str, name: str, size: Size) -> str:
    """Return the URL of a database of this size, made unless it is there."""
    parts = urlsplit(url)
    own = urlunsplit(parts._replace(path=f"/{name}"))
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
        if found is not None and size is FEW:  # the rounds of the last run have used up what it had
            connection.execute(f"DROP DATABASE {name}".encode())
            found = None
        if found is None:
            connection.execute(f"CREATE DATABASE {name}_new".encode())
    if found is not None:
        await migrate(own)
        return own
    made = urlunsplit(parts._replace(path=f"/{name}_new"))
    began = time.perf_counter()
    await migrate(made)
    await asyncio.to_thread(fill, made, size)
    await asyncio.to_thread(check, made)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name}_new RENAME TO {name}".encode())
    print(f"{name}: filled in {time.perf_counter() - began:.0f} s")
    return own


async def churned(url: str, jobs: int) -> None:
    """Let so many jobs come and end, and print what that leaves behind."""
    parts = urlsplit(url)
    own = urlunsplit(parts._replace(path="/scale_churn"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS scale_churn")
        connection.execute("CREATE DATABASE scale_churn")
    await migrate(own)
    began = time.perf_counter()
    await asyncio.to_thread(churn, own, jobs)
    print(conditions_line(conditions()), f"{jobs} jobs in {time.perf_counter() - began:.0f} s.\n")
    async with Database(own) as database:
        print_sizes(await sizes(database))


async def compared(few: Place, many: Place, rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of each step in both, in milliseconds, taken in turns."""
    places = (few, many)
    steps = [place.steps() for place in places]
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in steps[0]}
    for number in range(rounds):
        for name in times:
            for which in (0, 1) if number % 2 else (1, 0):
                if name.startswith("sweep"):
                    await places[which].expire()
                began = time.perf_counter()
                await steps[which][name]()
                if number:  # the first time, plans are made and pages are read
                    times[name][which].append(1000 * (time.perf_counter() - began))
    return {name: row(*both) for name, both in times.items()}


def row(few: Sequence[float], many: Sequence[float]) -> dict[str, float]:
    """Return the figures of one step."""
    small, large = statistics.median(few), statistics.median(many)
    return {
        "few": round(small, 2),
        "many": round(large, 2),
        "many_p95": round(sorted(many)[int(len(many) * 0.95)], 2),
        "ratio": round(large / small, 2),
    }


async def sizes(database: Database) -> list[dict[str, Any]]:
    """Return the largest tables: rows, bytes with and without indexes, and what autovacuum has done."""
    return await database.all(
        "SELECT relname AS name, n_live_tup AS rows, n_dead_tup AS dead,"
        " pg_table_size(relid) / 1048576 AS table_mb, pg_indexes_size(relid) / 1048576 AS indexes_mb,"
        " autovacuum_count AS vacuums FROM pg_stat_user_tables"
        " ORDER BY pg_total_relation_size(relid) DESC LIMIT 8"
    )


def print_report(report: dict[str, Any]) -> None:
    """Print the tables."""
    print(conditions_line(report["conditions"]), f"PostgreSQL {report['postgresql']}.")
    print("\n| step | few ms | many ms | many p95 ms | many to few |\n|---|---|---|---|---|")
    for name, found in report["steps"].items():
        print(f"| {name} | {found['few']} | {found['many']} | {found['many_p95']} | {found['ratio']:.2f} |")
    print()
    print_sizes(report["sizes"])


def print_sizes(tables: Sequence[dict[str, Any]]) -> None:
    """Print what tables take."""
    print("| table | rows | dead | MB | indexes MB | autovacuums |\n|---|---|---|---|---|---|")
    for found in tables:
        print("| " + " | ".join(str(value) for value in found.values()) + " |")


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ended", type=int, default=1_000_000)
    parser.add_argument("--waiting", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--churn", type=int, help="instead: let so many jobs come and end")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--database-url")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


async def main() -> None:
    """Fill, measure and print."""
    told = options()
    share = told.ended // 10
    size = Size(
        keys=1000,
        ended=told.ended,
        waiting=told.waiting,
        names=1000,
        versions=10,
        assets=share,
        deliveries=share,
    )
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        async with (
            database_at(told.data or folder, told.database_url) as url,
            contextlib.AsyncExitStack() as both,
        ):
            if told.churn:
                await churned(url, told.churn)
                return
            urls = [await filled(url, "scale_few", FEW), await filled(url, f"scale_{told.ended}", size)]
            few, many = [await both.enter_async_context(opened(one, folder)) for one in urls]
            report = {
                "conditions": conditions(),
                "postgresql": (await many.database.one("SHOW server_version") or {})["server_version"],
                "steps": await compared(few, many, told.rounds),
                "sizes": await sizes(many.database),
            }
    print_report(report)
    if told.json:
        told.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
