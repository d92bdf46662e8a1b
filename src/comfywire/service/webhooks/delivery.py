"""Delivering webhooks: each end of a job reaches its receiver at least once, or is given up after 12 tries.

It is given up earlier when the receiver's address is switched off (addresses.py).

The transaction that ends a job records the delivery, too (sql/jobs.sql, `change`): no crash loses the news.
Any number of processes deliver. A process claims a delivery for one try and for a limited time; when the
process dies in mid-try, the claim runs out and another process makes the try again. So a receiver may get
the same webhook twice, and tells by the ``webhook-id``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import psycopg

from comfywire.service.database.outage import AWAY
from comfywire.service.database.pool import Database, Row
from comfywire.service.sealing import Sealer
from comfywire.service.settings import Settings
from comfywire.service.sql import queries
from comfywire.service.webhooks.addresses import FailingAddresses
from comfywire.service.webhooks.records import Delivery, NoDelivery
from comfywire.service.webhooks.secrets import WebhookSecrets
from comfywire.service.webhooks.tries import Tries

__all__ = ["CHANNEL", "Webhooks"]

CHANNEL = "comfywire_webhooks"
MOST = 64
"""Tries that one process has under way at a time."""
MOST_PER_KEY = 8
"""Tries under way for one key: a tenant whose receivers hang must not keep other tenants waiting."""
MOST_PER_HOST = 4
"""Tries under way to one host, whatever path and query the URLs have."""
MOST_CLAIMED = 4
"""Deliveries of one claim: few, since crowded keys and hosts are counted before a claim, not within it."""
LONGEST_REST = 60.0
"""Seconds after which the database is asked again, even if no notification came."""
CLAIM_MARGIN = 15.0
"""Seconds beyond a try's time-out for which the claim lasts, before another process may repeat the try."""
TIDY_EVERY = 3600.0
"""Seconds from one removal of what is remembered of old failures to the next."""
SQL = queries("webhooks")
log = logging.getLogger("comfywire.service")


class Webhooks:
    """Makes the tries that are due in one database.

    Args:
        database: The database that has the deliveries.
        settings: The time-out of a try, the base URL of links, and whether private addresses are allowed.
        sealer: Opens the keys' webhook secrets, which the database keeps encrypted.
        jitter: Draws a number from 0 to 1, which spreads the waits between tries.

    Attributes:
        secrets: The secrets that sign each key's webhooks.
        addresses: The addresses that fail.

    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        sealer: Sealer,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.secrets = WebhookSecrets(database, sealer)
        self.addresses = FailingAddresses(database)
        self._database = database
        self._settings = settings
        self._tries = Tries(database, settings, secrets=self.secrets, addresses=self.addresses, jitter=jitter)
        self._wake = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], tuple[UUID, str]] = {}

    async def of_job(self, job_id: UUID, key_id: UUID | None = None) -> list[Delivery]:
        """Return a job's deliveries with the logs of their tries, oldest first.

        Raises:
            NoDelivery: There is no such job, or ``key_id`` is given and the job is another key's.

        """
        if await self._database.one(SQL["is_of"], job_id=job_id, key_id=key_id) is None:
            raise NoDelivery(job_id)
        return [Delivery.of(row) for row in await self._database.all(SQL["of_job"], job_id=job_id)]

    async def of_key(
        self,
        key_id: UUID,
        *,
        state: str | None = None,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        """Return a key's deliveries with the logs of their tries, the newest first, older than ``before``."""
        when, last = before or (None, None)
        found = await self._database.all(
            SQL["of_key"], key_id=key_id, state=state, before=when, before_id=last, limit=limit
        )
        return [Delivery.of(row) for row in found]

    async def redeliver(self, job_id: UUID, delivery_id: UUID, key_id: UUID | None = None) -> Delivery:
        """Make a delivery due at once, whether it was delivered or given up; its schedule starts anew.

        Raises:
            NoDelivery: The job has no delivery of that id, or the job is not the key's.

        """
        delivery_ids = {delivery.id for delivery in await self.of_job(job_id, key_id)}
        if delivery_id not in delivery_ids:
            raise NoDelivery(job_id, delivery_id)
        await self._database.one(SQL["redeliver"], id=delivery_id)
        return next(delivery for delivery in await self.of_job(job_id) if delivery.id == delivery_id)

    async def redeliver_since(self, since: datetime, key_id: UUID) -> int:
        """Make every delivery of a key since then due at once; return how many there are."""
        counted = await self._database.one(SQL["redeliver_since"], since=since, key_id=key_id)
        assert counted is not None
        count: int = counted["count"]
        return count

    async def run(self) -> None:
        """Deliver for ever.

        Cancelling breaks off the tries that are under way; their claims run out, and the process that is
        next to look at the database repeats them.
        """
        async with self._tries.client() as client, asyncio.TaskGroup() as group:
            hearing = self._database.listen([CHANNEL], lambda *_: self._wake.set(), self._wake.set)
            group.create_task(hearing, name="comfywire webhooks listen")
            group.create_task(self._tidy(), name="comfywire webhooks tidy")
            while True:
                # Cleared before the look, not after: a notification that comes while the database is read
                # ends the rest at once.
                self._wake.clear()
                try:
                    if await self._begin(group, client) == 0:
                        await self._rest()
                except AWAY:  # database/outage.py logs the outage, once
                    await asyncio.sleep(1.0)
                except psycopg.Error:  # a row that cannot be read must not end the loop for all others
                    log.exception("webhooks that are due could not be read")
                    await asyncio.sleep(1.0)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_EVERY)
            with contextlib.suppress(psycopg.Error, *AWAY):
                await self.addresses.tidy()

    async def deliver_due(self) -> int:
        """Make one try of every delivery that is due now; return how many tries were made."""
        count = 0
        async with self._tries.client() as client:
            while claimed := await self._claim():
                await asyncio.gather(*[self._tries.make(client, delivery) for delivery in claimed])
                count += len(claimed)
        return count

    async def _begin(self, group: asyncio.TaskGroup, client: httpx.AsyncClient) -> int:
        claimed = await self._claim() if len(self._under_way) < MOST else []
        for delivery in claimed:
            work = self._tries.make(client, delivery)
            task = group.create_task(work, name=f"comfywire webhook {delivery['id']}")
            self._under_way[task] = delivery["key_id"], delivery["host"]
            task.add_done_callback(self._ended)
        return len(claimed)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._wake.set()

    async def _rest(self) -> None:
        """Wait until a delivery is due that may be tried, a try has ended, or the database notifies."""
        seconds = LONGEST_REST
        if len(self._under_way) < MOST:
            due = await self._database.one(SQL["seconds_until_next"], **self._crowded())
            if due is not None and due["seconds"] is not None:
                seconds = min(max(due["seconds"], 0.0), LONGEST_REST)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _crowded(self) -> dict[str, Any]:
        """Return the keys and hosts with as many tries under way as they may have: claims leave them out."""
        keys = Counter(key_id for key_id, _ in self._under_way.values())
        hosts = Counter(host for _, host in self._under_way.values())
        return {
            "crowded_keys": [key_id for key_id, count in keys.items() if count >= MOST_PER_KEY],
            "crowded_hosts": [host for host, count in hosts.items() if count >= MOST_PER_HOST],
        }

    async def _claim(self) -> list[Row]:
        return await self._database.all(
            SQL["claim"],
            most=MOST_CLAIMED,
            **self._crowded(),
            seconds=self._settings.webhook_timeout + CLAIM_MARGIN,
        )
