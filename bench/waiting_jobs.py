"""The database with many jobs waiting: what submitting and taking cost then. ``bench/service.py`` runs it.

python bench/waiting_jobs.py [-n 100000] [--database-url URL]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from comfywire.service.database.pool import Database
from comfywire.service.fleet.needs import need_of, requirement_of
from comfywire.service.jobs.engine import Queue
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.records import NewJob
from comfywire.service.jobs.store import Store
from comfywire.service.migrate import migrate
from comfywire.service.postgres.embedded import database_at

__all__ = ["fill", "measured"]

KEYS, NEEDS = 10, 20
PROMPT = {
    str(number): {"class_type": "EmptyImage", "inputs": {"width": 512, "height": 512, "color": number}}
    for number in range(10)
}
REQUIREMENTS = [requirement_of(PROMPT, tags=[f"tag{number}"]) for number in range(NEEDS)]
FILL = """
WITH new AS (
    INSERT INTO jobs (id, key_id, prompt, need, expires_at)
    SELECT gen_random_uuid(), (%(keys)s::uuid[])[1 + i %% %(key_count)s], %(prompt)s::jsonb,
           (%(needs)s::text[])[1 + i / %(key_count)s %% %(need_count)s], now() + interval '7 days'
      FROM generate_series(1, %(n)s) AS i
    RETURNING id, need, key_id
)
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args)
SELECT need, 'comfywire', -row_number() OVER (PARTITION BY key_id)::int,
       jsonb_build_object('job_id', id::text)
  FROM new
"""
LINK = """
UPDATE jobs SET queue_id = waiting.id FROM procrastinate_jobs AS waiting
 WHERE jobs.queue_id IS NULL AND (waiting.args ->> 'job_id')::uuid = jobs.id
"""


async def fill(database: Database, n: int) -> list[uuid.UUID]:
    """Let ``n`` jobs of ten keys wait for twenty needs that no server meets; return the keys."""
    from psycopg.types.json import Jsonb  # noqa: PLC0415

    keys = []
    for number in range(KEYS):
        key = await database.one(
            "INSERT INTO keys (name, prefix, scopes) VALUES (%(name)s, '', '{}') RETURNING id",
            name=f"bench {number}",
        )
        assert key is not None
        keys.append(key["id"])
    values = {"keys": keys, "key_count": KEYS, "needs": [need_of(one) for one in REQUIREMENTS]}
    await database.do(FILL, **values, need_count=NEEDS, n=n, prompt=Jsonb(PROMPT))
    await database.do(LINK)
    await database.do("ANALYZE")
    return keys


def job(keys: list[uuid.UUID], number: int) -> NewJob:
    """One more that waits."""
    requirement = REQUIREMENTS[number % NEEDS]
    return NewJob(
        id=uuid.uuid4(),
        key_id=keys[number % KEYS],
        prompt=PROMPT,
        need=need_of(requirement),
        requirement=requirement,
    )


async def timed(count: int, action: Callable[[int], Awaitable[Any]]) -> list[float]:
    """Return the milliseconds that each of ``count`` actions took, the least first."""
    times = []
    for number in range(count):
        began = time.perf_counter()
        await action(number)
        times.append(1000 * (time.perf_counter() - began))
    return sorted(times)


async def measured(url: str, n: int) -> dict[str, dict[str, float]]:
    """Return p50, p95 and the worst of each step, in milliseconds, with ``n`` jobs waiting."""
    async with Database(url) as database:
        store = Store(database, Queue(database))
        keys = await fill(database, n)
        worker, leases = await store.queue.register(), Leases(store, "bench")
        needs = [need_of(one) for one in REQUIREMENTS]

        async def take(number: int) -> None:
            await store.queue.heads(needs)
            taken = await store.queue.take(needs[number % NEEDS], worker)
            assert taken is not None
            assert await leases.claim(taken) is not None

        steps = {
            "submit": await timed(300, lambda number: store.submit(job(keys, number))),
            "submit under a limit of 100,000": await timed(
                100, lambda number: store.submit(job(keys, number), default_max_queued=100_000)
            ),
            "look, take and claim": await timed(300, take),
            "first page of a key's jobs": await timed(50, lambda number: store.search(keys[number % KEYS])),
        }
    return {
        name: {
            "p50": round(statistics.median(times), 2),
            "p95": round(times[int(len(times) * 0.95)], 2),
            "max": round(times[-1], 2),
        }
        for name, times in steps.items()
    }


async def main() -> None:
    """Measure, with a PostgreSQL of its own unless another is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100_000)
    parser.add_argument("--database-url")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        async with database_at(folder, options.database_url) as url:
            await migrate(url)
            for name, found in (await measured(url, options.n)).items():
                print(f"{name:34} p50 {found['p50']:7.2f} ms, p95 {found['p95']:7.2f} ms")


if __name__ == "__main__":
    asyncio.run(main())
