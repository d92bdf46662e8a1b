"""What the database knows of the fleet: servers, their catalogues, and which of them meets which need."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from .database import Database
from .sql import queries

__all__ = ["Registry"]

SQL = queries("servers")
FORGET_AFTER = 7 * 86400.0
"""Seconds after which a server of which no worker speaks any more is forgotten."""


class Registry:
    """The fleet in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tell(self, facts: Mapping[str, Any]) -> str:
        """Write what a worker sees of a server; return what the operator wants of it."""
        stored = {
            name: Jsonb(value) if name in {"devices", "counts"} else value for name, value in facts.items()
        }
        found = await self._database.one(SQL["tell"], **stored)
        assert found is not None
        return str(found["wanted"])

    async def address(self, url: str) -> bytes | None:
        """Return how a server is reached, encrypted; None if it was never here."""
        found = await self._database.one(SQL["address"], url=url)
        return None if found is None else found["address"]

    async def keep_catalogue(self, object_info: Mapping[str, Any]) -> str:
        """Keep a server's ``object_info``, once for all servers that answer the same; return its digest."""
        packed, digest = await asyncio.to_thread(_packed, object_info)
        await self._database.do(SQL["keep_catalogue"], digest=digest, object_info=packed)
        return digest

    async def needs(self, known: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """Return the requirements of all needs, or of those that are not ``known``."""
        listed = None if known is None else list(known)
        found = await self._database.all(SQL["needs"], known=listed)
        return {one["need"]: one["requirement"] for one in found}

    async def refuse(self, url: str, reasons: Mapping[str, Sequence[str]]) -> None:
        """Write why a server does not meet each of these needs; no reasons where it does."""
        await self._database.do(
            SQL["refuse"],
            server=url,
            needs=list(reasons),
            reasons=[Jsonb(list(told)) for told in reasons.values()],
        )

    async def is_paused(self) -> bool:
        """Whether the operator has paused the queue."""
        found = await self._database.one(SQL["is_paused"])
        return bool(found and found["paused"])

    async def tidy(self) -> None:
        """Forget servers that are gone, and needs that nothing waits for."""
        await self._database.do(SQL["forget_silent"], seconds=FORGET_AFTER)
        await self._database.do(SQL["forget_needs"])


def _packed(object_info: Mapping[str, Any]) -> tuple[bytes, str]:
    text = json.dumps(object_info, sort_keys=True).encode()
    return gzip.compress(text, 5, mtime=0), hashlib.sha256(text).hexdigest()[:32]
