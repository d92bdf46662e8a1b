"""A real PostgreSQL for each test process, and a database of its own for each test.

The embedded one; with COMFYWIRE_TEST_DATABASE=postgresql://... another, an older one, say; that user must be
allowed to make databases.
"""

import contextlib
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache, partial
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

pytest.importorskip("procrastinate", reason="the job service needs the extra 'service'")

from comfywire.server import Server
from comfywire.server.faults import Faults
from comfywire.service import core, hooks
from comfywire.service.database.pool import SCHEMA, Database
from comfywire.service.database.pooling import must_suit
from comfywire.service.jobs.engine import Queue
from comfywire.service.jobs.store import Store
from comfywire.service.migrate import migrate
from comfywire.service.postgres.embedded import Cluster

from .rig import Rig


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL for this test process."""
    if url := os.environ.get("COMFYWIRE_TEST_DATABASE"):
        yield url
        return
    cluster = Cluster(tmp_path_factory.mktemp("postgres"))
    cluster.attach()
    # Power cuts are not what these tests are about: a database comes and goes in a quarter of the time.
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        execute(cluster.url, f"ALTER SYSTEM SET {setting} = off")
    execute(cluster.url, "SELECT pg_reload_conf()")
    try:
        yield cluster.url
    finally:
        cluster.detach()


@pytest.fixture(scope="session")
def migrated_url(postgres: str) -> Iterator[str]:
    """The URL of a database with an up-to-date schema, for all tests of this process one after the other."""
    import asyncio

    with temporary_database(postgres) as url:
        asyncio.run(migrate(url))
        yield url


@contextlib.contextmanager
def temporary_database(postgres: str) -> Iterator[str]:
    """The URL of a new database with nothing in it."""
    name = f"test_{uuid.uuid4().hex}"
    execute(postgres, f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(postgres)._replace(path=f"/{name}"))
    finally:
        execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database_url(postgres: str) -> Iterator[str]:
    """The URL of a new database with nothing in it."""
    with temporary_database(postgres) as url:
        yield url


@pytest.fixture(scope="session")
def empty(migrated_url: str) -> Iterator[Callable[[], None]]:
    """Empties the database, over a connection that stays: a new one takes PostgreSQL five times as long."""
    connection = psycopg.connect(migrated_url, autocommit=True)

    def empty() -> None:
        nonlocal connection
        try:
            connection.execute(EMPTY)
        except psycopg.OperationalError:  # the test ended everybody's connections
            connection.close()
            connection = psycopg.connect(migrated_url, autocommit=True)
            connection.execute(EMPTY)

    yield empty
    connection.close()


@pytest.fixture
def database_url(
    migrated_url: str, empty: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The URL of a database with the current schema and no row: emptied, which costs less than a new one."""
    monkeypatch.setattr(core, "must_suit", must_suit_once)
    monkeypatch.setattr(hooks, "entry_points", partial(entry_points_of, tuple(sys.path)))
    yield migrated_url
    empty()


SUITABLE: set[str] = set()


async def must_suit_once(url: str, *, prepares: bool, listen_url: str | None = None) -> None:
    """Ask a database once whether it suits: that is six connections, half of what a service's start costs."""
    is_plain = prepares and listen_url is None
    if not is_plain or url not in SUITABLE:
        await must_suit(url, prepares=prepares, listen_url=listen_url)
    if is_plain:
        SUITABLE.add(url)


@cache
def entry_points_of(path: tuple[str, ...], *, group: str) -> EntryPoints:
    """Read what is installed once for each ``sys.path``: a third of what a service's start computes."""
    return entry_points(group=group)


# Whoever is still connected would hold it up. As a replica PostgreSQL asks neither keys nor triggers.
EMPTY = f"""
DO $$
DECLARE name text;
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = '{SCHEMA}' AND tablename <> 'versions' LOOP
        EXECUTE format('DELETE FROM {SCHEMA}.%I', name);
    END LOOP;
    INSERT INTO {SCHEMA}.tallied VALUES (0); -- as the migration leaves it
END $$
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database, Queue(database))


@pytest.fixture
async def key_id(database: Database) -> uuid.UUID:
    return await new_key(database, "one")


async def new_key(database: Database, name: str, **limits: int) -> uuid.UUID:
    found = await database.one(
        "INSERT INTO keys (name, prefix, scopes, max_queued, max_running) "
        "VALUES (%(name)s, '', '{submit,read}', %(max_queued)s, %(max_running)s) RETURNING id",
        name=name,
        max_queued=limits.get("max_queued"),
        max_running=limits.get("max_running"),
    )
    assert found is not None
    return found["id"]


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture
def rig(tmp_path: Path, database: Database, key_id: uuid.UUID) -> Rig:
    """A database and an asset store, and workers on them."""
    return Rig(tmp_path, database, key_id)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A ComfyUI with faults to be told."""
    async with Server(faults=Faults()) as server:
        yield server
