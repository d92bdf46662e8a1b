"""Who a request is from: the caller, what it may do, and which callers a process knows without asking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from comfywire.errors import ComfywireError
from comfywire.service.database.pool import Row

__all__ = ["CACHED", "LOCAL", "SCOPES", "Caller", "Forbidden", "KnownCallers", "Unauthorized"]

SCOPES = ("submit", "read", "admin", "native")
"""What a key may be for; a key for ``admin`` may do what the other scopes allow, too.

``native`` is for ComfyUI's own API alone: submit, read, upload and cancel there, and nothing under /api/v2.
"""
LOCAL = UUID(int=0)
"""The id of the key ``local``, to which all jobs and assets belong while no keys are required."""
CACHED = 5.0
"""Seconds for which a process trusts its last look at a key: so long a key revoked elsewhere still opens."""


class Unauthorized(ComfywireError):
    """The request presents no key, or one that is unknown, revoked or expired."""


class Forbidden(ComfywireError):
    """The key lacks the scope that the request needs.

    Attributes:
        scope: The scope that the key lacks.

    """

    def __init__(self, caller: Caller, scope: str) -> None:
        self.scope = scope
        super().__init__(f"key {caller.name!r} lacks the scope {scope!r}: use one that has it")


@dataclass(frozen=True, slots=True)
class Caller:
    """The key that a request presents.

    Attributes:
        key_id: The key's id, to which the caller's jobs and assets belong.
        name: The key's name.
        scopes: What the key is for, of ``SCOPES``.
        rate_per_minute: Requests that this key may make a minute; None for the service's default.
        run_timeout: Seconds for which each job of this key may run; None for the service's default.
        webhook_url: The address that is told of jobs and batches which name none; None for none.

    """

    key_id: UUID
    name: str
    scopes: frozenset[str]
    rate_per_minute: int | None = None
    run_timeout: float | None = None
    webhook_url: str | None = None

    @classmethod
    def of(cls, key: Row) -> Caller:
        """Read a row of ``keys``."""
        return cls(
            key["id"],
            key["name"],
            frozenset(key["scopes"]),
            rate_per_minute=key["rate_per_minute"],
            run_timeout=key["run_timeout"],
            webhook_url=key["webhook_url"],
        )

    def may(self, scope: str) -> bool:
        """Whether the key is for ``scope``; a key for ``admin`` is for every scope."""
        return scope in self.scopes or "admin" in self.scopes

    def must(self, scope: str) -> None:
        """Raise unless the key is for ``scope``.

        Raises:
            Forbidden: The key is not for ``scope``.

        """
        if not self.may(scope):
            raise Forbidden(self, scope)


@dataclass(frozen=True, slots=True)
class _Seen:
    caller: Caller
    until: float


class KnownCallers:
    """The callers that one process has looked up, each for ``CACHED`` seconds.

    Args:
        clock: Seconds, as they pass.

    Attributes:
        changes: How often a key was changed by this process.

    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[bytes, _Seen] = {}
        self.changes = 0

    def get(self, name: bytes) -> Caller | None:
        """Return the caller that was remembered by ``name``, hash or id; None if it is to be looked up."""
        seen = self._seen.get(name)
        return seen.caller if seen is not None and self._clock() < seen.until else None

    def drop(self, name: bytes) -> None:
        """Forget what was remembered by ``name``."""
        self._seen.pop(name, None)

    def add(self, name: bytes, caller: Caller, *, good_for: float | None, changes: int) -> None:
        """Remember a caller, unless a key was changed since ``changes`` was read.

        A key may be revoked or rotated between the SELECT that found it and this call, and is forgotten then
        before the caller is known: a caller read before such a change is answered once, and not remembered.

        Args:
            name: The hash of its secret, or its id.
            caller: Who it is.
            good_for: Seconds until the key expires, if it does.
            changes: The number of changes before the key was read.

        """
        if changes == self.changes:
            left = CACHED if good_for is None else min(CACHED, good_for)
            self._seen[name] = _Seen(caller, self._clock() + left)

    def forget(self, key_id: UUID) -> None:
        """Forget the callers of a key that was changed."""
        self.changes += 1
        self._seen = {name: seen for name, seen in self._seen.items() if seen.caller.key_id != key_id}
