"""Requests that may come twice and must act once: the answer is kept in the transaction of the act."""

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
    """The header holds no key."""

    code = "invalid_request"
    http_status = 422

    def __init__(self) -> None:
        super().__init__(f"Idempotency-Key must have 1 to {LONGEST} printable ASCII characters: send a UUID")


class IdempotencyKeyReuse(ComfywireError):
    """The key belongs to another request."""

    code = "idempotency_key_reuse"
    http_status = 422

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for another request: take a new one for this")


class IdempotencyKeyInUse(ComfywireError):
    """A request with this key is still under way."""

    code = "idempotency_key_in_use"
    http_status = 409
    retry_after = 1.0

    def __init__(self) -> None:
        super().__init__(
            "a request with this Idempotency-Key is under way: send the same again for its answer"
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to the first request."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Once:
    """One request under its key.

    Attributes:
        key_id: Whose.
        key: What the client calls it.
        route: What it asks for.
        body_hash: What it says.

    """

    key_id: UUID
    key: str
    route: str
    body_hash: str

    @classmethod
    def of(cls, key_id: UUID, key: str, route: str, body: Mapping[str, Any]) -> Once:
        """Return a request; bodies that mean the same JSON are the same.

        Raises:
            InvalidIdempotencyKey: ``key`` is none.

        """
        if not 0 < len(key) <= LONGEST or not key.isascii() or not key.isprintable():
            raise InvalidIdempotencyKey
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return cls(key_id, key, route, hashlib.sha256(text.encode()).hexdigest())

    async def answered(self, database: Database) -> Answer | None:
        """Return what the first request of this key was answered; None if this is the first.

        Raises:
            IdempotencyKeyReuse: The first was another.

        """
        found = await database.one(SQL["known"], key_id=self.key_id, key=self.key)
        return None if found is None else self._answer(found)

    async def claim(self, connection: Connection) -> Answer | None:
        """Take the key inside a transaction, having waited for others that have it; None if it is ours.

        It is free again when the transaction is rolled back.

        Raises:
            IdempotencyKeyReuse: It belongs to another request.
            IdempotencyKeyInUse: It was taken for longer than anybody should wait.

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
        found = await row(connection, SQL["known"], **names)
        if found is None:
            raise IdempotencyKeyInUse
        return self._answer(found)

    async def keep(self, connection: Connection, answer: Answer) -> None:
        """Keep the answer, in the same transaction."""
        await execute(
            connection,
            SQL["answer"],
            key_id=self.key_id,
            key=self.key,
            status=answer.status,
            response=Jsonb(answer.body),
        )

    def _answer(self, found: Row) -> Answer:
        if (found["route"], found["body_hash"]) != (self.route, self.body_hash):
            raise IdempotencyKeyReuse
        if found["status"] is None:
            raise IdempotencyKeyInUse
        return Answer(found["status"], found["response"])
