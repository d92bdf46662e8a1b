"""An address without one success for three days is switched off, and what switches it on again."""

import uuid
from datetime import UTC, datetime

import pytest
from tests.service.conftest import new_key
from tests.service.receiver import Receiver
from tests.service.webhooks.test_delivery import ended, overdue, receiving, settings, webhooks

from comfywire.service.access.keys import Access
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.store import Store
from comfywire.service.webhooks.delivery import Webhooks

__all__ = ["receiving", "settings", "webhooks"]
DAY = 86400.0


async def failing_for(store: Store, seconds: float) -> None:
    await store.database.do(
        "UPDATE webhook_addresses SET failing_since = now() - make_interval(secs => %(s)s)", s=seconds
    )


async def states(webhooks: Webhooks, *jobs: JobRecord) -> list[tuple[str, int]]:
    return [(one.state, one.tries) for job in jobs for one in await webhooks.of_job(job.id)]


@pytest.fixture
async def off(webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver) -> JobRecord:
    """A job whose address was switched off."""
    receiving.answers = [500]
    job = await ended(store, key_id, receiving.url)
    await webhooks.deliver_due()
    await failing_for(store, 3 * DAY + 1)
    await overdue(store)
    await webhooks.deliver_due()
    return job


async def test_an_address_that_failed_for_three_days_is_switched_off_and_its_key_says_so(
    webhooks: Webhooks, store: Store, off: JobRecord, receiving: Receiver
) -> None:
    later = await ended(store, off.key_id, receiving.url + "?job=2")
    await webhooks.deliver_due()

    assert await states(webhooks, off, later) == [("given_up", 2), ("given_up", 0)]
    assert len(receiving.received) == 2
    assert (await Access(store.database).get(off.key_id)).webhook_disabled_at is not None
    (address,) = await webhooks.addresses.of(off.key_id)
    assert (address.address, address.disabled_at is None) == (receiving.url, False)


@pytest.mark.parametrize("seconds", [0, 2.9 * DAY])
async def test_before_that_it_is_tried_on(
    webhooks: Webhooks,
    store: Store,
    key_id: uuid.UUID,
    receiving: Receiver,
    seconds: float,
) -> None:
    receiving.answers = [500]
    job = await ended(store, key_id, receiving.url)
    await webhooks.deliver_due()
    await failing_for(store, seconds)
    await overdue(store)
    await webhooks.deliver_due()

    assert await states(webhooks, job) == [("waiting", 2)]
    assert (await Access(store.database).get(key_id)).webhook_disabled_at is None


async def test_one_success_begins_the_three_days_anew(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    receiving.answers = [500, 204, 500]
    jobs = [await ended(store, key_id, receiving.url)]
    await webhooks.deliver_due()
    await failing_for(store, 4 * DAY)
    await overdue(store)
    await webhooks.deliver_due()
    jobs.append(await ended(store, key_id, receiving.url))
    await webhooks.deliver_due()

    assert await states(webhooks, *jobs) == [("delivered", 2), ("waiting", 1)]


async def test_what_waits_for_an_address_is_given_up_with_it_and_nothing_else_is(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    receiving.answers = [500]
    other = await new_key(store.database, "other")
    same, elsewhere, others = [
        await ended(store, key_id, receiving.url + "?n=1"),
        await ended(store, key_id, receiving.url + "/else"),
        await ended(store, other, receiving.url),
    ]
    await webhooks.deliver_due()
    await failing_for(store, 4 * DAY)
    await store.database.do(
        "DELETE FROM webhook_addresses WHERE key_id = %(o)s OR address LIKE '%%else'", o=other
    )
    last = await ended(store, key_id, receiving.url)
    await webhooks.deliver_due()

    assert await states(webhooks, same, last) == [("given_up", 1)] * 2
    assert await states(webhooks, elsewhere, others) == [("waiting", 1)] * 2
    assert (await Access(store.database).get(other)).webhook_disabled_at is None


async def test_a_redelivery_that_succeeds_switches_it_on_again(
    webhooks: Webhooks, store: Store, off: JobRecord, receiving: Receiver
) -> None:
    receiving.answers = [204]

    assert await webhooks.redeliver_since(datetime(2000, 1, 1, tzinfo=UTC), off.key_id) == 1
    await webhooks.deliver_due()
    later = await ended(store, off.key_id, receiving.url)
    await webhooks.deliver_due()

    assert await states(webhooks, off, later) == [("delivered", 3), ("delivered", 1)]
    assert (await Access(store.database).get(off.key_id)).webhook_disabled_at is None


async def test_a_redelivery_that_fails_is_one_try_and_leaves_it_off(
    webhooks: Webhooks, store: Store, off: JobRecord, receiving: Receiver
) -> None:
    await webhooks.redeliver_since(datetime(2000, 1, 1, tzinfo=UTC), off.key_id)
    await webhooks.deliver_due()
    await overdue(store)
    await webhooks.deliver_due()

    assert await states(webhooks, off) == [("given_up", 3)]
    assert (await Access(store.database).get(off.key_id)).webhook_disabled_at is not None


@pytest.mark.parametrize("url", [None, "https://example.com/hook"])
async def test_setting_the_keys_address_anew_switches_everything_on(
    webhooks: Webhooks, store: Store, off: JobRecord, receiving: Receiver, url: str | None
) -> None:
    receiving.answers = [204]
    await store.database.do("UPDATE keys SET hash = 'as one that people use has'")

    changed = await Access(store.database).set_webhook_url(off.key_id, url)
    later = await ended(store, off.key_id, receiving.url)
    await webhooks.deliver_due()

    assert (changed.webhook_url, changed.webhook_disabled_at) == (url, None)
    assert await states(webhooks, later) == [("delivered", 1)]


async def test_an_old_failure_is_forgotten_and_what_is_off_is_not(
    webhooks: Webhooks, store: Store, off: JobRecord, receiving: Receiver
) -> None:
    for path in ("/old", "/new"):
        await ended(store, off.key_id, receiving.url + path)
    await webhooks.deliver_due()
    await store.database.do(
        "UPDATE webhook_addresses SET failed_at = now() - interval '15 days' WHERE address NOT LIKE '%%new'"
    )

    await webhooks.addresses.tidy()

    found = {
        address.address.removeprefix(receiving.url) for address in await webhooks.addresses.of(off.key_id)
    }
    assert found == {"", "/new"}
