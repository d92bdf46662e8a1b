"""Who is cancelled while waiting for a connection is, even in the moment in which there is one."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from comfywire.service.database.pool import Database


async def asks(database: Database) -> None:
    await database.one("SELECT 1")


async def changes(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("SELECT 1")


async def goes_on(database: Database) -> None:
    while True:
        await database.all("SELECT 1")


@pytest.mark.parametrize("work", [asks, changes, goes_on])
async def test_a_cancellation_that_comes_with_a_connection_is_heard(
    database_url: str, work: Callable[[Database], Awaitable[None]]
) -> None:
    async with Database(database_url, size=1) as database:
        for _ in range(20):
            async with database.connection():
                waiting = asyncio.ensure_future(work(database))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting], timeout=30)
            assert waiting.cancelled()
        await database.one("SELECT 1")  # the connection was given back
