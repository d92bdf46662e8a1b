"""API keys: made, changed and revoked; and which of them a request presents."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from comfywire.errors import ComfywireError
from comfywire.service.access.callers import LOCAL, SCOPES, Caller, KnownCallers, Unauthorized
from comfywire.service.database.pool import Database, Row, execute, row
from comfywire.service.sql import queries

__all__ = [
    "Access",
    "AmbiguousKey",
    "KeyNotFound",
    "KeyRecord",
    "hash_of",
]

MARK = "cw_"
SHOWN = len(MARK) + 5
"""How many characters of a secret stay readable, so that people can tell keys apart."""
SQL = queries("keys")


class KeyNotFound(ComfywireError):
    """No key has this id or name, or the key was revoked."""

    def __init__(self, key: UUID | str) -> None:
        super().__init__(f"there is no key {key} that is in use: `comfywire keys list` has them all")


class AmbiguousKey(ComfywireError):
    """Several keys that are in use have the same name."""

    def __init__(self, name: str, ids: Iterable[UUID]) -> None:
        super().__init__(f"several keys are called {name!r}: name one by its id, {', '.join(map(str, ids))}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key as people may see it: everything but its secret."""

    id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    max_queued: int | None
    max_running: int | None
    rate_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    previous_until: datetime | None
    run_timeout: float | None = None
    webhook_url: str | None = None
    webhook_disabled_at: datetime | None = None

    @classmethod
    def of(cls, row: Row) -> KeyRecord:
        """Read a row of ``keys``."""
        return cls(
            **{name: row[name] for name in cls.__slots__ if name != "scopes"}, scopes=tuple(row["scopes"])
        )


