"""Sessions: a browser, which cannot be trusted with a key, has a cookie that stands for one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from comfywire.service.access.callers import CACHED, Caller, Unauthorized
from comfywire.service.access.keys import Access, hash_of
from comfywire.service.database.pool import Database, execute
from comfywire.service.sql import queries

__all__ = ["COOKIE", "LIFETIME", "Sessions"]

COOKIE = "comfywire_session"
LIFETIME = 30 * 86400.0
"""Seconds for which a session is good; its key, or the secret that it was begun with, may end sooner."""
MOST = 100
"""Sessions of one key: the next ends the oldest."""
SQL = queries("keys")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A session as it was read; ``changes`` is how often this process had changed a key by then."""

    key_id: UUID
    until: float
    changes: int


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
        self._seen: dict[bytes, _Seen] = {}

    async def begin(self, key_id: UUID, secret: str) -> str:
        """Begin a session of a key; return what its cookie is to have.

        Raises:
            Unauthorized: The key was given another secret a moment ago.

        """
        token = secrets.token_urlsafe(32)
        new = {"hash": hash_of(token), "key_id": key_id, "secret": hash_of(secret), "lifetime": LIFETIME}
        async with self._database.transaction() as connection:
            await execute(connection, SQL["hold"], id=key_id)
            begun = await execute(connection, SQL["begin_session"], **new)
            await execute(connection, SQL["end_surplus"], key_id=key_id, most=MOST)
        if not begun:
            raise Unauthorized("this API key was rotated: sign in with its new secret")
        return token

    async def caller(self, token: str) -> Caller:
        """Return the caller of a session; the key is looked at as if the request had sent it.

        Raises:
            Unauthorized: The session has ended, or its key opens nothing any more.

        """
        hashed = hash_of(token)
        seen = self._seen.get(hashed)
        # Whoever changes a key in this process may have ended the session by that.
        if seen is None or self._clock() >= seen.until or seen.changes != self._access.changes:
            self._seen.pop(hashed, None)
            seen = await self._look_up(hashed)
        return await self._access.caller_of_key(seen.key_id)

    async def _look_up(self, hashed: bytes) -> _Seen:
        changes = self._access.changes
        found = await self._database.one(SQL["session"], hash=hashed)
        if found is None:
            raise Unauthorized("this session has ended: sign in again with a key")
        good_for = min(CACHED, found["seconds_left"])
        self._seen[hashed] = seen = _Seen(found["key_id"], self._clock() + good_for, changes)
        return seen

    async def end(self, token: str) -> None:
        """End a session: in this process at once, in others within ``CACHED`` seconds."""
        await self._database.do(SQL["end_session"], hash=hash_of(token))
        self._seen.pop(hash_of(token), None)
