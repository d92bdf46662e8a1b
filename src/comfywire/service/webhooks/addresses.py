"""Addresses of webhooks: one that has failed for three days without a success is switched off.

An address is a URL without its query, for one key. What is switched off gets nothing by itself any more: what
waits for it is given up, and so is each new delivery at once. A redelivery is tried all the same, once; its
success switches the address on again, and so does setting the key's ``webhook_url`` anew (access/keys.py).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from comfywire.service.database.pool import Connection, Database, execute, row
from comfywire.service.sql import queries

__all__ = ["PATIENCE", "FailingAddress", "FailingAddresses"]

PATIENCE = 3 * 86400.0
"""Seconds without one success, from the first failed try, after which an address is switched off."""
FORGOTTEN_AFTER = 14 * 86400.0
"""Seconds after the last failure for which an address that is not switched off is remembered."""
SQL = queries("webhooks")
log = logging.getLogger("comfywire.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingAddress:
    """An address whose last try failed.

    Attributes:
        address: The URL without its query.
        failing_since: When the first try failed after which none succeeded.
        disabled_at: When the address was switched off; None while tries go on.

    """

    address: str
    failing_since: datetime
    disabled_at: datetime | None


class FailingAddresses:
    """The addresses of one database that fail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, key_id: UUID) -> list[FailingAddress]:
        """Return a key's addresses whose last try failed, those first that have failed longest."""
        rows = await self._database.all(SQL["addresses"], key_id=key_id)
        return [FailingAddress(**found) for found in rows]

    async def failed(self, connection: Connection, delivery_id: UUID) -> bool:
        """Record a failed try in the caller's transaction; return whether the address is switched off."""
        found = await row(connection, SQL["address_failed"], id=delivery_id, patience=PATIENCE)
        if found is None or found["disabled_at"] is None:
            return False
        own = {"key_id": found["key_id"], "address": found["address"]}
        await execute(connection, SQL["give_up_address"], **own)
        if found["is_new"]:
            await execute(connection, SQL["say_disabled"], key_id=found["key_id"])
            host = urlsplit(found["address"]).hostname  # the path may be the receiver's password
            log.warning("webhooks of key %s to %s failed for 3 days: switched off", found["key_id"], host)
        return True

    async def tidy(self) -> None:
        """Forget addresses that failed long ago and were not tried since."""
        await self._database.do(SQL["forget_addresses"], seconds=FORGOTTEN_AFTER)
