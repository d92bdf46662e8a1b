"""What waits is looked at without looking at what has ended, in a database that has been used.

``bench/scale.py`` measures what each step costs there; this holds what it found.
"""

import asyncio
import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from tests.service.conftest import temporary_database

from comfywire.service.database.connecting import SCHEMA
from comfywire.service.migrate import migrate
from comfywire.service.sql import queries

FILE = Path(__file__).parents[3] / "bench" / "scale_fill.py"
WAITING = {
    "metrics": ("metrics", "jobs"),
    "metrics, what runs": ("metrics", "running"),
    "the queue's overview": ("operating", "queue"),
    "how much is queued": ("operating", "queued"),
    "what waits, by key": ("operating", "waiting_by_key"),
    "demand": ("estimates", "waiting"),
}


@pytest.fixture(scope="module")
def scale_fill() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scale_fill", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["scale_fill"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def used(postgres: str, scale_fill: ModuleType) -> Iterator[str]:
    with temporary_database(postgres) as url:
        asyncio.run(migrate(url))
        size = scale_fill.Size(
            keys=10, ended=20_000, waiting=3000, names=10, versions=2, assets=2000, deliveries=5000
        )
        scale_fill.fill(url, size)
        scale_fill.check(url)
        until_seen_by_all(url)
        yield url


def until_seen_by_all(url: str) -> None:
    """Vacuum until no page of jobs is left out, as one is that autovacuum, or whoever else, may still read.

    An index alone does not answer for such pages, and the plans would be others.
    """
    until = time.monotonic() + 60
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(
            "SELECT FROM pg_class WHERE oid = %s::regclass AND relallvisible < relpages", [f"{SCHEMA}.jobs"]
        ).fetchall():
            assert time.monotonic() < until
            connection.execute(f"VACUUM (ANALYZE) {SCHEMA}.jobs".encode())


@pytest.fixture
def connection(used: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(used, cursor_factory=psycopg.ClientCursor) as opened:
        opened.execute(f"SET search_path TO {SCHEMA}")
        yield opened


def plan(connection: psycopg.Connection, query: str, **values: Any) -> str:
    """How PostgreSQL answers a query, in its words."""
    rows = connection.execute(b"EXPLAIN (COSTS OFF) " + query.encode(), values).fetchall()
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("of", WAITING.values(), ids=WAITING)
def test_what_waits_is_counted_without_looking_at_what_has_ended(
    connection: psycopg.Connection, of: tuple[str, str]
) -> None:
    file, name = of

    found = plan(connection, queries(file)[name], limit=100)

    assert any(index in found for index in ("jobs_waiting", "jobs_submitted", "jobs_by_state")), found
    assert "Seq Scan on jobs" not in found
    assert "jobs_newest" not in found


ON_SERVERS = {
    "each server, and whether a job is on it": ("operating", "servers"),
    "what is on servers, to be taken over": ("queue", "take_submitted"),
    "who is busy, for expected times": ("estimates", "busy"),
    "a server that is taken away": ("added_servers", "remove"),
}
LOOKING = {
    "silent_after": 60,
    "need": "n",
    "name": "w",
    "seconds": 60,
    "alone": True,
    "worker": 1,
    "url": "http://gpu-1:8188",
}


@pytest.mark.parametrize("of", ON_SERVERS.values(), ids=ON_SERVERS)
def test_what_is_on_servers_is_found_among_all_that_waits_and_has_ended(
    connection: psycopg.Connection, of: tuple[str, str]
) -> None:
    file, name = of

    found = plan(connection, queries(file)[name], **LOOKING)

    assert "jobs_submitted" in found
    assert "Seq Scan on jobs" not in found
    assert "Seq Scan on procrastinate_jobs" not in found
    assert "Join Filter: (waiting.id" not in found
    assert "jobs_by_state" not in found


def test_what_a_key_was_told_is_found_among_what_all_were_told(connection: psycopg.Connection) -> None:
    key = connection.execute("SELECT id FROM keys LIMIT 1").fetchone()
    assert key is not None
    newest = {"state": None, "before": None, "before_id": None, "limit": 50}

    assert "deliveries_by_key" in plan(connection, queries("webhooks")["of_key"], key_id=key[0], **newest)


def test_a_sweep_looks_at_what_was_given_since_the_last_one(connection: psycopg.Connection) -> None:
    now = connection.execute("SELECT now() - interval '65 minutes' AS since, now() AS until").fetchone()
    assert now is not None

    found = plan(connection, queries("assets")["orphans"], since=now[0], until=now[1], most=100)

    assert "blobs_touched" in found
    assert "Seq Scan on assets" not in found


def test_jobs_with_a_picture_are_found_without_looking_at_everybodys(
    connection: psycopg.Connection,
) -> None:
    key = connection.execute("SELECT id FROM keys LIMIT 1").fetchone()
    assert key is not None
    nothing = ("states", "workflow", "batch", "words", "since", "until", "before", "before_id")
    wanted = dict.fromkeys(nothing) | {"kinds": ["image", "animation"], "is_rest": False, "film": False}

    found = plan(connection, queries("jobs")["list"], key_id=key[0], labels=Jsonb({}), limit=50, **wanted)

    assert "Seq Scan on outputs" not in found
