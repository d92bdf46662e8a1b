"""What the log says of a database that is away: enough, and no more."""

import asyncio
import logging
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.service.conftest import execute
from tests.service.rig import until

from comfywire.service.database.outage import AWAY, DatabaseAway, Outage, is_suspicious
from comfywire.service.database.pool import Database
from comfywire.service.migrate import migrate

REST = 0.3
"""Seconds between two lines, instead of thirty."""


async def test_a_database_that_is_away_is_told_now_and_then_in_one_line_and_when_it_is_back(
    empty_database_url: str, postgres: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def told(words: str, times: int) -> bool:
        return len(lines(caplog, words)) >= times

    await migrate(empty_database_url)
    async with Database(empty_database_url, try_every=0.01, tell_every=REST) as database:
        there = asyncio.Event()
        listening = asyncio.create_task(database.listen(["x"], lambda *_: None, there.set))
        await there.wait()
        allow(postgres, empty_database_url, allowed=False)
        await until(lambda: told("away", 3))
        allow(postgres, empty_database_url, allowed=True)
        await until(lambda: told("back", 1))
        listening.cancel()
        await asyncio.wait([listening])

    first, second, third = lines(caplog, "away")[:3]
    assert min(second.created - first.created, third.created - second.created) >= REST - 0.05
    assert "\n" not in first.getMessage()
    assert len(lines(caplog, "back")) == 1


async def test_two_statements_in_each_others_way_are_no_outage(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(AWAY):
        await database.do("DO $$ BEGIN RAISE lock_not_available; END $$")

    assert lines(caplog, "database") == []


@pytest.mark.parametrize("state", ["55006", "40P01", "57014", "54001", "2F002"])
def test_what_one_statement_meets_is_no_sign_of_an_outage(state: str) -> None:
    error = psycopg.errors.lookup(state)()
    assert isinstance(error, AWAY)  # whoever works tries again

    assert not is_suspicious(error)


@pytest.mark.parametrize("state", ["25006", "55P03", "08006", "53300", "53100", "57P01", "57P03", "28P01"])
def test_what_the_database_says_of_itself_is_a_sign_of_an_outage(state: str) -> None:
    assert is_suspicious(psycopg.errors.lookup(state)())


@pytest.mark.parametrize("error", [psycopg.OperationalError("lost"), psycopg.InterfaceError("closed")])
def test_a_connection_that_broke_off_is_a_sign_of_an_outage(error: Exception) -> None:
    assert is_suspicious(error)


async def test_one_lost_connection_refuses_nobody_else(database: Database) -> None:
    with pytest.raises(AWAY):
        await database.do("SELECT pg_terminate_backend(pg_backend_pid())")

    found = await asyncio.gather(*(database.one("SELECT 1 AS it") for _ in range(20)))

    assert found == [{"it": 1}] * 20


async def test_a_try_that_meets_silence_counts_as_an_outage_after_a_second() -> None:
    outage, never = Outage(), asyncio.Event()
    before = asyncio.create_task(outage.unless_on(never.wait))  # in the queue for a connection already
    await asyncio.sleep(0)
    outage.begins()
    after = asyncio.create_task(outage.unless_on(never.wait))

    for waiting in (before, after):
        with pytest.raises(DatabaseAway):
            await asyncio.wait_for(waiting, 30)


async def test_who_waited_for_the_verdict_goes_on_when_the_database_is_there() -> None:
    async def connection() -> str:
        return "a connection"

    outage = Outage()
    outage.begins()
    waiting = asyncio.create_task(outage.unless_on(connection))
    await asyncio.sleep(0)
    outage.is_over()

    assert await waiting == "a connection"


def lines(caplog: pytest.LogCaptureFixture, words: str) -> list[logging.LogRecord]:
    ours = [one for one in caplog.records if one.name == "comfywire.service"]
    return [one for one in ours if words in one.getMessage()]


def allow(postgres: str, url: str, *, allowed: bool) -> None:
    """Let the database be away, or come back."""
    name = urlsplit(url).path.removeprefix("/")
    execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")
    if not allowed:
        execute(postgres, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("statement_timeout", "1min"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("tcp_user_timeout", "25000"),
    ],
)
async def test_nothing_holds_for_ever_what_others_wait_for(database: Database, name: str, value: str) -> None:
    async with database.connection() as connection:
        if name == "tcp_user_timeout":
            options = {option.keyword: option.val for option in connection.pgconn.info}
            value_set = options[name.encode()]
            found = "" if value_set is None else value_set.decode()
        else:
            found = (await (await connection.execute(f"SHOW {name}".encode())).fetchone() or {})[name]

    assert found == value
