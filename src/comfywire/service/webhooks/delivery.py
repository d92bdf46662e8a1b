"""Webhooks: what ended is told to whoever wanted to know, at least once, for as long as a day if need be.

The delivery is recorded in the transaction that ends the job (sql/jobs.sql, `change`). Any number of
processes deliver: each try is claimed for a while, so that what a process was at when it died is tried again.
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
from comfywire.service.webhooks.messages import (
    BATCH_COMPLETED,
    batch_payload_of,
    payload_of,
    signed,
    wait_after,
)
from comfywire.service.webhooks.secrets import WebhookSecrets

__all__ = ["CHANNEL", "Delivery", "NoDelivery", "Webhooks"]

CHANNEL = "comfywire_webhooks"
MOST = 64
"""Tries at a time in one process."""
MOST_PER_KEY = 8
"""Of which one key's: a tenant whose receivers hang must not keep the others waiting."""
MOST_PER_HOST = 4
"""Of which to one host, whatever path and query a URL has there."""
MOST_CLAIMED = 4
LONGEST_REST = 60.0
EXCERPT_BYTES = 300
"""How much of a receiver's answer is looked at; it goes into the log of the delivery."""
CONNECT_TIMEOUT = 5.0
"""For each of a name's addresses: one that swallows everything leaves time for the next."""
CLAIM_MARGIN = 15.0
"""Seconds beyond a try's time-out before another process may think that this one died."""
SQL = queries("webhooks")
JOBS = queries("jobs")
log = logging.getLogger("comfywire.service")


