"""The secret that a key's webhooks are signed with, by which receivers know that we sent them."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from comfywire.service.access.keys import KeyNotFound
from comfywire.service.database.pool import Database
from comfywire.service.sealing import Sealer
from comfywire.service.sql import queries

__all__ = ["GRACE", "WebhookSecrets"]

GRACE = 86400.0
"""Seconds for which webhooks carry the old secret's signature, too, after it was changed."""
SQL = queries("keys")


class WebhookSecrets:
    """A secret for each key, made when it is first needed.

    Args:
        database: Where they are, sealed.
        sealer: What seals them.
        clock: The time of day, in seconds since 1970: processes must agree on it.

    """

    def __init__(self, database: Database, sealer: Sealer, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock

    async def of(self, key_id: UUID) -> str:
        """Return a key's secret, ``whsec_…``.

        Raises:
            KeyNotFound: There is no such key.
            Unsealable: It was sealed with a secret that this process does not have.

        """
        return (await self.signing(key_id))[0]

    async def signing(self, key_id: UUID) -> list[str]:
        """Return what a key's webhooks are signed with now: its secret, and for a while the one before.

        Raises what :meth:`of` does.
        """
        known = await self._known(key_id)
        if known is None:
            await self._set(key_id, {"current": _new_secret()}, known=None)
            return await self.signing(key_id)  # ours, or that of somebody who was faster
        content = self._sealer.open(known)
        is_graced = self._clock() < content.get("previous_until", 0.0)
        return [content["current"], content["previous"]] if is_graced else [content["current"]]

    async def rotate(self, key_id: UUID, *, grace: float = GRACE) -> str:
        """Give a key another secret and return it; the old one goes on signing for ``grace`` seconds.

        Raises what :meth:`of` does.
        """
        old = await self.of(key_id)
        known = await self._known(key_id)
        content = {"current": _new_secret(), "previous": old, "previous_until": self._clock() + grace}
        await self._set(key_id, content, known=known)
        return await self.of(key_id)

    async def _known(self, key_id: UUID) -> bytes | None:
        found = await self._database.one(SQL["get"], id=key_id)
        if found is None:
            raise KeyNotFound(key_id)
        sealed: bytes | None = found["webhook_secret"]
        return sealed

    async def _set(self, key_id: UUID, content: dict[str, Any], *, known: bytes | None) -> None:
        sealed = self._sealer.seal(content)
        await self._database.one(SQL["set_webhook_secret"], id=key_id, sealed=sealed, known=known)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode("ascii")
