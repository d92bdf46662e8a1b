"""/queue, /history and /interrupt on the service: a key's own, from one look at the database."""

import asyncio
import json
import secrets
import uuid
from typing import Any

import httpx
import pytest
from tests.server.wire import sleeper
from tests.service.making import changed
from tests.service.native.conftest import Service, ended, submitted
from tests.service.rig import picture

from comfywire.server import Server
from comfywire.service.jobs.native_prompts import NativePrompts
from comfywire.service.jobs.states import JobState
from comfywire.service.native.history import History


async def queued(client: httpx.AsyncClient) -> tuple[list[str], list[str]]:
    """What runs and what waits."""
    answer = (await client.get("/queue")).json()
    return [item[1] for item in answer["queue_running"]], [item[1] for item in answer["queue_pending"]]


async def ran(service: Service, prompt_id: str, to: JobState = JobState.SUCCEEDED) -> None:
    """Have a job end without a ComfyUI."""
    await changed(service.core.store, uuid.UUID(prompt_id), JobState.RUNNING)
    await changed(service.core.store, uuid.UUID(prompt_id), to)


async def test_what_waits_is_an_item_of_five_parts(service: Service, client: httpx.AsyncClient) -> None:
    prompt_id = await submitted(client, client_id="me", extra_data={"x": 1})

    (item,) = (await client.get("/api/queue")).json()["queue_pending"]

    number, its_id, graph, extra_data, outputs = item
    assert (its_id, graph, outputs) == (prompt_id, picture(), [])
    assert (extra_data["x"], extra_data["client_id"], set(extra_data)) == (
        1,
        "me",
        {"x", "client_id", "create_time"},
    )
    assert isinstance(number, int)
    assert (await client.get("/prompt")).json() == {"exec_info": {"queue_remaining": 1}}


async def test_a_long_queue_has_the_graphs_of_its_first_prompts(
    service: Service, client: httpx.AsyncClient
) -> None:
    ids = [await submitted(client, number=place) for place in (3, 1, 2)]

    _, pending = await queued(client)

    assert pending == [ids[1], ids[2], ids[0]]


async def test_deleting_takes_what_waits_and_nothing_that_runs(
    service: Service, client: httpx.AsyncClient
) -> None:
    running, first, second = [await submitted(client) for _ in range(3)]
    await changed(service.core.store, uuid.UUID(running), JobState.RUNNING)

    answer = await client.post("/queue", json={"delete": [first, running, "unknown", 7]})

    assert (answer.status_code, answer.content) == (200, b"")
    assert await queued(client) == ([running], [second])
    assert (await client.get(f"/history/{first}")).json() == {}


async def test_clearing_is_about_the_callers_own(service: Service, client: httpx.AsyncClient) -> None:
    mine = await submitted(client)
    async with service.client(name="another") as other:
        theirs = await submitted(other)

        await other.post("/queue", json={"clear": True, "delete": [mine]})

        assert await queued(other) == ([], [])
        assert await queued(client) == ([], [mine])
        assert (await other.get(f"/history/{mine}")).json() == {}
    assert theirs != mine


@pytest.mark.parametrize("named", ["by-id", "by-client", "by-nothing"])
async def test_an_interrupt_ends_one_prompt_of_the_callers(
    service: Service, client: httpx.AsyncClient, named: str
) -> None:
    store = service.core.store
    mine = [await submitted(client, client_id=one) for one in ("a", "b", "a")]
    async with service.client(name="another") as other:
        theirs = await submitted(other)
    for prompt_id in (*mine, theirs):
        await changed(store, uuid.UUID(prompt_id), JobState.RUNNING)
    body, query = {
        "by-id": ({"prompt_id": mine[0]}, ""),
        "by-client": ({}, "?clientId=b"),
        "by-nothing": ({}, ""),
    }[named]

    assert (await client.post(f"/interrupt{query}", json=body)).status_code == 200

    states = {prompt_id: await store.get(uuid.UUID(prompt_id)) for prompt_id in (*mine, theirs)}
    hit = [prompt_id for prompt_id, job in states.items() if job is not None and job.state != "running"]
    assert hit == [mine[{"by-id": 0, "by-client": 1, "by-nothing": 2}[named]]]


