"""The schema, version by version: the engine's, then ours, under one lock, in one transaction."""

from __future__ import annotations

import asyncio
import re
import time
from importlib.metadata import version
from importlib.resources import files

import psycopg
from psycopg import sql

from comfywire.errors import ComfywireError
from comfywire.service.database.connecting import SCHEMA, connect
from comfywire.service.database.pool import Connection, execute, rows
from comfywire.service.jobs import engine as queue

__all__ = ["NewerSchema", "is_current", "migrate", "must_not_be_newer"]

VERSIONS = """
CREATE TABLE IF NOT EXISTS versions (name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())
"""
LOCK = 0x636F6D6679  # "comfy": so that two processes that start at once do not both migrate
OLDEST_PROGRAM = re.compile(r"-- oldest program: (\S+)\n")
LOCK_PATIENCE = 0.5
"""Seconds that a step waits for a table, less than PostgreSQL's ``deadlock_timeout`` (1 s).

When the steps and a process at work wait for each other, the steps give way and begin anew."""
PATIENCE = 60.0
"""Seconds for which they begin anew: a backup may be reading a table."""


async def migrate(url: str) -> list[str]:
    """Bring the schema up to date and return the names of the steps that were taken, oldest first.

    Nothing is dropped that holds a job. Cancelling this, or dying in it, leaves the schema as it was.

    Raises:
        psycopg.OperationalError: The database was not reached.

    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return await _migrate(url)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
            if time.monotonic() > until:
                raise
        await asyncio.sleep(LOCK_PATIENCE)


async def _migrate(url: str) -> list[str]:
    async with (
        await connect(url) as connection,
        connection.transaction(),
    ):
        await execute(connection, "SELECT pg_advisory_xact_lock(%(lock)s)", lock=LOCK)
        schema = sql.Identifier(SCHEMA)
        await connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        # For this transaction alone: a pooler in between may give the session to somebody else.
        await connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(schema))
        await connection.execute(VERSIONS)
        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_PATIENCE * 1000:.0f}".encode())
        return await _take_steps(connection)


class NewerSchema(ComfywireError):
    """The database's schema is that of a newer version, which has taken away what this program uses."""


async def must_not_be_newer(connection: Connection, program: str | None = None) -> None:
    """Raise if a step that was taken names an oldest program that is newer than this one.

    Args:
        connection: To a database whose schema has all steps that this program knows.
        program: The program's version, by default this one's.

    Raises:
        NewerSchema: One sentence that says so.

    """
    program = program or version("comfywire")
    found = await rows(
        connection, "SELECT name, oldest_program FROM versions WHERE oldest_program IS NOT NULL"
    )
    for step in found:
        if _order(program) < _order(step["oldest_program"]):
            raise NewerSchema(
                f"the database's schema is newer than this program, which is comfywire {program}: since "
                f"{step['name']} at least {step['oldest_program']} is needed; upgrade the program"
            )


def _order(number: str) -> tuple[int, ...]:
    """Return a version as numbers, which compare as versions do; what follows them does not count."""
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[^\d.]", number)[0]))


async def is_current(connection: Connection) -> bool:
    """Whether no step is missing."""
    known = await rows(connection, "SELECT to_regclass('versions') AS found")
    return known[0]["found"] is not None and not await _missing(connection)


async def _take_steps(connection: Connection) -> list[str]:
    taken = []
    (engine,) = await rows(connection, "SELECT to_regclass('procrastinate_jobs') AS found")
    is_new = engine["found"] is None
    for name, text in await _missing(connection):
        # The engine's schema as a whole stands for all of its migrations so far.
        if name == queue.WHOLE_SCHEMA or name not in queue.migrations() or not is_new:
            await connection.execute(text.encode())
        await execute(connection, "INSERT INTO versions (name) VALUES (%(name)s)", name=name)
        taken.append(name)
    for name, text in _steps() if taken else []:
        if (oldest := OLDEST_PROGRAM.match(text)) is not None:
            named = {"name": name, "oldest": oldest[1]}
            await execute(
                connection, "UPDATE versions SET oldest_program = %(oldest)s WHERE name = %(name)s", **named
            )
    return taken


async def _missing(connection: Connection) -> list[tuple[str, str]]:
    done = {row["name"] for row in await rows(connection, "SELECT name FROM versions")}
    return [(name, text) for name, text in _steps() if name not in done]


def _steps() -> list[tuple[str, str]]:
    ours = sorted(
        (path.name, path.read_text(encoding="utf-8"))
        for path in files("comfywire.service.sql").joinpath("migrations").iterdir()
        if path.name.endswith(".sql")
    )
    return [(queue.WHOLE_SCHEMA, queue.schema()), *queue.migrations().items(), *ours]
