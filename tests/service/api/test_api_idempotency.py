import asyncio
from typing import Any

import httpx
import pytest
from tests.service.rig import until

from .conftest import PROMPT, Service, error_of


async def post(client: httpx.AsyncClient, key: str, **body: Any) -> httpx.Response:
    return await client.post(
        "/api/v2/jobs", json={"workflow": PROMPT, **body}, headers={"Idempotency-Key": key}
    )


async def jobs_of(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/api/v2/jobs")).json()["jobs"]
    return found


async def test_the_same_request_once_more_gets_the_first_answer(client: httpx.AsyncClient):
    first = await post(client, "one", metadata={"a": "b"})
    await client.post(first.json()["urls"]["cancel"])

    again = await post(client, "one", metadata={"a": "b"})

    assert (again.status_code, again.json()) == (201, first.json())
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(await jobs_of(client)) == 1


async def test_a_key_that_is_used_for_another_request_is_refused(client: httpx.AsyncClient):
    await post(client, "one")

    assert error_of(await post(client, "one", priority=1)) == (422, "idempotency_key_reuse")


async def test_secrets_are_no_part_of_what_is_compared(client: httpx.AsyncClient):
    first = await post(client, "one", extra_data={"api_key_comfy_org": "old"})

    again = await post(client, "one", extra_data={"api_key_comfy_org": "new"})

    assert again.json()["id"] == first.json()["id"]


async def test_keys_of_two_callers_have_nothing_to_do_with_each_other(
    service: Service, client: httpx.AsyncClient
):
    first = await post(client, "one")

    async with service.client(name="another") as other:
        second = await post(other, "one", priority=1)

    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


async def test_requests_at_the_same_time_make_one_job(client: httpx.AsyncClient):
    answers = await asyncio.gather(*[post(client, "one") for _ in range(8)])

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 7


async def test_a_request_that_makes_no_job_leaves_its_key_free(client: httpx.AsyncClient):
    refused = await client.post("/api/v2/jobs", json={"workflow": {}}, headers={"Idempotency-Key": "one"})

    assert error_of(refused) == (422, "invalid_workflow")
    assert (await post(client, "one")).status_code == 201


async def test_a_full_queue_leaves_the_key_free(service: Service):
    async with service.client(max_queued=1) as client:
        waiting = (await post(client, "first")).json()
        assert error_of(await post(client, "one")) == (429, "queue_full")
        await client.post(waiting["urls"]["cancel"])

        assert (await post(client, "one")).status_code == 201


async def test_a_key_is_forgotten_after_a_day(service: Service, client: httpx.AsyncClient):
    first = await post(client, "one")
    await service.core.database.do("UPDATE idempotency SET created_at = now() - interval '25 hours'")

    second = await post(client, "one")

    assert second.json()["id"] != first.json()["id"]
    assert "idempotency-replayed" not in second.headers


async def test_what_is_forgotten_is_removed(service: Service, client: httpx.AsyncClient):
    for number in range(3):
        await post(client, str(number))
    await service.core.database.do("UPDATE idempotency SET created_at = now() - interval '25 hours'")

    await post(client, "new")

    assert await service.core.database.all("SELECT idempotency_key FROM idempotency") == [
        {"idempotency_key": "new"}
    ]


async def test_a_request_that_is_under_way_is_waited_for(service: Service, client: httpx.AsyncClient):
    async with service.core.database.transaction() as connection:
        (key,) = [key for key in await service.core.access.list() if key.name == "a test"]
        await connection.execute(
            "INSERT INTO idempotency (key_id, idempotency_key, route, body_hash) VALUES (%s, 'one', '', '')",
            [key.id],
        )
        waiting = asyncio.create_task(post(client, "one"))
        await until(lambda: somebody_waits(service))
        assert not waiting.done()

    assert error_of(await waiting) == (422, "idempotency_key_reuse")


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"], ids=["empty", "long", "unprintable"])
async def test_a_key_that_is_none_is_refused(client: httpx.AsyncClient, key: str):
    assert error_of(await post(client, key)) == (422, "invalid_request")


async def somebody_waits(service: Service) -> bool:
    """Whether a session of this database waits for another's idempotency key."""
    found = await service.core.database.all(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(found)
