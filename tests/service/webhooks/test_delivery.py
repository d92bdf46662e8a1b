import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from tests.service.conftest import new_key
from tests.service.receiver import Receiver, receiver

from comfywire.service.database.pool import Database
from comfywire.service.fleet.needs import need_of, requirement_of
from comfywire.service.jobs.changes import change
from comfywire.service.jobs.records import JobRecord, NewJob
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store
from comfywire.service.sealing import Sealer
from comfywire.service.settings import Settings
from comfywire.service.webhooks.delivery import LONGEST_REST, MOST_PER_HOST, MOST_PER_KEY, Webhooks
from comfywire.service.webhooks.records import NoDelivery

SECRET = "the secret of these tests"
PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {}}}
NOBODY = "http://127.0.0.1:9/hook"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, allow_private_urls=True)


@pytest.fixture
def webhooks(database: Database, settings: Settings) -> Webhooks:
    return deliverer(database, settings)


@pytest.fixture
async def receiving() -> AsyncIterator[Receiver]:
    async with receiver() as own:
        yield own


def deliverer(database: Database, settings: Settings) -> Webhooks:
    return Webhooks(database, settings, Sealer(SECRET), jitter=lambda: 0.5)


@contextlib.asynccontextmanager
async def running(webhooks: Webhooks) -> AsyncIterator[None]:
    task = asyncio.create_task(webhooks.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def ended(
    store: Store, key_id: uuid.UUID, url: str | None, to: JobState = JobState.SUCCEEDED, **fields: Any
) -> JobRecord:
    """A job that has ended."""
    requirement = requirement_of(PROMPT)
    job = NewJob(
        id=uuid.uuid4(),
        key_id=key_id,
        prompt=PROMPT,
        need=need_of(requirement),
        requirement=requirement,
        webhook_url=url,
        labels={"order": "17"},
        secret=fields.pop("secret", None),
    )
    await store.submit(job)
    async with store.database.transaction() as connection:
        record = await change(connection, job.id, to, "a test ends it", **fields)
    assert record is not None
    return record


async def overdue(store: Store) -> None:
    """Let what waits for its next try be due."""
    await store.database.do("UPDATE deliveries SET next_at = now() WHERE state = 'waiting'")


async def test_the_end_of_a_job_is_delivered_signed(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    job = await ended(store, key_id, receiving.url)

    assert await webhooks.deliver_due() == 1

    (received,) = receiving.received
    verifier = standardwebhooks.Webhook(await webhooks.secrets.of(key_id))
    told = verifier.verify(received.body, dict(received.headers))
    assert told["type"] == "job.succeeded"
    assert told["data"]["id"] == str(job.id)
    assert told["data"]["metadata"] == {"order": "17"}
    (delivery,) = await webhooks.of_job(job.id)
    assert (delivery.state, delivery.tries) == ("delivered", 1)
    assert delivery.delivered_at is not None


@pytest.mark.parametrize("to", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED, JobState.EXPIRED])
async def test_every_end_is_told(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver, to: JobState
) -> None:
    await ended(store, key_id, receiving.url, to)

    await webhooks.deliver_due()

    assert json.loads(receiving.received[0].body)["type"] == f"job.{to}"


async def test_what_is_delivered_is_not_delivered_again(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    await ended(store, key_id, receiving.url)
    await webhooks.deliver_due()
    await overdue(store)

    assert await webhooks.deliver_due() == 0


async def test_a_job_without_a_webhook_tells_nobody(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID
) -> None:
    job = await ended(store, key_id, None)

    assert await webhooks.deliver_due() == 0
    assert await webhooks.of_job(job.id) == []


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 500, 503])
async def test_whatever_is_not_2xx_is_tried_again(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver, status: int
) -> None:
    receiving.answers = [status, 200]
    receiving.headers = {"location": f"{receiving.url}/elsewhere"}
    job = await ended(store, key_id, receiving.url)

    await webhooks.deliver_due()
    await overdue(store)
    await webhooks.deliver_due()

    (delivery,) = await webhooks.of_job(job.id)
    assert [attempt["status"] for attempt in delivery.log] == [status, 200]
    assert [received.path for received in receiving.received] == ["/hook", "/hook"]
    assert delivery.state == "delivered"


