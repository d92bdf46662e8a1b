"""One try of a webhook: made, signed and sent, and what follows from the receiver's answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from psycopg.types.json import Jsonb

from comfywire.errors import ComfywireError
from comfywire.service.addresses import GuardedTransport
from comfywire.service.database.outage import AWAY
from comfywire.service.database.pool import Database, Row, execute
from comfywire.service.jobs.batches import Batches
from comfywire.service.jobs.records import JobRecord, OutputRecord
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
from comfywire.service.webhooks.records import NoDelivery
from comfywire.service.webhooks.secrets import WebhookSecrets

__all__ = ["Tries"]

EXCERPT_BYTES = 300
"""How much of a receiver's refusal is read; the delivery's log quotes that much."""
CONNECT_TIMEOUT = 5.0
"""Seconds for each address of a host: an address that swallows packets leaves time for the next address."""
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


class Tries:
    """Makes single tries, in one database.

    Args:
        database: The database that has the deliveries.
        settings: The time-out of a try, the base URL of links, and whether private addresses are allowed.
        secrets: The secrets that sign each key's webhooks.
        addresses: The addresses that fail.
        jitter: Draws a number from 0 to 1, which spreads the waits between tries.

    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        secrets: WebhookSecrets,
        addresses: FailingAddresses,
        jitter: Callable[[], float],
    ) -> None:
        self._database = database
        self._batches = Batches(database)
        self._settings = settings
        self._secrets = secrets
        self._addresses = addresses
        self._jitter = jitter

    def client(self) -> httpx.AsyncClient:
        """Return what :meth:`make` sends with."""
        transport = GuardedTransport(allow_private=self._settings.allow_private_urls)
        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT)  # _try bounds the whole
        return httpx.AsyncClient(transport=transport, follow_redirects=False, timeout=timeout)

    async def make(self, client: httpx.AsyncClient, delivery: Row) -> None:
        """Make one try of a delivery that was claimed, and record how it went; an error is logged."""
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
        signing = await self._secrets.signing(job.key_id)
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
            elif await self._addresses.failed(connection, delivery["id"]) or went.is_final or wait is None:
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
