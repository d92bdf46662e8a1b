"""What the database knows of the fleet: the servers, their catalogues, and which server meets which need."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from comfywire.service.database.pool import Database, Row
from comfywire.service.sql import queries

__all__ = ["SILENT_AFTER", "Registry"]

SQL = queries("servers")
SILENT_AFTER = 60.0
"""Seconds after which a server of which no worker has spoken counts as not connected."""
FORGET_AFTER = 7 * 86400.0
"""Seconds after which a server of which no worker speaks any more is forgotten."""


class Registry:
    """The fleet in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tell(self, facts: Mapping[str, Any]) -> str:
        """Write what a worker sees of a server; return what the operator wants of it.

        Of one that was added over the API, and is not any more, nothing is written: it is ``drained``.
        """
        stored = {
            name: Jsonb(value) if name in {"devices", "counts"} else value for name, value in facts.items()
        }
        stored = {"is_named": True, "silent_after": SILENT_AFTER, **stored}
        answer = await self._database.one(SQL["tell"], **stored)
        return "drained" if answer is None else str(answer["wanted"])

    async def leave(self, worker: str) -> None:
        """Say that a worker, which stops, speaks of no server any more."""
        await self._database.do(SQL["leave"], worker=worker)

    async def are_gone(self, urls: Sequence[str]) -> None:
        """Say that servers will never be back: the jobs on them are lost, and the servers are forgotten."""
        await self._database.do(SQL["gone"], urls=list(urls))
        await self._database.do(SQL["forget_silent"], seconds=FORGET_AFTER)

    async def is_gone(self, url: str) -> bool:
        """Whether :meth:`are_gone` was said of a server that is not forgotten yet."""
        return await self._database.one(SQL["is_gone"], url=url) is not None

    async def keep_facts(self, url: str, facts: Mapping[str, Any]) -> None:
        """Write down what a server says of its machine, its model folders and its embeddings."""
        await self._database.do(SQL["keep_facts"], url=url, facts=Jsonb(dict(facts)))

    async def facts(self) -> list[Row]:
        """Return url, facts, devices and version of the servers that are up."""
        return await self._database.all(SQL["facts"], silent_after=SILENT_AFTER)

    async def want_free(self) -> None:
        """Have every server that has nothing to do let go of its models."""
        await self._database.all(SQL["want_free"])

    async def takes_free(self, url: str) -> bool:
        """Whether somebody wants that of this server; says yes once."""
        return await self._database.one(SQL["take_free"], url=url) is not None

    async def address(self, url: str) -> bytes | None:
        """Return how a server is reached, encrypted; None if it was never here."""
        answer = await self._database.one(SQL["address"], url=url)
        return None if answer is None else answer["address"]

    async def keep_catalogue(self, object_info: Mapping[str, Any]) -> str:
        """Keep a server's ``object_info``, once for all servers that answer the same; return its digest."""
        packed, digest = await asyncio.to_thread(_packed, object_info)
        await self._database.do(SQL["keep_catalogue"], digest=digest, object_info=packed)
        return digest

    async def needs(self, known: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """Return the requirements of all needs, or of those that are not ``known``."""
        listed = None if known is None else list(known)
        answer = await self._database.all(SQL["needs"], known=listed)
        return {row["need"]: row["requirement"] for row in answer}

    async def proven(self, needs: Iterable[str]) -> set[str]:
        """Return those of the ``needs`` of which a job that is kept has ended well."""
        answer = await self._database.all(SQL["proven"], needs=list(needs))
        return {row["need"] for row in answer}

    async def forgotten(self, known: Iterable[str]) -> list[str]:
        """Return those of the ``known`` needs that are not there any more."""
        answer = await self._database.all(SQL["forgotten"], known=list(known))
        return [row["need"] for row in answer]

    async def are_waited_for(self, needs: Sequence[str]) -> bool:
        """Whether a job waits for a server that meets one of these needs."""
        return await self._database.one(SQL["are_waited_for"], needs=list(needs)) is not None

    async def has_idle(self, need: str, worker: str, *, seconds: float) -> bool:
        """Whether a server of another worker, heard of within ``seconds``, could begin such a job at once."""
        values = {"need": need, "worker": worker, "seconds": seconds}
        return await self._database.one(SQL["idle"], **values) is not None

    async def has_another(self, need: str, url: str) -> bool:
        """Whether a server beside the one at ``url`` could take such a job, at once or later."""
        values = {"need": need, "url": url, "silent_after": SILENT_AFTER}
        return await self._database.one(SQL["others"], **values) is not None

    async def refuse(self, url: str, reasons: Mapping[str, Sequence[str]]) -> bool:
        """Write why a server does not meet each of these needs; no reasons where it does.

        False if a need, or the server, was forgotten in that moment: then the caller has to say it again.
        """
        told = [Jsonb(list(words)) for words in reasons.values()]
        try:
            await self._database.do(SQL["refuse"], server=url, needs=list(reasons), reasons=told)
        except psycopg.errors.ForeignKeyViolation:
            return False
        return True

    async def is_paused(self) -> bool:
        """Whether the operator has paused the queue."""
        answer = await self._database.one(SQL["is_paused"])
        return bool(answer and answer["paused"])

    async def tidy(self) -> None:
        """Forget servers and workers that are gone, needs that no job has, and catalogues of no server."""
        await self._database.do(SQL["forget_silent"], seconds=FORGET_AFTER)
        await self._database.do(SQL["forget_workers"])
        await self._database.do(SQL["forget_needs"])
        await self._database.do(SQL["forget_catalogues"])


def _packed(object_info: Mapping[str, Any]) -> tuple[bytes, str]:
    # The digest does not depend on the order in which a ComfyUI loaded its packs; what is kept has the order
    # of the inputs, which is that of the widgets in an editor.
    digest = hashlib.sha256(b"ordered" + json.dumps(object_info, sort_keys=True).encode()).hexdigest()[:32]
    return gzip.compress(json.dumps(object_info).encode(), 5, mtime=0), digest