async def test_every_try_says_the_same_under_one_id(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    receiving.answers = [500, 200]
    job = await ended(store, key_id, receiving.url, JobState.FAILED)
    await webhooks.deliver_due()
    await store.retry(job.id)  # the job is no longer what it was

    await overdue(store)
    await webhooks.deliver_due()

    one, other = receiving.received
    assert one.body == other.body
    assert one.headers["webhook-id"] == other.headers["webhook-id"]


async def test_a_failed_try_waits_as_long_as_the_schedule_says(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver, database: Database
) -> None:
    receiving.answers = [500]
    await ended(store, key_id, receiving.url)
    waits = []
    for _ in range(3):
        await webhooks.deliver_due()
        found = await database.one(
            "SELECT extract(epoch FROM next_at - (SELECT max(at) FROM delivery_tries))::float8 AS wait "
            "FROM deliveries"
        )
        assert found is not None
        waits.append(found["wait"])
        await overdue(store)

    assert waits == [pytest.approx(wait, abs=1.0) for wait in (5, 30, 120)]


async def test_a_receiver_that_is_gone_is_left_alone(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    receiving.answers = [410]
    job = await ended(store, key_id, receiving.url)

    await webhooks.deliver_due()
    await overdue(store)

    assert await webhooks.deliver_due() == 0
    assert [delivery.state for delivery in await webhooks.of_job(job.id)] == ["given_up"]


async def test_after_the_last_try_of_the_schedule_it_is_given_up(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver, database: Database
) -> None:
    receiving.answers = [500]
    job = await ended(store, key_id, receiving.url)
    await database.do("UPDATE deliveries SET tries = 11")

    await webhooks.deliver_due()

    (delivery,) = await webhooks.of_job(job.id)
    assert (delivery.state, delivery.tries) == ("given_up", 12)


async def test_redelivering_sends_the_same_once_more_and_begins_the_schedule_anew(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver, database: Database
) -> None:
    receiving.answers = [410, 500, 200]
    job = await ended(store, key_id, receiving.url)
    await database.do("UPDATE deliveries SET tries = 11")
    await webhooks.deliver_due()
    (given_up,) = await webhooks.of_job(job.id)

    waiting = await webhooks.redeliver(job.id, given_up.id, key_id)
    await webhooks.deliver_due()
    await overdue(store)
    await webhooks.deliver_due()

    assert waiting.state == "waiting"
    (delivery,) = await webhooks.of_job(job.id)
    assert [attempt["status"] for attempt in delivery.log] == [410, 500, 200]
    assert delivery.state == "delivered"
    assert len({received.headers["webhook-id"] for received in receiving.received}) == 1


async def test_a_delivery_is_invisible_to_other_keys(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver, database: Database
) -> None:
    job = await ended(store, key_id, receiving.url)
    (delivery,) = await webhooks.of_job(job.id, key_id)
    other = await new_key(database, "other")

    with pytest.raises(NoDelivery):
        await webhooks.of_job(job.id, other)
    with pytest.raises(NoDelivery):
        await webhooks.redeliver(job.id, delivery.id, other)


async def test_a_delivery_of_another_job_is_not_redelivered(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    one, other = await ended(store, key_id, receiving.url), await ended(store, key_id, receiving.url)
    (delivery,) = await webhooks.of_job(other.id)

    with pytest.raises(NoDelivery, match="has no delivery"):
        await webhooks.redeliver(one.id, delivery.id)


async def test_a_receiver_that_does_not_answer_costs_a_try(
    database: Database, tmp_path: Path, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    receiving.hold.clear()
    webhooks = deliverer(database, Settings(data=tmp_path, allow_private_urls=True, webhook_timeout=0.2))
    job = await ended(store, key_id, receiving.url)

    await webhooks.deliver_due()

    (delivery,) = await webhooks.of_job(job.id)
    assert [(attempt["status"], attempt["error"]) for attempt in delivery.log] == [
        (None, "no answer within 0.2 s")
    ]
    assert delivery.state == "waiting"


async def test_nobody_at_the_address_costs_a_try(webhooks: Webhooks, store: Store, key_id: uuid.UUID) -> None:
    job = await ended(store, key_id, NOBODY)

    await webhooks.deliver_due()

    (delivery,) = await webhooks.of_job(job.id)
    assert delivery.log[0]["status"] is None
    assert delivery.log[0]["error"] != ""


async def test_an_answer_is_read_no_further_than_its_beginning(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    receiving.answers, receiving.body = [500], b"no\nway \x00\xff" + b"x" * 10_000_000
    job = await ended(store, key_id, receiving.url)

    await webhooks.deliver_due()

    (delivery,) = await webhooks.of_job(job.id)
    assert delivery.log[0]["error"].startswith("no way \N{REPLACEMENT CHARACTER}xxx")
    assert len(delivery.log[0]["error"]) <= 300


async def test_an_answer_without_end_is_left_after_its_beginning(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID
) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 1000000\r\n\r\n" + b"no " * 200)
        await reader.read()  # until the other side hangs up
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        job = await ended(store, key_id, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        async with asyncio.timeout(10):  # less than a try may take
            await webhooks.deliver_due()

    (delivery,) = await webhooks.of_job(job.id)
    assert delivery.log[0]["status"] == 500


async def test_a_private_address_is_refused_at_the_try(
    database: Database, tmp_path: Path, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    webhooks = deliverer(database, Settings(data=tmp_path))
    job = await ended(store, key_id, receiving.url)

    await webhooks.deliver_due()

    assert receiving.received == []
    (delivery,) = await webhooks.of_job(job.id)
    assert "not a public address" in delivery.log[0]["error"]


async def test_a_changed_secret_signs_beside_the_old_one_for_a_while(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    old = await webhooks.secrets.of(key_id)
    new = await webhooks.secrets.rotate(key_id)
    await ended(store, key_id, receiving.url)

    await webhooks.deliver_due()

    (received,) = receiving.received
    for secret in (old, new):
        assert standardwebhooks.Webhook(secret).verify(received.body, dict(received.headers))


async def test_an_old_secret_signs_nothing_after_its_grace(webhooks: Webhooks, key_id: uuid.UUID) -> None:
    await webhooks.secrets.of(key_id)

    new = await webhooks.secrets.rotate(key_id, grace=0)

    assert (await webhooks.secrets.signing(key_id)).secrets == [new]


async def test_processes_that_need_a_secret_at_once_agree_on_one(
    database: Database, settings: Settings, key_id: uuid.UUID
) -> None:
    several = [deliverer(database, settings) for _ in range(8)]

    found = await asyncio.gather(*[one.secrets.of(key_id) for one in several])

    assert len(set(found)) == 1


async def everything_in(database: Database) -> str:
    tables = await database.all("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'comfywire'")
    found = [await database.all(f"SELECT own::text AS text FROM {table['name']} AS own") for table in tables]
    return "".join(entry["text"] for entries in found for entry in entries)


async def test_webhook_secrets_and_extra_data_are_nowhere_in_plain(
    webhooks: Webhooks,
    store: Store,
    key_id: uuid.UUID,
    receiving: Receiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    receiving.answers = [500, 200]
    sealed = Sealer(SECRET).seal({"api_key_comfy_org": "comfyui-SENTINEL"})
    job = await ended(store, key_id, receiving.url + "?token=TOKEN", secret=sealed)
    waiting = NewJob(
        id=uuid.uuid4(), key_id=key_id, prompt=PROMPT, need="n", requirement={}, secret=sealed, labels={}
    )
    await store.submit(waiting)
    await webhooks.deliver_due()
    await overdue(store)
    await webhooks.deliver_due()

    whsec = await webhooks.secrets.of(key_id)
    stored = await everything_in(store.database)
    shown = repr([await webhooks.of_job(job.id), await store.search(), await store.transitions(job.id)])
    assert str(job.id) in stored  # the tables were read
    for secret in (whsec, whsec.removeprefix("whsec_"), "SENTINEL", SECRET):
        assert secret not in stored + shown + caplog.text + repr(receiving.received)
        assert secret.encode().hex() not in stored
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("comfywire")]
    assert ours != []
    assert "TOKEN" not in "".join(ours)


async def test_news_is_delivered_at_once_while_it_runs(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    async with running(webhooks), asyncio.timeout(LONGEST_REST / 2):
        await ended(store, key_id, receiving.url)
        await receiving.until(1)
        await ended(store, key_id, receiving.url)

        await receiving.until(2)


async def test_what_becomes_due_is_tried_without_news(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver, database: Database
) -> None:
    await ended(store, key_id, receiving.url)
    await database.do("UPDATE deliveries SET next_at = now() + interval '0.5 seconds'")

    async with running(webhooks), asyncio.timeout(LONGEST_REST / 2):
        await receiving.until(1)


async def test_a_host_that_hangs_keeps_no_other_waiting_whatever_its_urls_are(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    async with receiver() as hanging, asyncio.timeout(20):
        hanging.hold.clear()
        for number in range(40):
            await ended(store, key_id, f"{hanging.url}/{number}?n={number}#{number}")
        await ended(store, key_id, receiving.url)

        async with running(webhooks):
            await receiving.until(1)

        assert len(hanging.received) < 2 * MOST_PER_HOST


async def test_a_key_whose_hosts_hang_keeps_no_other_key_waiting(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver, database: Database
) -> None:
    other = await new_key(database, "another")
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(20):
        hanging = [await stack.enter_async_context(receiver()) for _ in range(2 * MOST_PER_KEY)]
        for one in hanging:
            one.hold.clear()
            for _ in range(3):
                await ended(store, key_id, one.url)
        await ended(store, other, receiving.url)

        async with running(webhooks):
            await receiving.until(1)

        assert sum(len(one.received) for one in hanging) < 2 * MOST_PER_KEY


async def test_what_a_key_was_told_of_since_a_time_is_delivered_again(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver, database: Database
) -> None:
    other = await new_key(database, "another")
    for owner in (key_id, key_id, key_id, other):
        await ended(store, owner, receiving.url)
    await webhooks.deliver_due()
    first = [received.headers["webhook-id"] for received in receiving.received]
    await database.do(
        "UPDATE deliveries SET created_at = now() - interval '1 day' WHERE id = (SELECT id FROM deliveries "
        "WHERE key_id = %(key_id)s LIMIT 1)",
        key_id=key_id,
    )

    count = await webhooks.redeliver_since(datetime.now(UTC) - timedelta(hours=1), key_id)

    assert (count, await webhooks.deliver_due()) == (2, 2)
    again = [received.headers["webhook-id"] for received in receiving.received[len(first) :]]
    assert set(again) < set(first)


async def test_two_deliverers_share_the_work_without_repeating_it(
    database: Database, settings: Settings, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    for _ in range(30):
        await ended(store, key_id, receiving.url)

    counts = await asyncio.gather(*[deliverer(database, settings).deliver_due() for _ in range(3)])

    assert sum(counts) == 30
    assert len({received.headers["webhook-id"] for received in receiving.received}) == 30
    assert len(receiving.received) == 30


DELIVERER = """
import asyncio, sys
from pathlib import Path
from comfywire.service.database.pool import Database
from comfywire.service.sealing import Sealer
from comfywire.service.settings import Settings
from comfywire.service.webhooks.delivery import Webhooks

async def main(url, secret):
    async with Database(url) as database:
        settings = Settings(data=Path(), allow_private_urls=True)
        await Webhooks(database, settings, Sealer(secret)).run()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_a_deliverer_was_at_when_it_was_killed_is_delivered_by_another(
    webhooks: Webhooks,
    store: Store,
    key_id: uuid.UUID,
    receiving: Receiver,
    database_url: str,
) -> None:
    receiving.hold.clear()
    job = await ended(store, key_id, receiving.url)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", DELIVERER, database_url, SECRET)
    await receiving.until(1)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    receiving.hold.set()
    assert await webhooks.deliver_due() == 0, "the claim of the dead one still holds"

    await store.database.do("UPDATE deliveries SET claimed_until = now()")  # its time is over
    assert await webhooks.deliver_due() == 1

    (delivery,) = await webhooks.of_job(job.id)
    assert (delivery.state, delivery.tries) == ("delivered", 2)
    one, other = receiving.received
    assert one.headers["webhook-id"] == other.headers["webhook-id"]


async def test_a_try_that_ends_late_does_not_undo_what_another_knows(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    receiving.answers = [410, 200]
    kept_waiting, at_once = receiving.hold, asyncio.Event()
    kept_waiting.clear()
    at_once.set()
    job = await ended(store, key_id, receiving.url)
    late = asyncio.create_task(webhooks.deliver_due())
    await receiving.until(1)
    await store.database.do("UPDATE deliveries SET claimed_until = now()")
    receiving.hold = at_once
    await webhooks.deliver_due()

    kept_waiting.set()
    await late

    (delivery,) = await webhooks.of_job(job.id)
    assert delivery.state == "delivered"
    assert [attempt["status"] for attempt in delivery.log] == [410, 200]


async def test_a_claim_lasts_longer_than_a_try(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, database: Database, settings: Settings
) -> None:
    await ended(store, key_id, NOBODY)

    (claimed,) = await webhooks._claim()

    found = await database.one(
        "SELECT extract(epoch FROM claimed_until - now())::float8 AS left FROM deliveries WHERE id = %(id)s",
        id=claimed["id"],
    )
    assert found is not None
    assert found["left"] > settings.webhook_timeout
