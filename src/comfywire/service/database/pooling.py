"""Poolers between us and PostgreSQL, such as PgBouncer: whether one is in between, and what it lacks."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import psycopg

from comfywire.errors import ComfywireError
from comfywire.service.database.connecting import SCHEMA, connect
from comfywire.service.sql import queries

__all__ = ["UnsuitableDatabase", "must_suit", "shares_sessions"]

SQL = queries("database")
TRIES = 3
"""How often it is tried whether sessions are shared: whoever else uses the pooler may be in between."""
PATIENCE = 5.0
"""Seconds; a pool of one connection would have us wait for ourselves."""


class UnsuitableDatabase(ComfywireError):
    """The database, or a pooler in front of it, lacks what the service needs; the message says what."""


async def must_suit(url: str, *, prepares: bool, listen_url: str | None = None) -> None:
    """Raise unless ``url`` leads to a PostgreSQL as the settings say.

    Args:
        url: Of the database.
        prepares: Whether sessions are ours: prepared statements, settings and LISTEN are kept in them.
        listen_url: Where LISTEN is to work.

    Raises:
        UnsuitableDatabase: One sentence that says what is missing, and what to do.

    """
    try:
        is_shared = await shares_sessions(url)
        if prepares and is_shared:
            raise UnsuitableDatabase(
                "--database-url leads to a pooler in transaction mode, which keeps no prepared statements, "
                "search_path or LISTEN for a session: use its session mode, or --database-prepare off"
            )
        if not prepares:
            await _must_be_in_schema(url)
        if listen_url is not None and await shares_sessions(listen_url):
            raise UnsuitableDatabase(
                "--database-listen-url leads to a pooler in transaction mode, through which nothing is "
                "heard: name the PostgreSQL itself, or leave the option out to ask every second"
            )
    except psycopg.OperationalError as error:
        words = " ".join(str(error).split())
        raise UnsuitableDatabase(f"the database of --database-url cannot be worked with: {words}") from error


async def shares_sessions(url: str) -> bool:
    """Whether what one connection sets for its session is another's afterwards: a pooler in transaction mode.

    Raises:
        psycopg.OperationalError: No server that takes writes was reached.

    """
    for _ in range(TRIES):
        if await _loses_its_session(url):
            return True
    return False


async def _loses_its_session(url: str) -> bool:
    """Set something, have another connection keep a server busy, ask again: on which server was that?"""
    token = secrets.token_hex(8)
    async with await connect(url) as one, await connect(url) as other:
        await one.execute(SQL["set_mark"].encode(), {"mark": token})
        async with other.transaction():
            await other.execute("SELECT 1")
            try:
                async with asyncio.timeout(PATIENCE):
                    found = await (await one.execute(SQL["mark"].encode())).fetchone()
            except TimeoutError:
                return True
    return found is None or found["mark"] != token


async def _must_be_in_schema(url: str) -> None:
    async with await connect(url) as connection:
        found: Any = await (await connection.execute(SQL["schema"].encode())).fetchone()
    if found["schema"] != SCHEMA:
        raise UnsuitableDatabase(
            "with --database-prepare off the search_path cannot be set for a session: run `ALTER ROLE "
            f"{found['role']} SET search_path = {SCHEMA}` on the PostgreSQL once, and RECONNECT on PgBouncer"
        )
