"""How a process connects to PostgreSQL: to a server that takes writes, and whose silence is noticed."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps

from comfywire.service.database.storable import as_json

__all__ = ["SCHEMA", "connect", "parameters", "set_up"]

SCHEMA = "comfywire"
"""The PostgreSQL schema of all our tables, and of the engine's."""
SILENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""After 25 seconds a machine that has vanished is given up; the system's own defaults are hours."""
SESSION = {
    "search_path": SCHEMA,
    "plan_cache_mode": "force_generic_plan",
    # A statement that hangs, and a process that was frozen in a transaction, let go of what others wait for.
    "statement_timeout": "60s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
}
ADAPTERS = AdaptersMap(psycopg.adapters)
set_json_dumps(as_json, ADAPTERS)


def parameters(url: str) -> dict[str, Any]:
    """Return what is said to libpq beside the URL.

    Of several hosts the one that takes writes is meant; one that takes none, such as a standby, is refused.
    What the URL itself says of timeouts wins.
    """
    named = conninfo_to_dict(url)
    bounds = {name: value for name, value in SILENCE.items() if name not in named}
    return {
        "autocommit": True,
        "row_factory": dict_row,
        "context": ADAPTERS,
        "target_session_attrs": "read-write",
        "prepare_threshold": None,
        **bounds,
    }


async def set_up(connection: psycopg.AsyncConnection[Any]) -> None:
    """Say what our statements rely on, as a statement: poolers refuse it as a parameter of the start."""
    calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in SESSION.items())
    await connection.execute(f"SELECT {calls}".encode(), prepare=False)


async def connect(url: str) -> psycopg.AsyncConnection[DictRow]:
    """Return a connection of one's own, in autocommit.

    Raises:
        psycopg.OperationalError: No server that takes writes was reached.

    """
    return await psycopg.AsyncConnection.connect(url, **parameters(url))