async def test_an_interrupt_for_another_keys_prompt_does_nothing(
    service: Service, client: httpx.AsyncClient
) -> None:
    mine = await submitted(client)
    await changed(service.core.store, uuid.UUID(mine), JobState.RUNNING)

    async with service.client(name="another") as other:
        await other.post("/interrupt", json={"prompt_id": mine})
        await other.post("/interrupt", content=b"{no json")

    assert await queued(client) == ([mine], [])


async def test_a_prompt_that_ran_is_in_history_as_a_comfyui_has_it(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    async with service.worker(server):
        prompt_id = await submitted(client, client_id="me")
        entry = await ended(client, prompt_id)

    assert list(entry) == ["prompt", "outputs", "status", "meta"]
    assert entry["prompt"][1:3] == [prompt_id, picture()]
    (image,) = entry["outputs"]["2"]["images"]
    assert (image["subfolder"], image["type"]) == (prompt_id, "output")
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("success", True)
    assert [name for name, _ in entry["status"]["messages"]][-1] == "execution_success"
    assert all(told["prompt_id"] == prompt_id for _, told in entry["status"]["messages"])


@pytest.mark.parametrize(
    ("to", "last"),
    [
        (JobState.SUCCEEDED, "execution_success"),
        (JobState.FAILED, "execution_error"),
        (JobState.CANCELED, "execution_interrupted"),
    ],
)
async def test_what_no_comfyui_tells_of_is_told_all_the_same(
    service: Service, client: httpx.AsyncClient, to: JobState, last: str
) -> None:
    prompt_id = await submitted(client)
    await ran(service, prompt_id, to)

    status = (await ended(client, prompt_id))["status"]

    assert status["completed"] is (to is JobState.SUCCEEDED)
    assert [name for name, _ in status["messages"]] == ["execution_start", last]


INTERRUPTED = "UPDATE native_prompts SET entry = '{}' WHERE job_id = %(id)s"


async def test_what_was_kept_of_a_prompt_is_told_though_it_was_interrupted(
    service: Service, client: httpx.AsyncClient
) -> None:
    prompt_id = await submitted(client)
    await service.core.database.do(
        "INSERT INTO outputs (job_id, position, node_id, key, kind, value) "
        "VALUES (%(id)s, 0, '2', 'text', 'text', '\"kept\"')",
        id=uuid.UUID(prompt_id),
    )
    await service.core.database.do(INTERRUPTED, id=uuid.UUID(prompt_id))
    await changed(service.core.store, uuid.UUID(prompt_id), JobState.CANCELED)

    assert (await ended(client, prompt_id))["outputs"] == {"2": {"text": ["kept"]}}


async def test_a_prompt_that_is_retried_and_deleted_before_it_begins_leaves_no_trace(
    service: Service, client: httpx.AsyncClient
) -> None:
    prompt_id = await submitted(client)
    await service.core.database.do(INTERRUPTED, id=uuid.UUID(prompt_id))
    await changed(service.core.store, uuid.UUID(prompt_id), JobState.CANCELED)
    assert prompt_id in (await client.get("/history")).json()

    await service.core.store.retry(uuid.UUID(prompt_id))
    await client.post("/queue", json={"delete": [prompt_id]})

    assert prompt_id not in (await client.get("/history")).json()


@pytest.fixture
async def four(service: Service, client: httpx.AsyncClient) -> list[str]:
    ids = [await submitted(client) for _ in range(4)]
    for prompt_id in ids:
        await ran(service, prompt_id)
    return ids


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ("?max_items=2", [2, 3]),
        ("?max_items=2&offset=1", [1, 2]),
        ("?offset=3", [3]),
        ("?max_items=2&offset=9", []),
        ("?max_items=0", []),
        ("?max_items=-1", []),
        ("?max_items=0&offset=0", [0]),
        ("?offset=-1", [0, 1, 2, 3]),
        ("?prompt_id=x", [0, 1, 2, 3]),
    ],
)
async def test_history_is_paged_as_there(
    client: httpx.AsyncClient, four: list[str], query: str, expected: list[int]
) -> None:
    assert list((await client.get(f"/history{query}")).json()) == [four[index] for index in expected]


