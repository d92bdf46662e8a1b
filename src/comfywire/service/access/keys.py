"""API keys: who asks, and what they may do."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from comfywire.errors import ComfywireError
from comfywire.service.database.pool import Database, Row
from comfywire.service.settings import Settings
from comfywire.service.sql import queries

__all__ = [
    "LOCAL",
    "SCOPES",
    "Access",
    "AmbiguousKey",
    "Caller",
    "Forbidden",
    "KeyNotFound",
    "KeyRecord",
    "PublicWithoutKeys",
    "Unauthorized",
    "must_be_safe",
]

SCOPES = ("submit", "read", "admin")
"""What a key may be for; ``admin`` may do what the others may."""
LOCAL = UUID(int=0)
"""The key that everything belongs to while no keys are required."""
MARK = "cw_"
SHOWN = len(MARK) + 5
"""How many characters of a secret stay readable, so that people can tell keys apart."""
CACHED = 5.0
"""Seconds for which a key that was revoked may still open a process that has just seen it."""
SQL = queries("keys")


class Unauthorized(ComfywireError):
    """The request has no key that opens."""


class Forbidden(ComfywireError):
    """The key may not do this.

    Attributes:
        scope: The scope that it lacks.

    """

    def __init__(self, caller: Caller, scope: str) -> None:
        self.scope = scope
        super().__init__(f"key {caller.name!r} lacks the scope {scope!r}: use one that has it")


class KeyNotFound(ComfywireError):
    """There is no such key, or it was revoked."""

    def __init__(self, key: UUID | str) -> None:
        super().__init__(f"there is no key {key} that is in use: `comfywire keys list` has them all")


class AmbiguousKey(ComfywireError):
    """Several keys are called so."""

    def __init__(self, name: str, ids: Iterable[UUID]) -> None:
        super().__init__(f"several keys are called {name!r}: name one by its id, {', '.join(map(str, ids))}")


class PublicWithoutKeys(ComfywireError):
    """The service would be open to everybody."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        key_id: Whose jobs and assets are theirs.
        name: The key's.
        scopes: Of ``submit``, ``read`` and ``admin``.
        rate_per_minute: Requests that this key may make a minute; None for the service's default.
        run_timeout: Seconds for which each of its jobs may run; None for the service's default.

    """

    key_id: UUID
    name: str
    scopes: frozenset[str]
    rate_per_minute: int | None = None
    run_timeout: float | None = None

    def may(self, scope: str) -> bool:
        """Whether the key is for ``scope``; one for ``admin`` is for all."""
        return scope in self.scopes or "admin" in self.scopes

    def must(self, scope: str) -> None:
        """Raise unless the key is for ``scope``.

        Raises:
            Forbidden: It is not.

        """
        if not self.may(scope):
            raise Forbidden(self, scope)


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

    @classmethod
    def of(cls, row: Row) -> KeyRecord:
        """Read a row of ``keys``."""
        return cls(
            **{name: row[name] for name in cls.__slots__ if name != "scopes"}, scopes=tuple(row["scopes"])
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    caller: Caller
    until: float


class Access:
    """The keys of one database.

    Args:
        database: Where they are.
        keys_required: Whether a request without a key is refused; else it is the caller ``local``'s.
        clock: Seconds, for what is remembered.

    """

    def __init__(
        self, database: Database, *, keys_required: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._keys_required = keys_required
        self._clock = clock
        self._seen: dict[bytes, _Seen] = {}
        self._changes = 0
        self._has_local = False

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
    ) -> tuple[KeyRecord, str]:
        """Make a key; return it with its secret, which nobody can read again.

        Args:
            name: What people call it.
            scopes: What it is for.
            expires_in: Seconds from now; None is never.
            max_queued: Jobs that may wait; None is the service's default.
            max_running: Jobs that may run at a time; None does not limit.
            rate_per_minute: Requests; None is the service's default.
            run_timeout: Seconds for which each of its jobs may run; None is the service's default.

        Raises:
            ValueError: A scope is unknown, or there is none.

        """
        secret = _new_secret()
        found = await self._database.one(
            SQL["create"],
            name=name,
            scopes=_checked(scopes),
            expires_in=expires_in,
            max_queued=max_queued,
            max_running=max_running,
            rate_per_minute=rate_per_minute,
            run_timeout=run_timeout,
            **_kept(secret),
        )
        assert found is not None
        return KeyRecord.of(found), secret

    async def rotate(self, key_id: UUID, *, grace: float = 0.0) -> tuple[KeyRecord, str]:
        """Give a key another secret; return both. The old one opens for ``grace`` seconds more.

        Raises:
            KeyNotFound: There is no such key, or it was revoked.

        """
        secret = _new_secret()
        found = await self._database.one(SQL["rotate"], id=key_id, grace=grace, **_kept(secret))
        return self._changed(key_id, found), secret

    async def revoke(self, key_id: UUID) -> KeyRecord:
        """Let a key open nothing more: here at once, in other processes within seconds.

        Raises:
            KeyNotFound: There is no such key.

        """
        return self._changed(key_id, await self._database.one(SQL["revoke"], id=key_id))

    async def list(self) -> list[KeyRecord]:
        """Return every key, oldest first, also those that open nothing any more."""
        return [KeyRecord.of(found) for found in await self._database.all(SQL["list"], local=LOCAL)]

    async def get(self, key_id: UUID) -> KeyRecord:
        """Return one key.

        Raises:
            KeyNotFound: There is no such key.

        """
        found = await self._database.one(SQL["get"], id=key_id)
        if found is None:
            raise KeyNotFound(key_id)
        return KeyRecord.of(found)

    async def find(self, words: str) -> KeyRecord:
        """Return the key that people mean: by its id, or by its name among those that are not revoked.

        Raises:
            KeyNotFound: There is none.
            AmbiguousKey: There are several.

        """
        every = await self.list()
        by_id = [key for key in every if str(key.id) == words.lower()]
        found = by_id or [key for key in every if key.name == words and key.revoked_at is None]
        if not found:
            raise KeyNotFound(repr(words))
        if len(found) > 1:
            raise AmbiguousKey(words, [key.id for key in found])
        return found[0]

    async def caller(self, secret: str | None) -> Caller:
        """Return who presents ``secret``.

        Where no keys are required, callers without one, and with what is no key of ours (clients that insist
        on a key are given any word), are ``local``.

        Raises:
            Unauthorized: A key is required, or this one opens nothing.

        """
        if not self._keys_required and (secret is None or not secret.startswith(MARK)):
            return await self._local()
        if secret is None:
            raise Unauthorized(
                "this service needs an API key: send 'Authorization: Bearer cw_…' (`comfywire keys create`)"
            )
        hashed = _hash(secret)
        seen = self._seen.get(hashed)
        if seen is not None and self._clock() < seen.until:
            return seen.caller
        return await self._look_up(hashed)

    async def local_key(self) -> UUID:
        """Return the key that everything belongs to while no keys are required."""
        if not self._has_local:
            await self._database.do(SQL["create_local"], id=LOCAL, scopes=list(SCOPES))
            self._has_local = True
        return LOCAL

    async def _local(self) -> Caller:
        return Caller(await self.local_key(), "local", frozenset(SCOPES))

    async def _look_up(self, hashed: bytes) -> Caller:
        self._seen.pop(hashed, None)
        changes = self._changes
        found = await self._database.one(SQL["by_hash"], hash=hashed)
        if found is None or not _is_of(found, hashed):
            raise Unauthorized("this API key is unknown, or was rotated: check it, or ask for another")
        if not found["opens"]:
            gone = "was revoked" if found["revoked_at"] is not None else "has expired"
            raise Unauthorized(f"the API key {found['name']!r} {gone}: ask for another")
        await self._database.do(SQL["touch"], id=found["id"])
        caller = Caller(
            found["id"],
            found["name"],
            frozenset(found["scopes"]),
            rate_per_minute=found["rate_per_minute"],
            run_timeout=found["run_timeout"],
        )
        left = CACHED if found["seconds_left"] is None else min(CACHED, found["seconds_left"])
        if changes == self._changes:  # else a key was revoked since the database was asked: perhaps this one
            self._seen[hashed] = _Seen(caller, self._clock() + left)
        return caller

    def _changed(self, key_id: UUID, found: Row | None) -> KeyRecord:
        if found is None:
            raise KeyNotFound(key_id)
        self._changes += 1
        self._seen = {hashed: seen for hashed, seen in self._seen.items() if seen.caller.key_id != key_id}
        return KeyRecord.of(found)


def must_be_safe(settings: Settings) -> None:
    """Raise if the service would listen on a public address and let everybody in.

    Raises:
        PublicWithoutKeys: It would.

    """
    if not settings.keys_required and not _is_loopback(settings.host):
        raise PublicWithoutKeys(
            f"on {settings.host or '0.0.0.0'!r} everybody on the network could run anything: "  # noqa: S104
            "require keys with --keys (`comfywire keys create` makes one), or listen on 127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _new_secret() -> str:
    return MARK + secrets.token_urlsafe(32)


def _hash(secret: str) -> bytes:
    """SHA-256 and nothing slower: what is hashed is 256 random bits, which nobody can try out."""
    return hashlib.sha256(secret.encode()).digest()


def _kept(secret: str) -> dict[str, Any]:
    return {"hash": _hash(secret), "prefix": secret[:SHOWN]}


def _is_of(found: Row, hashed: bytes) -> bool:
    """Whether the row is that of this hash, in time that does not tell how much of it is right."""
    known = [found["hash"] or b"", found["previous_hash"] or b""]
    return any([hmac.compare_digest(hashed, one) for one in known])  # noqa: C419 - both, whichever it is


def _checked(scopes: Iterable[str]) -> list[str]:
    wanted = set(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        said = f"{unknown[0]!r} is no scope" if unknown else "a key needs a scope"
        raise ValueError(f"{said}: choose from {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in wanted]
