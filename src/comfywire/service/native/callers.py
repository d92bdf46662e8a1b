"""Who asks: programs for ComfyUI send a key as they can, or cannot send any.

In this order: the address that the operator opened for one key, the path prefix ``/k/<key>/``, the header
Authorization (Bearer, or Basic with the key as password), ``?token=``, the subprotocol and the cookie.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from uuid import UUID

from starlette.requests import HTTPConnection

from comfywire.errors import ComfywireError
from comfywire.service.access.callers import Caller, Forbidden
from comfywire.service.api.context import caller_of_cookie, core_of, secret_of
from comfywire.service.core import Core

__all__ = ["KEY_ID", "NATIVE", "PREFIX_KEY", "caller_for", "caller_of"]

NATIVE = "native"
"""The scope of keys that are for this face alone."""
PREFIX_KEY = "comfywire.prefix_key"
"""Where :mod:`.addresses` puts the key of a path; nothing that a client sends gets there."""
KEY_ID = "comfywire.key_id"
"""Where an address that belongs to one key puts that key's id."""


class StrongKeyInPath(ComfywireError):
    """A key in a path is for more than this face: addresses are logged and shown."""

    code = "forbidden"
    http_status = 403

    def __init__(self, caller: Caller) -> None:
        super().__init__(
            f"key {caller.name!r} is for {', '.join(sorted(caller.scopes))}, and a key in a URL may be for "
            f"{NATIVE!r} alone: `comfywire keys create NAME --scope {NATIVE}` makes one"
        )


async def caller_for(scope: str, connection: HTTPConnection, *, changes: bool = False) -> Caller:
    """Return the caller, whose key must be for ``scope`` or for this face.

    Args:
        scope: What the key must be for.
        connection: The request, or the socket.
        changes: Whether a GET changes something here, so that a cookie must come from a page of ours.

    Raises:
        Unauthorized: The request presents no key that opens.
        Forbidden: The key is for something else.
        StrongKeyInPath: The key stands in the path, and is for more than this face.
        RateLimited: The key makes more requests than it may.

    """
    caller = await caller_of(connection, changes=changes)
    if scope == "admin" or not caller.may(NATIVE):
        caller.must(scope)
    return caller


async def caller_of(connection: HTTPConnection, *, changes: bool = False) -> Caller:
    """Return the caller, and count the request; raises what :func:`caller_for` does, but for Forbidden."""
    core = core_of(connection)
    caller = await _caller(core, connection, changes=changes)
    await core.limits.take(caller)
    return caller


async def _caller(core: Core, connection: HTTPConnection, *, changes: bool) -> Caller:
    key_id: UUID | None = connection.scope.get(KEY_ID)
    if key_id is not None:
        return _narrow(await core.access.caller_of_key(key_id))
    prefix: str | None = connection.scope.get(PREFIX_KEY)
    if prefix is not None:
        return await _of_prefix(core, prefix)
    secret = secret_of(connection) or _basic(connection)
    if secret:
        return await core.access.caller(secret)
    if token := connection.query_params.get("token"):
        return _narrow(await core.access.caller(token))
    return await caller_of_cookie(connection, changes=changes) or await core.access.caller(None)


async def _of_prefix(core: Core, secret: str) -> Caller:
    caller = await core.access.caller(secret)
    if core.settings.keys_required and caller.scopes != {NATIVE}:
        raise StrongKeyInPath(caller)
    return _narrow(caller)


def _narrow(caller: Caller) -> Caller:
    """Return the caller as one who may do no more than this face lets anybody do."""
    if not caller.scopes & {NATIVE, "submit", "admin"}:
        raise Forbidden(caller, NATIVE)
    return replace(caller, scopes=frozenset({NATIVE}))


def _basic(connection: HTTPConnection) -> str | None:
    """Return the password of Basic authentication, or the user's name where there is no password."""
    kind, _, encoded = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password or name or None
