"""The secret that a key's webhooks are signed with, by which receivers know that we sent them."""

from __future__ import annotations

import base64
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from comfywire.service.access.keys import KeyNotFound
from comfywire.service.database.pool import Database
from comfywire.service.sealing import Sealer, Unsealable
from comfywire.service.sql import queries

__all__ = ["GRACE", "Signing", "WebhookSecrets"]

GRACE = 86400.0
"""Seconds for which webhooks carry the old secret's signature, too, after it was changed."""
SQL = queries("keys")
log = logging.getLogger("comfywire.service")


@dataclass(frozen=True, slots=True)
class Signing:
    """What a key's webhooks are signed with at one moment.

    Attributes:
        secrets: The key's secret, and for a while the one before.
        at: The time by the database's clock: processes' may differ, and receivers refuse what is old.

    """

    secrets: list[str]
    at: datetime


class WebhookSecrets:
    """A secret for each key, made when it is first needed.

    Args:
        database: Where they are, sealed.
        sealer: What seals them.

    """

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def of(self, key_id: UUID) -> str:
        """Return a key's secret, ``whsec_…``.

        Raises:
            KeyNotFound: There is no such key.
            Unsealable: It was sealed with a secret that this process does not have.

        """
        return (await self.signing(key_id)).secrets[0]

    async def signing(self, key_id: UUID) -> Signing:
        """Return what a key's webhooks are signed with now; raises what :meth:`of` does."""
        known, now = await self._known(key_id)
        if known is None:
            await self._set(key_id, {"current": _new_secret()}, known=None)
            return await self.signing(key_id)  # ours, or that of somebody who was faster
        content = self._sealer.open(known)
        is_graced = now.timestamp() < content.get("previous_until", 0.0)
        return Signing([content["current"], *([content["previous"]] if is_graced else [])], now)

    async def rotate(self, key_id: UUID, *, grace: float = GRACE) -> str:
        """Give a key another secret and return it; the old one goes on signing for ``grace`` seconds.

        Raises what :meth:`of` does.
        """
        old = await self.of(key_id)
        known, now = await self._known(key_id)
        content = {"current": _new_secret(), "previous": old, "previous_until": now.timestamp() + grace}
        await self._set(key_id, content, known=known)
        return await self.of(key_id)

    async def seal_anew(self) -> None:
        """Seal what is sealed under a former secret of the service under its present one.

        So a former secret is needed no longer than until every process has done this.
        """
        for found in await self._database.all(SQL["webhook_secrets"]):
            try:
                if not self._sealer.is_current(found["webhook_secret"]):
                    content = self._sealer.open(found["webhook_secret"])
                    await self._set(found["id"], content, known=found["webhook_secret"])
            except Unsealable as error:
                log.warning("the webhooks of key %s cannot be signed: %s", found["id"], error)

    async def _known(self, key_id: UUID) -> tuple[bytes | None, datetime]:
        found = await self._database.one(SQL["webhook_secret"], id=key_id)
        if found is None:
            raise KeyNotFound(key_id)
        return found["webhook_secret"], found["now"]

    async def _set(self, key_id: UUID, content: dict[str, Any], *, known: bytes | None) -> None:
        sealed = self._sealer.seal(content)
        await self._database.one(SQL["set_webhook_secret"], id=key_id, sealed=sealed, known=known)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode("ascii")
