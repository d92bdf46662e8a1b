"""What callers are told while the database takes no jobs: 503 at once, and never 500."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql
from tests.service.conftest import execute
from tests.service.rig import until

from .conftest import PROMPT, Service, closed, error_of

AT_ONCE = 9.0
"""Seconds, for several questions; a connection that nobody gives out is waited for 10, for each."""


@contextlib.asynccontextmanager
async def read_only(url: str) -> AsyncIterator[None]:
    """A database in which every session writes nothing, those that are there, too."""
    name = sql.Identifier(urlsplit(url).path.lstrip("/"))
    turn = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(turn.format(name, sql.SQL("on")))
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        yield
        await connection.execute(turn.format(name, sql.SQL("off")))


@contextlib.asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """A database whose table of jobs somebody has for himself."""
    async with await psycopg.AsyncConnection.connect(url, options="-c search_path=comfywire") as connection:
        await connection.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        yield
        await connection.rollback()


WAYS: dict[str, Any] = {"away": closed, "read-only": read_only, "locked": locked}


@pytest.mark.parametrize("way", WAYS)
async def test_while_the_database_takes_no_jobs_everybody_is_told_so_at_once(
    service: Service, client: httpx.AsyncClient, database_url: str, way: str
) -> None:
    async with WAYS[way](database_url):
        await client.post("/api/v2/jobs", json={"workflow": PROMPT})  # who finds it out may have to wait
        async with asyncio.timeout(AT_ONCE):
            answers = [
                await client.post("/api/v2/jobs", json={"workflow": PROMPT}),
                await client.get("/api/v2/jobs"),
                await client.get("/readyz"),
                await client.get("/healthz"),
            ]

    assert [answer.status_code for answer in answers] == [503, 503, 503, 200]
    assert error_of(answers[0]) == (503, "service_unavailable")
    assert answers[0].headers["Retry-After"] == "2"


@pytest.mark.parametrize("way", ["away", "read-only"])
async def test_it_is_over_when_the_database_takes_jobs_again(
    service: Service, client: httpx.AsyncClient, database_url: str, way: str
) -> None:
    async with WAYS[way](database_url):
        await client.post("/api/v2/jobs", json={"workflow": PROMPT})

    await until(lambda: is_ready(client))
    answer = await client.post("/api/v2/jobs", json={"workflow": PROMPT})

    assert answer.status_code == 201


async def is_ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


async def test_the_log_says_it_once_however_many_ask(
    service: Service, client: httpx.AsyncClient, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with read_only(database_url):
        for _ in range(20):
            await client.post("/api/v2/jobs", json={"workflow": PROMPT})

    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    ours = [record.getMessage() for record in told if record.name.startswith("comfywire")]
    assert len(ours) == 1
    assert ours[0].startswith("the database is away, trying again: ")


async def test_a_session_that_was_ended_is_no_outage(
    service: Service,
    client: httpx.AsyncClient,
    postgres: str,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = urlsplit(database_url).path.lstrip("/")
    execute(postgres, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    await until(lambda: is_ready(client))

    assert "the database is away" not in caplog.text
