"""Two real PostgreSQLs, one the other's standby, which takes over: the service goes where it can write."""

import asyncio
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.service.conftest import execute, new_key
from tests.service.making import job
from tests.service.rig import until

from comfywire.service.database.connecting import SCHEMA
from comfywire.service.database.outage import AWAY
from comfywire.service.database.pool import Database
from comfywire.service.jobs.engine import Queue
from comfywire.service.jobs.store import Store
from comfywire.service.migrate import migrate
from comfywire.service.postgres.cluster import PORT, Cluster
from comfywire.service.postgres.programs import account_for

NO_MATTER_WHAT = 100
"""Letters: sockets of folders with so long a name are in /tmp, where the standby's account reaches them."""


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path / ("a" * NO_MATTER_WHAT))
    cluster.attach()
    asyncio.run(migrate(cluster.url))
    yield cluster
    cluster.detach()


@pytest.fixture
def standby(tmp_path: Path, primary: Cluster) -> Iterator[Cluster]:
    """A standby of ``primary`` that has all of it."""
    cluster = Cluster(tmp_path / ("b" * NO_MATTER_WHAT))
    cluster._make_folder()
    folder = cluster._data
    folder.mkdir(mode=0o700)
    account = account_for(folder)
    account.own(folder)
    with cluster._log.open("ab") as log:
        wanted = ["--write-recovery-conf", "--checkpoint=fast", f"--dbname={primary.url}"]
        copying = cluster._run("pg_basebackup", wanted, folder, account, log.fileno())
        assert copying.wait() == 0, cluster._log.read_text()
    cluster.attach()
    yield cluster
    cluster.detach()
    shutil.rmtree(folder)


def hosts(*clusters: Cluster) -> str:
    """The URL of a database that has moved among several servers."""
    folders = ",".join(quote(str(cluster._socket_folder)) for cluster in clusters)
    return f"postgresql://postgres@/postgres?host={folders}&port={','.join([str(PORT)] * len(clusters))}"


async def test_the_pool_works_where_writes_are_taken(primary: Cluster, standby: Cluster) -> None:
    await until(lambda: has_arrived(primary, standby))
    assert await what_is_said_of_previews(primary, standby) == "25006"

    async with Database(hosts(standby, primary), try_every=0.05) as database:
        store = Store(database, Queue(database))
        key_id = await new_key(database, "one")
        before = await store.submit(job(key_id))
        await until(lambda: has_arrived(primary, standby))
        # Others that wait in the pool, opened while this was the primary.
        await asyncio.gather(*(database.one("SELECT pg_sleep(0.05)") for _ in range(5)))

        execute(primary.url, "ALTER SYSTEM SET default_transaction_read_only = on")
        execute(primary.url, "SELECT pg_reload_conf()")
        refused = await refusals(store, key_id)
        execute(standby.url, "SELECT pg_promote()")
        await until(lambda: takes_writes(database))
        after = await store.submit(job(key_id))

        assert {found.id for found in await store.search(key_id)} >= {before.id, after.id}
    assert all(isinstance(error, AWAY) for error in refused)
    with psycopg.connect(standby.url) as connection:
        kept = connection.execute(f"SELECT count(*) FROM {SCHEMA}.jobs WHERE id = %s", [after.id]).fetchone()
    assert kept == (1,)


async def what_is_said_of_previews(primary: Cluster, standby: Cluster) -> str | None:
    """The SQLSTATE of reading a table that no standby has, which it calls not supported (0A000)."""
    async with Database(primary.url) as database:
        pool = database._pool
        pool.conninfo, pool.kwargs = standby.url, {"autocommit": True, "row_factory": dict_row}  # type: ignore[dict-item]
        await pool.drain()
        try:
            await database.all("SELECT * FROM previews")
        except psycopg.Error as error:
            return error.sqlstate
    return None


async def refusals(store: Store, key_id: uuid.UUID) -> list[Exception]:
    """What submitting says from the first refusal on: it takes none of the time that a statement may wait."""
    refused: list[Exception] = []
    while len(refused) < 5:
        try:
            async with asyncio.timeout(7.0 if refused else 30.0):
                await store.submit(job(key_id))
        except psycopg.Error as error:
            refused.append(error)
    return refused


async def has_arrived(primary: Cluster, standby: Cluster) -> bool:
    async with (
        await psycopg.AsyncConnection.connect(primary.url) as one,
        await psycopg.AsyncConnection.connect(standby.url) as other,
    ):
        written = await (await one.execute("SELECT pg_current_wal_lsn()")).fetchone()
        assert written is not None
        found = await other.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written)
        row = await found.fetchone()
        return row == (True,)


async def takes_writes(database: Database) -> bool:
    try:
        await database.try_to_write()
    except AWAY:
        return False
    return True


async def test_what_no_server_supports_is_no_outage(database: Database) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        await database.one("SELECT DISTINCT id FROM jobs FOR UPDATE")