class NoDelivery(ComfywireError):
    """A job has no such delivery, or the key no such job."""

    def __init__(self, job_id: UUID, delivery_id: UUID | None = None) -> None:
        no_job = f"this key has no job {job_id}: check the id, and that it is the key that submitted it"
        no_delivery = f"job {job_id} has no delivery {delivery_id}: list them to see which it has"
        super().__init__(no_job if delivery_id is None else no_delivery)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook: the news of one end of a job.

    Attributes:
        id: Its ``webhook-id`` is ``msg_`` and this in hex.
        job_id: Whose end.
        type: ``job.succeeded``, ``job.failed``, ...
        url: Where it goes.
        state: ``waiting``, ``delivered``, ``given_up``.
        tries: How many were begun.
        next_at: When the next is due, while it waits.
        created_at: When the job ended.
        delivered_at: When the receiver said 2xx.
        log: For each try that ended ``try``, ``at``, ``status`` (None: no answer), ``error``, ``seconds``.

    """

    id: UUID
    job_id: UUID
    type: str
    url: str
    state: str
    tries: int
    next_at: datetime
    created_at: datetime
    delivered_at: datetime | None
    log: list[dict[str, Any]]

    @classmethod
    def of(cls, row: Row) -> Delivery:
        """Read a row of ``deliveries`` with its log."""
        return cls(**{name: row[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class _Try:
    """How a try went."""

    status: int | None
    error: str
    seconds: float

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_final(self) -> bool:
        """Gone: the receiver wants nothing more, says Standard Webhooks."""
        return self.status == 410


class Webhooks:
    """Delivers what is due in one database.

    Args:
        database: Where deliveries are.
        settings: Time-out, base URL, and whether private addresses are allowed.
        sealer: For the keys' webhook secrets.
        jitter: A number from 0 to 1, by chance.

    Attributes:
        secrets: What each key's webhooks are signed with.

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
        self._database = database
        self._batches = Batches(database)
        self._settings = settings
        self._jitter = jitter
        self._wake = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], tuple[UUID, str]] = {}

    async def of_job(self, job_id: UUID, key_id: UUID | None = None) -> list[Delivery]:
        """Return a job's deliveries and how their tries went, oldest first.

        Raises:
            NoDelivery: There is no such job, or ``key_id`` is given and it is another key's.

        """
        if await self._database.one(SQL["is_of"], job_id=job_id, key_id=key_id) is None:
            raise NoDelivery(job_id)
        return [Delivery.of(found) for found in await self._database.all(SQL["of_job"], job_id=job_id)]

    async def redeliver(self, job_id: UUID, delivery_id: UUID, key_id: UUID | None = None) -> Delivery:
        """Deliver again, at once, whatever became of it; failed tries are repeated as if it were new.

        Raises:
            NoDelivery: The job has none of that id, or is not the key's.

        """
        known = {found.id for found in await self.of_job(job_id, key_id)}
        if delivery_id not in known:
            raise NoDelivery(job_id, delivery_id)
        await self._database.one(SQL["redeliver"], id=delivery_id)
        return next(found for found in await self.of_job(job_id) if found.id == delivery_id)

    async def redeliver_since(self, since: datetime, key_id: UUID) -> int:
        """Deliver again, at once, all that a key was told of since then; return how many that is."""
        found = await self._database.one(SQL["redeliver_since"], since=since, key_id=key_id)
        assert found is not None
        count: int = found["count"]
        return count

    async def run(self) -> None:
        """Deliver for ever. Cancelling leaves the tries that are under way to whoever runs next."""
        async with self._client() as client, asyncio.TaskGroup() as group:
            hearing = self._database.listen([CHANNEL], lambda *_: self._wake.set(), self._wake.set)
            group.create_task(hearing, name="comfywire webhooks listen")
            while True:
                self._wake.clear()
                try:
                    if await self._begin(group, client) == 0:
                        await self._rest()
                except AWAY:  # the log is told by outage.py
                    await asyncio.sleep(1.0)
                except psycopg.Error:  # one odd row must not end the others
                    log.exception("webhooks that are due could not be read")
                    await asyncio.sleep(1.0)

    async def deliver_due(self) -> int:
        """Try everything that is due now, once; return how many that were."""
        count = 0
        async with self._client() as client:
            while claimed := await self._claim():
                await asyncio.gather(*[self._deliver(client, delivery) for delivery in claimed])
                count += len(claimed)
        return count

    def _client(self) -> httpx.AsyncClient:
        transport = GuardedTransport(allow_private=self._settings.allow_private_urls)
        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT)  # the whole try has its own
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
        """Wait until something is due that may be tried, or there is news."""
        seconds = LONGEST_REST
        if len(self._under_way) < MOST:
            found = await self._database.one(SQL["seconds_until_next"], **self._crowded())
            if found is not None and found["seconds"] is not None:
                seconds = min(max(found["seconds"], 0.0), LONGEST_REST)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _crowded(self) -> dict[str, Any]:
        """The keys and the hosts with enough tries under way: it is the others' turn."""
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
        except Exception:  # the edge of a task: one odd delivery must not end the others
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
        except Exception as error:  # one that nothing helps must be given up, too
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
        found = await self._database.one(JOBS["get"], job_id=delivery["job_id"], key_id=None)
        if found is None:
            raise NoDelivery(delivery["job_id"], delivery["id"])
        job = JobRecord.of(found)
        payload: dict[str, Any] = delivery["payload"] or await self._rendered(delivery, job)
        return job, payload

    async def _rendered(self, delivery: Row, job: JobRecord) -> dict[str, Any]:
        payload = await self._news_of(delivery, job)
        kept = await self._database.one(SQL["keep_payload"], id=delivery["id"], payload=Jsonb(payload))
        return payload if kept is None else kept["payload"]

    async def _news_of(self, delivery: Row, job: JobRecord) -> dict[str, Any]:
        if delivery["type"] == BATCH_COMPLETED:
            batch = await self._batches.get(delivery["batch_id"])
            assert batch is not None, "a batch's deliveries go with it"
            return batch_payload_of(batch, base_url=self._settings.base_url)
        found = await self._database.all(JOBS["outputs"], job_id=job.id, after=0)
        outputs = [OutputRecord(**output) for output in found]
        return payload_of(delivery["type"], job, outputs, base_url=self._settings.base_url)

    async def _note(self, delivery: Row, went: _Try) -> None:
        known = {"id": delivery["id"], "try": delivery["tries"]}
        wait = wait_after(delivery["tries"] - delivery["tries_before"], self._jitter())
        async with self._database.transaction() as connection:
            noted = {"status": went.status, "error": went.error, "seconds": went.seconds}
            await execute(connection, SQL["log_try"], **known, **noted)
            if went.is_success:
                await execute(connection, SQL["delivered"], id=delivery["id"])
            elif went.is_final or wait is None:
                await execute(connection, SQL["give_up"], **known)
            else:
                await execute(connection, SQL["try_again"], **known, after=wait)
        _log(delivery, went)


async def _excerpt(response: httpx.Response) -> str:
    """The beginning of an answer, as it came: nothing is unpacked, nor read to its end."""
    content = b""
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) >= EXCERPT_BYTES:
            break
    text = content[:EXCERPT_BYTES].decode("utf-8", "replace")
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())


def _log(delivery: Row, went: _Try) -> None:
    """Name the host only: the rest of such URLs is often what opens them."""
    host = urlsplit(delivery["url"]).hostname
    what = went.status if went.status is not None else went.error
    level = logging.DEBUG if went.is_success else logging.INFO
    log.log(level, "webhook of job %s to %s: try %d: %s", delivery["job_id"], host, delivery["tries"], what)
