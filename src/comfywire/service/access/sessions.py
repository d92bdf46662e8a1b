"""Sessions: a browser, which cannot be trusted with a key, has a cookie that stands for one."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from uuid import UUID

from comfywire.service.access.callers import CACHED, Caller, Unauthorized
from comfywire.service.access.keys import Access
from comfywire.service.database.pool import Database
from comfywire.service.sql import queries

__all__ = ["COOKIE", "LIFETIME", "Sessions"]

COOKIE = "comfywire_session"
LIFETIME = 30 * 86400.0
"""Seconds for which a session is good; its key may end sooner."""
SQL = queries("keys")


class Sessions:
    """The sessions of one database.

    Args:
        database: Holds them, by the hash of what their cookie has.
        access: The keys that they stand for.
        clock: Seconds, for how long a look at a session is trusted.

    """

    def __init__(
        self, database: Database, access: Access, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._access = access
        self._clock = clock
        self._seen: dict[bytes, tuple[UUID, float]] = {}

    async def begin(self, key_id: UUID) -> str:
        """Begin a session of a key; return what its cookie is to have."""
        token = secrets.token_urlsafe(32)
        await self._database.do(SQL["begin_session"], hash=_hash(token), key_id=key_id, lifetime=LIFETIME)
        return token

    async def caller(self, token: str) -> Caller:
        """Return the caller of a session; the key is looked at as if the request had sent it.

        Raises:
            Unauthorized: The session has ended, or its key opens nothing any more.

        """
        hashed = _hash(token)
        key_id, until = self._seen.get(hashed, (None, 0.0))
        if key_id is None or self._clock() >= until:
            self._seen.pop(hashed, None)
            found = await self._database.one(SQL["session"], hash=hashed)
            if found is None:
                raise Unauthorized("this session has ended: sign in again with a key")
            key_id = found["key_id"]
            self._seen[hashed] = (key_id, self._clock() + CACHED)
        return await self._access.caller_of_key(key_id)

    async def end(self, token: str) -> None:
        """End a session: in this process at once, in others within ``CACHED`` seconds."""
        await self._database.do(SQL["end_session"], hash=_hash(token))
        self._seen.pop(_hash(token), None)


def _hash(token: str) -> bytes:
    """Hash with SHA-256, as keys are: the token is 256 random bits."""
    return hashlib.sha256(token.encode()).digest()
