import asyncio
import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest

from comfywire.service import migrate as steps
from comfywire.service.database.pool import Connection, Database
from comfywire.service.jobs.engine import WHOLE_SCHEMA, Queue, migrations
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store
from comfywire.service.migrate import NewerSchema, is_current, migrate, must_not_be_newer

from .conftest import new_key
from .making import claimed, job, job_in


async def current(url: str) -> bool:
    async with Database(url) as database, database.connection() as connection:
        return await is_current(connection)


async def test_an_empty_database_becomes_current(empty_database_url: str) -> None:
    assert not await current(empty_database_url)

    taken = await migrate(empty_database_url)

    assert await current(empty_database_url)
    assert taken[0] == WHOLE_SCHEMA
    assert "0001_initial.sql" in taken


async def test_a_database_that_is_current_is_left_alone(database_url: str) -> None:
    assert await migrate(database_url) == []


async def test_processes_that_migrate_at_once_take_each_step_once(empty_database_url: str) -> None:
    taken = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))

    assert sorted(map(bool, taken)) == [False, False, False, True]
    assert await current(empty_database_url)


async def test_a_step_that_fails_leaves_everything_as_it_was(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = steps._steps()
    monkeypatch.setattr(steps, "_steps", lambda: [*whole, ("9999_broken.sql", "CREATE TABLE half (); SELEC")])

    with pytest.raises(psycopg.errors.SyntaxError):
        await migrate(empty_database_url)

    async with Database(empty_database_url) as database:
        assert await database.one("SELECT to_regclass('comfywire.jobs') AS jobs") == {"jobs": None}


async def test_a_migration_that_dies_half_way_is_done_by_the_next(empty_database_url: str) -> None:
    dying = asyncio.create_task(migrate(empty_database_url))
    while not dying.done() and not await is_migrating(empty_database_url):  # noqa: ASYNC110
        await asyncio.sleep(0)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)

    await migrate(empty_database_url)

    assert await current(empty_database_url)


async def test_a_process_at_work_that_waits_for_the_steps_as_they_for_it_does_not_end_them(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = "LOCK TABLE switches IN ACCESS EXCLUSIVE MODE; LOCK TABLE shares IN ACCESS EXCLUSIVE MODE"
    new = [*steps._steps(), ("9999_locks.sql", f"SET LOCAL deadlock_timeout = 50; {step}")]
    monkeypatch.setattr(steps, "_steps", lambda: new)
    async with Database(database_url) as database, database.transaction() as working:
        await working.execute("SET LOCAL deadlock_timeout = '1min'")
        await working.execute("LOCK TABLE shares IN ROW EXCLUSIVE MODE")
        migrating = asyncio.create_task(migrate(database_url))
        while not await waits_for_a_table(database):  # noqa: ASYNC110
            await asyncio.sleep(0)
        await working.execute("LOCK TABLE switches IN ROW EXCLUSIVE MODE")

    assert await migrating == ["9999_locks.sql"]


async def waits_for_a_table(database: Database) -> bool:
    found = await database.one(
        "SELECT count(*) AS count FROM pg_locks WHERE locktype = 'relation' AND NOT granted"
    )
    assert found is not None
    return bool(found["count"])


async def is_migrating(url: str) -> bool:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        row = await found.fetchone()
        assert row is not None
        return row[0] > 0


async def test_no_job_is_lost_by_a_step_that_is_new(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database(database_url) as database:
        store = Store(database, Queue(database))
        key_id = await new_key(database, "one")
        states = [(await job_in(store, key_id, state)).id for state in JobState]
        waiting = await store.submit(job(key_id, priority=20))
        before = await store.search()
        new = [*steps._steps(), ("9999_new.sql", "ALTER TABLE jobs ADD COLUMN new text DEFAULT 'new'")]
        monkeypatch.setattr(steps, "_steps", lambda: new)

        assert await migrate(database_url) == ["9999_new.sql"]

        assert await store.search() == before
        assert len(before) == len(states) + 1
        assert (await claimed(store)).job.id == waiting.id


async def test_an_older_engine_is_brought_up_to_date_by_its_own_migrations(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(steps.queue, "migrations", lambda: dict(list(migrations().items())[:-1]))
        await migrate(empty_database_url)
    last = list(migrations())[-1]
    monkeypatch.setattr(steps.queue, "migrations", lambda: {**migrations(), last: "SELECT 1"})

    assert await migrate(empty_database_url) == [last]


async def test_an_url_that_leads_nowhere_raises_what_psycopg_says(unused_tcp_port: int) -> None:
    with pytest.raises(psycopg.OperationalError):
        await migrate(f"postgresql://127.0.0.1:{unused_tcp_port}/{uuid.uuid4().hex}")


@pytest.fixture
async def newer(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    """A connection to a database with a step that names the oldest program which may go on."""
    whole = [*steps._steps(), ("9999_less.sql", "-- oldest program: 0.2.0\nDROP TABLE shares")]
    monkeypatch.setattr(steps, "_steps", lambda: whole)
    await migrate(empty_database_url)
    async with Database(empty_database_url) as database, database.connection() as connection:
        yield connection


async def test_a_program_that_is_older_than_a_step_allows_refuses_to_start(newer: Connection) -> None:
    with pytest.raises(NewerSchema, match=r"since 9999_less\.sql at least 0\.2\.0 is needed; upgrade"):
        await must_not_be_newer(newer, "0.1.9")


@pytest.mark.parametrize("program", ["0.2.0", "0.2.0.dev1", "0.10.0", "1.0"])
async def test_a_program_that_is_new_enough_starts(newer: Connection, program: str) -> None:
    await must_not_be_newer(newer, program)


async def test_every_step_so_far_lets_older_programs_go_on(database: Database) -> None:
    async with database.connection() as connection:
        await must_not_be_newer(connection)

    found = await database.all("SELECT name FROM versions WHERE oldest_program IS NOT NULL")
    assert found == []
