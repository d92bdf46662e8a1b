"""The secrets that sign each key's webhooks, by which receivers know that the service sent them."""

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
"""Seconds after a change of secret for which webhooks carry the old secret's signature, too."""
SQL = queries("keys")
log = logging.getLogger("comfywire.service")


@dataclass(frozen=True, slots=True)
class Signing:
    """The secrets and the time that one try of a key's webhook is signed with.

    Attributes:
        secrets: The key's secret; after a change also the one before, for a while.
        at: The time by the database's clock. The clocks of the processes may differ, and receivers refuse
            signatures with an old time.

    """

    secrets: list[str]
    at: datetime


class WebhookSecrets:
    """A secret for each key, made when a webhook of the key is first signed or its secret first read.

    Args:
        database: The database that keeps the secrets, encrypted.
        sealer: Encrypts and decrypts the secrets.

    """

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def of(self, key_id: UUID) -> str:
        """Return a key's secret, ``whsec_…``.

        Raises:
            KeyNotFound: There is no such key.
            Unsealable: The key's secret was sealed with a secret of the service that this process lacks.

        """
        return (await self.signing(key_id)).secrets[0]

    async def signing(self, key_id: UUID) -> Signing:
        """Return what signs a key's webhooks now; raises what :meth:`of` does."""
        sealed, now = await self._sealed(key_id)
        if sealed is None:
            await self._set(key_id, {"current": _new_secret()}, instead_of=None)
            # Read again: when two processes make a first secret at once, the database keeps the first alone.
            return await self.signing(key_id)
        content = self._sealer.open(sealed)
        is_graced = now.timestamp() < content.get("previous_until", 0.0)
        return Signing([content["current"], *([content["previous"]] if is_graced else [])], now)

    async def rotate(self, key_id: UUID, *, grace: float = GRACE) -> str:
        """Give a key another secret and return it; the old secret goes on signing for ``grace`` seconds.

        When two processes do so at once, one of the new secrets is kept, and both processes return that one.
        Raises what :meth:`of` does.
        """
        old = await self.of(key_id)
        sealed, now = await self._sealed(key_id)
        content = {"current": _new_secret(), "previous": old, "previous_until": now.timestamp() + grace}
        await self._set(key_id, content, instead_of=sealed)
        return await self.of(key_id)

    async def seal_anew(self) -> None:
        """Seal the keys' secrets under the service's present secret where a former one sealed them.

        A process does so when it starts. A former secret is needed until every process has, and no longer.
        """
        for row in await self._database.all(SQL["webhook_secrets"]):
            try:
                if not self._sealer.is_current(row["webhook_secret"]):
                    content = self._sealer.open(row["webhook_secret"])
                    await self._set(row["id"], content, instead_of=row["webhook_secret"])
            except Unsealable as error:
                log.warning("the webhooks of key %s cannot be signed: %s", row["id"], error)

    async def _sealed(self, key_id: UUID) -> tuple[bytes | None, datetime]:
        """Return a key's sealed secret, None before there is one, and the time by the database's clock."""
        row = await self._database.one(SQL["webhook_secret"], id=key_id)
        if row is None:
            raise KeyNotFound(key_id)
        return row["webhook_secret"], row["now"]

    async def _set(self, key_id: UUID, content: dict[str, Any], *, instead_of: bytes | None) -> None:
        """Record a key's secret, unless another process has replaced ``instead_of`` since it was read."""
        sealed = self._sealer.seal(content)
        await self._database.one(SQL["set_webhook_secret"], id=key_id, sealed=sealed, known=instead_of)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode("ascii")
