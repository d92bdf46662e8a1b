"""A fleet on this machine: PostgreSQL, test servers, the API and workers, each watched for what it costs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import psycopg
from psycopg.rows import dict_row
from service_limit import Contestant, started

import comfywire
from comfywire.service.postgres.embedded import Cluster
from service import Api

HERE = Path(__file__).parent
SERVERS_TO_A_PROCESS = 16
QUERIES = HERE.parent / "src" / "comfywire" / "service" / "sql"
Connection = psycopg.AsyncConnection[dict[str, Any]]


def channels() -> list[str]:
    """Return all that is notified of."""
    text = "".join(path.read_text() for path in QUERIES.rglob("*.sql"))
    return sorted(set(re.findall(r"pg_notify\('([a-z0-9_]+)'", text)) | {"procrastinate_any_queue_v1"})


@dataclass
class Host:
    """A process with test servers in it."""

    process: asyncio.subprocess.Process
    urls: list[str]

    async def counts(self) -> Counter[str]:
        """Requests by route, and bytes, since the start."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        told = json.loads(await self.process.stdout.readline())
        requests: Counter[str] = Counter({f"asked {name}": n for name, n in told["requests"].items()})
        return requests + Counter({f"bytes {name}": n for name, n in told["bytes"].items()})


@dataclass
class Fleet:
    """Everything, up and ready.

    Attributes:
        api: For the service's API.
        hosts: The test servers.
        postgres: A connection of this program's, whose statements are not counted.
        contestant: The processes of the service and of PostgreSQL.
        workers: Those that are workers, by process id.
        notified: What PostgreSQL notified of, by channel.

    """

    api: Api
    hosts: list[Host]
    postgres: Connection
    contestant: Contestant
    workers: dict[int, psutil.Process]
    notified: Counter[str] = field(default_factory=Counter)

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """Ask PostgreSQL."""
        return await (await self.postgres.execute(query.encode(), values)).fetchall()

    async def costs(self) -> Counter[str]:
        """All that has been spent and said so far."""
        found: Counter[str] = Counter()
        for host in self.hosts:
            found += await host.counts()
        (said,) = await self.rows(
            "SELECT COALESCE(sum(calls), 0)::bigint AS statements,"
            " COALESCE(sum(wal_bytes), 0)::bigint AS wal FROM pg_stat_statements"
        )
        found += Counter({"statements": said["statements"], "bytes of WAL": said["wal"]})
        found += Counter({f"notified {name}": count for name, count in self.notified.items()})
        for (kind, _), used in self.contestant.processor_time().items():
            found[f"ms of {kind}"] += round(1000 * used)
        return found

    async def most_asked(self, most: int = 8) -> list[tuple[str, int]]:
        """Return the statements that were carried out most often since :meth:`forget_statements`."""
        found = await self.rows(
            "SELECT regexp_replace(left(query, 300), '\\s+', ' ', 'g') AS text, sum(calls)::bigint AS calls"
            " FROM pg_stat_statements GROUP BY 1 ORDER BY calls DESC LIMIT %(most)s",
            most=most,
        )
        return [(row["text"][:90], row["calls"]) for row in found]

    async def forget_statements(self) -> None:
        """Count statements from now on."""
        await self.rows("SELECT pg_stat_statements_reset()")


@contextlib.asynccontextmanager
async def postgres_in(data: Path) -> AsyncIterator[Cluster]:
    """The service's own PostgreSQL, which counts statements."""
    cluster = Cluster(data / "postgres")
    await asyncio.to_thread(cluster.attach)
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    await asyncio.to_thread(cluster.detach)  # it stops, and begins anew with that
    await asyncio.to_thread(cluster.attach)
    try:
        yield cluster
    finally:
        await asyncio.to_thread(cluster.detach)


async def connected(url: str) -> Connection:
    """Return a connection whose statements are not counted."""
    options = "-c pg_stat_statements.track=none -c search_path=comfywire,public"
    return await psycopg.AsyncConnection[dict[str, Any]].connect(
        url, autocommit=True, row_factory=dict_row, options=options
    )


@contextlib.asynccontextmanager
async def host(count: int) -> AsyncIterator[Host]:
    """A process with so many test servers."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "fleet_servers.py"), str(count), stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Host(process, json.loads(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


@contextlib.asynccontextmanager
async def fleet(servers: int, workers: int, data: Path) -> AsyncIterator[Fleet]:
    """All of it; each worker is started with one server, and the others are added over the API."""
    src = str(Path(comfywire.__file__).parents[1])
    async with contextlib.AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(postgres_in(data))
        hosts = [
            await stack.enter_async_context(host(min(SERVERS_TO_A_PROCESS, servers - begun)))
            for begun in range(0, servers, SERVERS_TO_A_PROCESS)
        ]
        serve = (
            "-m",
            "comfywire",
            "serve",
            "--port=0",
            f"--data={data}",
            "--max-queued=1000000",
            "--no-workers",
        )
        url, process = await stack.enter_async_context(started(*serve, src=src))
        named, added = _split([one for each in hosts for one in each.urls], workers)
        at = [f"--data={data}", f"--database-url={cluster.url}"]
        begun_workers = await asyncio.gather(
            *(
                stack.enter_async_context(
                    started("-m", "comfywire", "worker", *at, f"--server={one}", src=src)
                )
                for one in named
            )
        )
        apart = {one.pid: one for _, one in begun_workers}
        api = await stack.enter_async_context(Api(url))
        postgres = await connected(cluster.url)
        stack.push_async_callback(postgres.close)
        await postgres.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        assert cluster.pid is not None
        everything = Contestant(
            api, hosts[0].urls[0], [process, *apart.values(), psutil.Process(cluster.pid)]
        )
        found = Fleet(api, hosts, postgres, everything, apart)
        listening = asyncio.create_task(_listen(cluster.url, found.notified))
        try:
            await _added(url, added)
            await until_up(found, servers)
            yield found
        finally:
            listening.cancel()
            await asyncio.wait([listening])


def _split(urls: Sequence[str], workers: int) -> tuple[list[str], list[str]]:
    """Which servers workers are started with, and which are added."""
    return list(urls[:workers]), list(urls[workers:])


async def _added(url: str, servers: Sequence[str]) -> None:
    async with aiohttp.ClientSession() as session:
        for one in servers:
            async with session.post(f"{url}/api/v2/servers", json={"url": one}) as reply:
                reply.raise_for_status()


async def _listen(url: str, notified: Counter[str]) -> None:
    connection = await connected(url)
    async with connection:
        for name in channels():
            await connection.execute(f"LISTEN {name}".encode())
        async for heard in connection.notifies():
            notified[heard.channel] += 1


async def until_up(found: Fleet, count: int) -> None:
    """Wait until so many servers are up."""
    query = "SELECT count(*) AS count FROM servers WHERE state = 'up'"
    while (await found.rows(query))[0]["count"] < count:  # noqa: ASYNC110 - a benchmark may ask
        await asyncio.sleep(0.1)