class Access:
    """The keys of one database.

    Args:
        database: Holds the keys.
        keys_required: Whether requests without a key are refused; if not, their caller is ``local``.
        clock: Seconds, for how long a look at a key is trusted.

    """

    def __init__(
        self, database: Database, *, keys_required: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._keys_required = keys_required
        self._known = KnownCallers(clock)
        self._has_local = False

    @property
    def changes(self) -> int:
        """How often a key was changed by this process."""
        return self._known.changes

    async def create(
        self,
        name: str,
        scopes: Iterable[str],
        *,
        expires_in: float | None = None,
        max_queued: int | None = None,
        max_running: int | None = None,
        rate_per_minute: int | None = None,
        run_timeout: float | None = None,
        webhook_url: str | None = None,
    ) -> tuple[KeyRecord, str]:
        """Make a key; return it with its secret, of which the database keeps the hash alone.

        Args:
            name: What people call it.
            scopes: What the key is for.
            expires_in: Seconds from now until the key opens nothing more; None is never.
            max_queued: Jobs that may wait; None is the service's default.
            max_running: Jobs that may run at a time; None does not limit.
            rate_per_minute: Requests that the key may make a minute; None is the service's default.
            run_timeout: Seconds for which each job of the key may run; None is the service's default.
            webhook_url: The address that is told of jobs and batches which name none.

        Raises:
            ValueError: A scope is unknown, or ``scopes`` is empty.

        """
        secret = _new_secret()
        created = await self._database.one(
            SQL["create"],
            name=name,
            scopes=_checked(scopes),
            expires_in=expires_in,
            max_queued=max_queued,
            max_running=max_running,
            rate_per_minute=rate_per_minute,
            run_timeout=run_timeout,
            webhook_url=webhook_url,
            **_kept(secret),
        )
        assert created is not None
        return KeyRecord.of(created), secret

    async def rotate(self, key_id: UUID, *, grace: float = 0.0) -> tuple[KeyRecord, str]:
        """Give a key another secret; return the key and that secret.

        The secret before it opens for ``grace`` seconds more, while clients change over; so do the sessions
        that were begun with it.

        Raises:
            KeyNotFound: There is no such key, or it was revoked.

        """
        secret = _new_secret()
        async with self._database.transaction() as connection:
            await execute(connection, SQL["hold"], id=key_id)
            await execute(connection, SQL["end_older_sessions"], id=key_id, grace=grace)
            await execute(connection, SQL["shorten_sessions"], id=key_id, grace=grace)
            rotated = await row(connection, SQL["rotate"], id=key_id, grace=grace, **_kept(secret))
        return self._changed(key_id, rotated), secret

    async def set_webhook_url(self, key_id: UUID, url: str | None) -> KeyRecord:
        """Set or remove a key's default address; addresses of the key that were switched off are on again.

        Raises:
            KeyNotFound: There is no such key, or it was revoked.

        """
        changed = await self._database.one(SQL["set_webhook_url"], id=key_id, webhook_url=url)
        return self._changed(key_id, changed)

    async def revoke(self, key_id: UUID) -> KeyRecord:
        """Let a key open nothing more: in this process at once, in others within ``CACHED`` seconds.

        Raises:
            KeyNotFound: There is no such key.

        """
        return self._changed(key_id, await self._database.one(SQL["revoke"], id=key_id))

    async def list(self) -> list[KeyRecord]:
        """Return every key, oldest first, also the revoked and expired ones."""
        return [KeyRecord.of(key) for key in await self._database.all(SQL["list"], local=LOCAL)]

    async def get(self, key_id: UUID) -> KeyRecord:
        """Return one key.

        Raises:
            KeyNotFound: There is no such key.

        """
        key = await self._database.one(SQL["get"], id=key_id)
        if key is None:
            raise KeyNotFound(key_id)
        return KeyRecord.of(key)

    async def find(self, words: str) -> KeyRecord:
        """Return the key that ``words`` name: by its id, or by its name among the keys that are not revoked.

        Raises:
            KeyNotFound: ``words`` name no key.
            AmbiguousKey: Several keys have this name.

        """
        every = await self.list()
        by_id = [key for key in every if str(key.id) == words.lower()]
        meant = by_id or [key for key in every if key.name == words and key.revoked_at is None]
        if not meant:
            raise KeyNotFound(repr(words))
        if len(meant) > 1:
            raise AmbiguousKey(words, [key.id for key in meant])
        return meant[0]

    async def caller(self, secret: str | None) -> Caller:
        """Return the caller that presents ``secret``.

        Where no keys are required, a request without a secret is ``local``'s, and so is one whose secret is
        no Comfywire key at all: some clients insist on a key, and people give those any word. A secret that
        looks like ours is always looked up, so that a wrong key is refused and not taken for ``local``.

        Raises:
            Unauthorized: A key is required and missing, or this one is unknown, revoked or expired.

        """
        if not self._keys_required and (secret is None or not secret.startswith(MARK)):
            return await self._local()
        if secret is None:
            raise Unauthorized(
                "this service needs an API key: send 'Authorization: Bearer cw_…' (`comfywire keys create`)"
            )
        hashed = hash_of(secret)
        return self._known.get(hashed) or await self._look_up(hashed)

    async def caller_of_key(self, key_id: UUID) -> Caller:
        """Return the caller whose key has this id: of a session, or of an address that belongs to one key.

        Raises:
            Unauthorized: The key was revoked or has expired, or there is none.

        """
        if key_id == LOCAL:
            return await self._local()
        name = b"id" + key_id.bytes
        if (known := self._known.get(name)) is not None:
            return known
        changes = self._known.changes
        return await self._opened(name, await self._database.one(SQL["by_id"], id=key_id), changes)

    async def local_key(self) -> UUID:
        """Return the id of the key ``local``, made on first use: rows of jobs and assets refer to it."""
        if not self._has_local:
            await self._database.do(SQL["create_local"], id=LOCAL, scopes=list(SCOPES))
            self._has_local = True
        return LOCAL

    async def _local(self) -> Caller:
        return Caller(await self.local_key(), "local", frozenset(SCOPES))

    async def _look_up(self, hashed: bytes) -> Caller:
        changes = self._known.changes
        key = await self._database.one(SQL["by_hash"], hash=hashed)
        return await self._opened(hashed, key if key is not None and _is_of(key, hashed) else None, changes)

    async def _opened(self, name: bytes, key: Row | None, changes: int) -> Caller:
        """Return the caller of a key's row, if the key opens; remember it by ``name``, if nothing changed."""
        self._known.drop(name)
        if key is None:
            raise Unauthorized("this API key is unknown, or was rotated: check it, or ask for another")
        if not key["opens"]:
            gone = "was revoked" if key["revoked_at"] is not None else "has expired"
            raise Unauthorized(f"the API key {key['name']!r} {gone}: ask for another")
        await self._database.do(SQL["touch"], id=key["id"])
        caller = Caller.of(key)
        self._known.add(name, caller, good_for=key["seconds_left"], changes=changes)
        return caller

    def _changed(self, key_id: UUID, key: Row | None) -> KeyRecord:
        """Forget what this process remembers of a key whose row was just changed."""
        if key is None:
            raise KeyNotFound(key_id)
        self._known.forget(key_id)
        return KeyRecord.of(key)


def _new_secret() -> str:
    return MARK + secrets.token_urlsafe(32)


def hash_of(secret: str) -> bytes:
    """Hash with SHA-256: slower hashes are for what can be guessed, and a secret is 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


def _kept(secret: str) -> dict[str, Any]:
    return {"hash": hash_of(secret), "prefix": secret[:SHOWN]}


def _is_of(key: Row, hashed: bytes) -> bool:
    """Whether the key has this hash, compared in a time that does not tell how many bytes are right."""
    hashes = [key["hash"] or b"", key["previous_hash"] or b""]
    return any([hmac.compare_digest(hashed, own) for own in hashes])  # noqa: C419 - always compares both


def _checked(scopes: Iterable[str]) -> list[str]:
    wanted = set(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        fault = f"{unknown[0]!r} is no scope" if unknown else "a key needs a scope"
        raise ValueError(f"{fault}: choose from {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in wanted]
