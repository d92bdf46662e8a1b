"""Requests that a client may send twice and the service must act on once.

The first request takes its Idempotency-Key, acts, and keeps its answer, all in one transaction: either the
act and its answer are there, or neither. A repetition is given the kept answer and acts on nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from comfywire.errors import ComfywireError
from comfywire.service.database.pool import Connection, Database, Row, execute, row
from comfywire.service.sql import queries

__all__ = ["Answer", "IdempotencyKeyInUse", "IdempotencyKeyReuse", "InvalidIdempotencyKey", "Once"]

SQL = queries("idempotency")
LONGEST = 255
PATIENCE = "10s"
"""How long a request waits for an earlier one with the same key to commit."""


class InvalidIdempotencyKey(ComfywireError):
    """The header Idempotency-Key holds nothing that can be a key."""

    code = "invalid_request"
    http_status = 422

    def __init__(self) -> None:
        super().__init__(f"Idempotency-Key must have 1 to {LONGEST} printable ASCII characters: send a UUID")


class IdempotencyKeyReuse(ComfywireError):
    """The client used this Idempotency-Key before, for a request that asked for something else."""

    code = "idempotency_key_reuse"
    http_status = 422

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for another request: take a new one for this")


class IdempotencyKeyInUse(ComfywireError):
    """An earlier request with this Idempotency-Key has not committed yet."""

    code = "idempotency_key_in_use"
    http_status = 409
    retry_after = 1.0

    def __init__(self) -> None:
        super().__init__(
            "a request with this Idempotency-Key is under way: send the same again for its answer"
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to the first request, as every repetition gets it."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Once:
    """One request under its Idempotency-Key.

    Attributes:
        key_id: The API key that sends the request; two API keys may use the same Idempotency-Key.
        key: The Idempotency-Key that the client chose.
        route: Method and path, so that the same body sent elsewhere is another request.
        body_hash: SHA-256 of the body, by which a repetition is told from another request.

    """

    key_id: UUID
    key: str
    route: str
    body_hash: str

    @classmethod
    def of(cls, key_id: UUID, key: str, route: str, body: Mapping[str, Any]) -> Once:
        """Return a request; two bodies with the same JSON values are the same body, however they are written.

        Raises:
            InvalidIdempotencyKey: ``key`` is empty, too long, or not printable ASCII.

        """
        if not 0 < len(key) <= LONGEST or not key.isascii() or not key.isprintable():
            raise InvalidIdempotencyKey
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return cls(key_id, key, route, hashlib.sha256(text.encode()).hexdigest())

    async def answered(self, database: Database) -> Answer | None:
        """Return the answer to the first request with this Idempotency-Key; None if this is the first.

        Raises:
            IdempotencyKeyReuse: The first request asked for something else.
            IdempotencyKeyInUse: The first request has no answer yet.

        """
        first = await database.one(SQL["known"], key_id=self.key_id, key=self.key)
        return None if first is None else self._answer(first)

    async def claim(self, connection: Connection) -> Answer | None:
        """Take the Idempotency-Key for this request, and return None; else return the first one's answer.

        Of two requests that insert the same key at once, PostgreSQL lets the second wait at the unique index
        until the first commits or rolls back. After a commit the second finds the first one's answer; after a
        rollback the key is free, and the second takes it and acts.

        Raises:
            IdempotencyKeyReuse: The first request asked for something else.
            IdempotencyKeyInUse: The first request did not commit within ``PATIENCE``, or has no answer.

        """
        names = {"key_id": self.key_id, "key": self.key}
        await execute(connection, f"SET LOCAL lock_timeout = '{PATIENCE}'")
        try:
            claimed = await row(connection, SQL["claim"], **names, route=self.route, body_hash=self.body_hash)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            raise IdempotencyKeyInUse from error
        if claimed is not None:
            await execute(connection, SQL["forget"], **names)
            return None
        first = await row(connection, SQL["known"], **names)
        if first is None:  # the first request's 24 hours ended just now: the next try takes the key
            raise IdempotencyKeyInUse
        return self._answer(first)

    async def keep(self, connection: Connection, answer: Answer) -> None:
        """Keep the answer, in the transaction that took the key and acted."""
        await execute(
            connection,
            SQL["answer"],
            key_id=self.key_id,
            key=self.key,
            status=answer.status,
            response=Jsonb(answer.body),
        )

    def _answer(self, first: Row) -> Answer:
        if (first["route"], first["body_hash"]) != (self.route, self.body_hash):
            raise IdempotencyKeyReuse
        if first["status"] is None:
            raise IdempotencyKeyInUse
        return Answer(first["status"], first["response"])
