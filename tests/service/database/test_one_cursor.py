"""Statements of a connection share a cursor, and do not notice each other."""

import asyncio

import psycopg
import pytest

from comfywire.service.database.pool import Database, execute, row, rows


async def test_tasks_on_one_connection_get_their_own_rows(database_url: str) -> None:
    async with Database(database_url, size=1) as database, database.connection() as connection:
        found = await asyncio.gather(
            *(row(connection, "SELECT %(n)s::int AS n", n=number) for number in range(50))
        )

    assert found == [{"n": number} for number in range(50)]


async def test_a_statement_that_fails_leaves_nothing_for_the_next(database_url: str) -> None:
    async with Database(database_url, size=1) as database, database.connection() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await row(connection, "SELECT 1 / %(by)s::int AS n", by=0)

        assert await row(connection, "SELECT 1 / %(by)s::int AS n", by=1) == {"n": 1}
        assert await execute(connection, "CREATE TEMPORARY TABLE own (n int)") == -1
        assert await execute(connection, "INSERT INTO own VALUES (1), (2)") == 2
        assert await row(connection, "SELECT n FROM own WHERE n > %(n)s", n=7) is None


async def test_many_rows_are_not_kept_for_a_connection(database_url: str) -> None:
    async with Database(database_url, size=1) as database, database.connection() as connection:
        assert await row(connection, "SELECT 1 AS n") == {"n": 1}
        found = await rows(connection, "SELECT n FROM generate_series(1, 3) AS n")

        assert found == [{"n": 1}, {"n": 2}, {"n": 3}]
        assert connection.cursor_of_few.rowcount == 1  # type: ignore[attr-defined]
