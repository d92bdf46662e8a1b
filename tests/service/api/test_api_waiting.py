"""What waits, by priority and key, and how an admin has some of it begin next."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from .conftest import Service, error_of, id_of, submitted


@pytest.fixture
async def admin(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client("read", "admin", name="admin") as client:
        yield client


async def waiting(admin: httpx.AsyncClient) -> list[dict[str, Any]]:
    return list((await admin.get("/api/v2/queue/waiting")).json()["waiting"])


async def order(service: Service) -> list[UUID]:
    """The jobs as workers would take them."""
    query = """SELECT jobs.id FROM jobs JOIN procrastinate_jobs AS own ON own.id = jobs.queue_id
                WHERE own.status = 'todo' ORDER BY own.priority DESC, own.id"""
    return [row["id"] for row in await service.core.database.all(query)]


async def test_what_waits_is_counted_by_priority_and_key(service: Service, admin: httpx.AsyncClient):
    async with service.client(name="one") as one, service.client(name="two", max_running=1) as two:
        for _ in range(2):
            await submitted(one)
            await submitted(two)
        await submitted(one, priority=5)

        told = await waiting(admin)

    assert [(row["priority"], row["key_name"], row["count"], row["is_held"]) for row in told] == [
        (5, "one", 1, False),
        (0, "one", 2, False),
        (0, "two", 2, True),
    ]


async def test_what_a_key_has_waiting_begins_next(service: Service, admin: httpx.AsyncClient):
    async with service.client(name="one") as one, service.client(name="two") as two:
        high = id_of(await submitted(one, priority=5))
        first = [id_of(await submitted(one)) for _ in range(3)]
        second = [id_of(await submitted(two)) for _ in range(2)]
        key_id = next(row["key_id"] for row in await waiting(admin) if row["key_name"] == "two")

        answer = await admin.post("/api/v2/queue/front", json={"key_id": key_id, "priority": 0})
        late = id_of(await submitted(two, priority=5))
        async with service.client(name="three") as three:
            newcomer = id_of(await submitted(three))

        assert answer.json() == {"count": 2}
        assert await order(service) == [*second, high, late, first[0], newcomer, *first[1:]]
        assert (await two.get(f"/api/v2/jobs/{second[0]}")).json()["queue_position"] == 0


async def test_moving_what_is_not_there_moves_nothing(admin: httpx.AsyncClient, client: httpx.AsyncClient):
    await submitted(client)

    answer = await admin.post("/api/v2/queue/front", json={"key_id": str(UUID(int=0)), "priority": 0})

    assert answer.json() == {"count": 0}


async def test_a_key_for_submitting_may_not(client: httpx.AsyncClient):
    answer = await client.post("/api/v2/queue/front", json={"key_id": str(UUID(int=0)), "priority": 0})

    assert error_of(answer) == (403, "forbidden")
    assert error_of(await client.get("/api/v2/queue/waiting")) == (403, "forbidden")
