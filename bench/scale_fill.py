"""A database that has been used: jobs that have ended, jobs that wait, and all that stands beside them.

Written by PostgreSQL itself (``scale.sql``), as the service would have left it: of each job its transitions,
of every other one the prompt of ComfyUI's own API, of some their outputs with assets and blobs, deliveries
with their tries, and the tallies of the counters. ``check`` compares all that with each other afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.types.json import Jsonb

from comfywire.service.database.connecting import SCHEMA
from comfywire.service.fleet.needs import need_of, requirement_of

__all__ = ["PROMPT", "REQUIREMENTS", "Size", "check", "churn", "fill"]

HERE = Path(__file__).parent
NEEDS = 20
PROMPT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "model.safetensors"}},
    "2": {"class_type": "EmptyImage", "inputs": {"width": 512, "height": 512, "batch_size": 1, "color": 7}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "scale"}},
}
REQUIREMENTS = [requirement_of(PROMPT, tags=[f"tag{number}"]) for number in range(NEEDS)]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is in a database."""

    keys: int
    ended: int
    waiting: int
    names: int
    versions: int
    assets: int
    deliveries: int


CHECK = {
    "a job without its transitions": "SELECT FROM jobs WHERE NOT EXISTS "
    "(SELECT FROM job_transitions AS own WHERE own.job_id = jobs.id AND own.to_state = jobs.state)",
    "a job that waits and is not in the queue": "SELECT FROM jobs LEFT JOIN procrastinate_jobs AS own "
    "ON own.id = queue_id WHERE state = 'queued' AND (own.id IS NULL OR own.queue_name <> need)",
    "an entry of the queue without its job": "SELECT FROM procrastinate_jobs AS own WHERE NOT EXISTS "
    "(SELECT FROM jobs WHERE queue_id = own.id)",
    "a prompt without its job": "SELECT FROM jobs FULL JOIN native_prompts AS own ON own.job_id = jobs.id "
    "WHERE jobs.in_history IS NOT NULL AND own.job_id IS NULL OR jobs.id IS NULL",
    "an output without its bytes": "SELECT FROM outputs LEFT JOIN assets ON assets.id = asset_id "
    "LEFT JOIN blobs USING (hash) WHERE blobs.hash IS NULL OR assets.job_id <> outputs.job_id",
    "a key that is none": "SELECT FROM jobs LEFT JOIN keys ON keys.id = key_id WHERE keys.id IS NULL",
}


def fill(url: str, size: Size) -> None:
    """Fill a database that has the schema and nothing else."""
    requirements = [Jsonb(one) for one in REQUIREMENTS]
    values = {name: getattr(size, name) for name in Size.__slots__} | {
        "prompt": Jsonb(PROMPT),
        "needs": [need_of(one) for one in REQUIREMENTS],
        "need_count": NEEDS,
        "requirements": requirements,
    }
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(f"SET search_path TO {SCHEMA}, public")
        # Triggers would notify half a million times, and foreign keys be looked up one by one: see `check`.
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "SET statement_timeout = 0; SET synchronous_commit = off; SET maintenance_work_mem = '512MB'"
        )
        with connection.transaction():
            indexes = _dropped(connection)
            for part in (HERE / "scale.sql").read_text().split("-- name: ")[1:]:
                connection.execute(part.partition("\n")[2].encode(), values)
            for index in indexes:
                connection.execute(index)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def churn(url: str, jobs: int) -> None:
    """Let ``jobs`` jobs come and end in a database that has the schema, with the triggers of the service."""
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(f"SET search_path TO {SCHEMA}, public")
        connection.execute("SET statement_timeout = 0")
        connection.execute("INSERT INTO keys (name, prefix, scopes) VALUES ('bench', '', '{submit}')")
        connection.execute("CREATE TEMPORARY TABLE batch (id uuid, queue_id bigint)")
        script = (HERE / "churn.sql").read_text().encode()
        # Call by call: only between two does PostgreSQL count what autovacuum goes by.
        for number in range(1, jobs // 100 + 1):
            connection.execute(script, {"number": number, "prompt": Jsonb(PROMPT)})


def _dropped(connection: psycopg.Connection) -> list[bytes]:
    """Drop the indexes of the large tables that are no constraints; return what makes them."""
    found = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes"
        " WHERE schemaname = %s AND tablename IN ('jobs', 'job_transitions')"
        " AND indexname NOT IN (SELECT conname FROM pg_constraint)",
        [SCHEMA],
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}".encode())
    return [definition.encode() for _, definition in found]


def check(url: str) -> None:
    """Raise unless all that is beside the jobs agrees with them."""
    with psycopg.connect(url) as connection:
        connection.execute(f"SET search_path TO {SCHEMA}, public")
        connection.execute("SET statement_timeout = 0")
        for wrong, query in CHECK.items():
            if connection.execute(f"{query} LIMIT 1".encode()).fetchone() is not None:
                raise AssertionError(f"the filled database has {wrong}")