@pytest.mark.parametrize(("room", "told"), [(0, 1), (1.5, 1), (2.5, 2), (3.5, 3)])
async def test_an_answer_has_the_newest_entries_that_have_room(
    service: Service, client: httpx.AsyncClient, four: list[str], room: float, told: int
) -> None:
    key_id = (await service.core.store.get(uuid.UUID(four[0]))).key_id  # type: ignore[union-attr]
    prompts = NativePrompts(service.core.database)
    entry = len((await client.get(f"/history/{four[0]}")).content)

    page = await History(int(room * entry)).page(prompts, key_id, await prompts.ended(key_id, most=10_000))

    assert list(json.loads(page.plain)) == four[4 - told :]


async def test_of_a_queue_of_large_graphs_the_first_alone_is_told(
    service: Service, client: httpx.AsyncClient
) -> None:
    noise = secrets.token_urlsafe(3 << 20)[: 3 << 20]  # which PostgreSQL does not make smaller
    extra = {"extra_pnginfo": {"workflow": noise}}
    ids = [await submitted(client, extra_data=extra) for _ in range(3)]

    items = (await client.get("/queue")).json()["queue_pending"]

    assert [item[1] for item in items] == ids
    assert [bool(item[2]) for item in items] == [True, True, False]


async def test_deleted_entries_are_hidden_and_the_jobs_stay(
    service: Service, client: httpx.AsyncClient, four: list[str]
) -> None:
    async with service.client(name="another") as other:
        await other.post("/history", json={"clear": True, "delete": four})
    assert len((await client.get("/history")).json()) == 4

    await client.post("/history", json={"delete": [four[0], four[2], "unknown"]})
    assert list((await client.get("/history")).json()) == [four[1], four[3]]
    await client.post("/history", json={"clear": True})

    assert (await client.get("/history")).json() == {}
    assert (await client.get(f"/history/{four[1]}")).json() == {}
    assert await service.core.store.get(uuid.UUID(four[0])) is not None


async def test_an_unchanged_history_is_not_sent_again(
    service: Service, client: httpx.AsyncClient, four: list[str]
) -> None:
    first = await client.get("/history")
    again = await client.get("/history", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")

    prompt_id = await submitted(client)
    await ran(service, prompt_id)
    changed_ = await client.get("/history", headers={"If-None-Match": first.headers["etag"]})

    assert (changed_.status_code, list(changed_.json())) == (200, [*four, prompt_id])


async def test_a_poller_sees_each_prompt_in_the_queue_or_in_history(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    """AstrBot and n8n ask for the queue and, where it is not there, once for the history."""
    ids: list[str] = []

    async def submit(color: int) -> None:
        ids.append(await submitted(client, sleeper(0.02, color)))

    async def submit_all() -> None:
        for color in range(12):
            await submit(color)

    async with service.worker(server):
        submitting = asyncio.create_task(submit_all())
        history: dict[str, Any] = {}
        while not (submitting.done() and set(ids) <= set(history)):
            known = set(ids)
            running, pending = await queued(client)
            history = (await client.get("/history")).json()
            assert known <= {*running, *pending, *history}
        await submitting


async def test_many_pollers_of_one_history_cost_one_rendering(
    service: Service, client: httpx.AsyncClient, four: list[str]
) -> None:
    answers = await asyncio.gather(*(client.get("/history") for _ in range(20)))

    assert {answer.headers["etag"] for answer in answers} == {answers[0].headers["etag"]}
    assert answers[0].headers.get("content-encoding") == "gzip"


async def test_a_job_of_the_comfy_api_v2_is_in_no_queue_of_a_comfyui(service: Service) -> None:
    async with service.client("submit", "read") as both:
        await both.post("/api/v2/jobs", json={"workflow": picture()})
        native = await submitted(both)

        assert await queued(both) == ([], [native])
        listed: list[Any] = (await both.get("/api/v2/jobs")).json()["jobs"]
        assert len(listed) == 2
        assert native in {job["id"] for job in listed}
