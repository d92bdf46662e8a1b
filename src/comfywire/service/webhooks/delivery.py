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
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import psycopg
from psycopg.types.json import Jsonb

from comfywire.errors import ComfywireError
from comfywire.service.addresses import GuardedTransport
from comfywire.service.database.outage import AWAY
from comfywire.service.database.pool import Database, Row, execute
from comfywire.service.jobs.batches import Batches
from comfywire.service.jobs.records import JobRecord, OutputRecord
from comfywire.service.sealing import Sealer
from comfywire.service.settings import Settings
from comfywire.service.sql import queries
from comfywire.service.webhooks.addresses import FailingAddresses
from comfywire.service.webhooks.messages import (
    BATCH_COMPLETED,
    batch_payload_of,
    payload_of,
    signed,
    wait_after,
)
from comfywire.service.webhooks.records import Delivery, NoDelivery
from comfywire.service.webhooks.secrets import WebhookSecrets

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
EXCERPT_BYTES = 300
"""How much of a receiver's refusal is read; the delivery's log quotes that much."""
CONNECT_TIMEOUT = 5.0
"""Seconds for each address of a host: an address that swallows packets leaves time for the next address."""
CLAIM_MARGIN = 15.0
"""Seconds beyond a try's time-out for which the claim lasts, before another process may repeat the try."""
TIDY_EVERY = 3600.0
"""Seconds from one removal of what is remembered of old failures to the next."""
SQL = queries("webhooks")
JOBS = queries("jobs")
log = logging.getLogger("comfywire.service")


@dataclass(frozen=True, slots=True)
class _Try:
    """The result of one try: the receiver's status, or None and the error that kept it from answering."""

    status: int | None
    error: str
    seconds: float

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_final(self) -> bool:
        """Whether the receiver answered 410 Gone, which in Standard Webhooks ends all tries."""
        return self.status == 410


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
        self._batches = Batches(database)
        self._settings = settings
        self._jitter = jitter
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
        async with self._client() as client, asyncio.TaskGroup() as group:
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
        async with self._client() as client:
            while claimed := await self._claim():
                await asyncio.gather(*[self._deliver(client, delivery) for delivery in claimed])
                count += len(claimed)
        return count

    def _client(self) -> httpx.AsyncClient:
        transport = GuardedTransport(allow_private=self._settings.allow_private_urls)
        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT)  # _try bounds the whole
        return httpx.AsyncClient(transport=transport, follow_redirects=False, timeout=timeout)

    async def _begin(self, group: asyncio.TaskGroup, client: httpx.AsyncClient) -> int:
        claimed = await self._claim() if len(self._under_way) < MOST else []
        for delivery in claimed:
            work = self._deliver(client, delivery)
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

    async def _deliver(self, client: httpx.AsyncClient, delivery: Row) -> None:
        try:
            await self._note(delivery, await self._try(client, delivery))
        except AWAY:
            log.info("webhook %s will be repeated when the database is back", delivery["id"])
        except Exception:  # the edge of a task: a delivery that fails here must not end the task group
            log.exception("webhook %s will be repeated", delivery["id"])

    async def _try(self, client: httpx.AsyncClient, delivery: Row) -> _Try:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.webhook_timeout):
                status, words = await self._post(client, delivery)
        except TimeoutError:
            status, words = None, f"no answer within {self._settings.webhook_timeout:g} s"
        except ComfywireError as error:
            status, words = None, str(error)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            status, words = None, str(error) or type(error).__name__
        except AWAY:
            raise
        except Exception as error:  # counted as a try: a delivery that fails each time is given up in the end
            log.exception("webhook %s could not be sent", delivery["id"])
            status, words = None, f"the service could not send it ({type(error).__name__})"
        return _Try(status, words, time.monotonic() - began)

    async def _post(self, client: httpx.AsyncClient, delivery: Row) -> tuple[int, str]:
        job, payload = await self._job_and_payload(delivery)
        signing = await self.secrets.signing(job.key_id)
        body, headers = signed(delivery["id"], payload, secrets=signing.secrets, at=signing.at)
        owner = {"owner": job.key_id}
        async with client.stream(
            "POST", delivery["url"], content=body, headers=headers, extensions=owner
        ) as response:
            words = "" if response.is_success else await _excerpt(response)
            return response.status_code, words

    async def _job_and_payload(self, delivery: Row) -> tuple[JobRecord, dict[str, Any]]:
        row = await self._database.one(JOBS["get"], job_id=delivery["job_id"], key_id=None)
        if row is None:
            raise NoDelivery(delivery["job_id"], delivery["id"])
        job = JobRecord.of(row)
        payload: dict[str, Any] = delivery["payload"] or await self._rendered(delivery, job)
        return job, payload

    async def _rendered(self, delivery: Row, job: JobRecord) -> dict[str, Any]:
        """Make the payload at the first try, and record it: every later try says the same."""
        payload = await self._news_of(delivery, job)
        recorded = await self._database.one(SQL["keep_payload"], id=delivery["id"], payload=Jsonb(payload))
        return payload if recorded is None else recorded["payload"]

    async def _news_of(self, delivery: Row, job: JobRecord) -> dict[str, Any]:
        if delivery["type"] == BATCH_COMPLETED:
            batch = await self._batches.get(delivery["batch_id"])
            assert batch is not None, "a batch's deliveries go with it"
            return batch_payload_of(batch, base_url=self._settings.base_url)
        rows = await self._database.all(JOBS["outputs"], job_id=job.id, after=0)
        outputs = [OutputRecord(**row) for row in rows]
        at = delivery["created_at"]
        return payload_of(delivery["type"], job, outputs, at=at, base_url=self._settings.base_url)

    async def _note(self, delivery: Row, went: _Try) -> None:
        """Record how a try went, and what follows from that, in one transaction."""
        this_try = {"id": delivery["id"], "try": delivery["tries"]}
        wait = wait_after(delivery["tries"] - delivery["tries_before"], self._jitter())
        async with self._database.transaction() as connection:
            result = {"status": went.status, "error": went.error, "seconds": went.seconds}
            await execute(connection, SQL["log_try"], **this_try, **result)
            if went.is_success:
                await execute(connection, SQL["delivered"], id=delivery["id"])
            elif await self.addresses.failed(connection, delivery["id"]) or went.is_final or wait is None:
                await execute(connection, SQL["give_up"], **this_try)
            else:
                await execute(connection, SQL["try_again"], **this_try, after=wait)
        _log(delivery, went)


async def _excerpt(response: httpx.Response) -> str:
    """Return the beginning of an answer as it came over the wire.

    A stranger wrote it: decompressing, or reading to the end, would let a small answer fill the memory.
    """
    content = b""
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) >= EXCERPT_BYTES:
            break
    text = content[:EXCERPT_BYTES].decode("utf-8", "replace")
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())


def _log(delivery: Row, went: _Try) -> None:
    """Log a try by its host alone: path and query of a webhook's URL are often the receiver's password."""
    host = urlsplit(delivery["url"]).hostname
    what = went.status if went.status is not None else went.error
    level = logging.DEBUG if went.is_success else logging.INFO
    log.log(level, "webhook of job %s to %s: try %d: %s", delivery["job_id"], host, delivery["tries"], what)
