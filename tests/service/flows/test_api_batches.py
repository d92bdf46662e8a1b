"""Batches: all or none is queued, counted together, told of together."""

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest
from tests.service.flows.conftest import COLOUR, DRAW, register
from tests.service.receiver import Receiver, receiver

from comfywire.service.access.callers import Caller
from comfywire.service.batches import MOST_JOBS, BatchOrder, BatchSource, submit_batch
from comfywire.service.core import Core
from comfywire.service.submission import Submission


async def submit(http: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await http.post("/api/v2/batches", json={"workflow": DRAW, **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def refusal(http: httpx.AsyncClient, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await http.post("/api/v2/batches", json=body)
    return answer.status_code, answer.json()["error"]


async def told(http: httpx.AsyncClient, batch: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every event of a batch until its end."""
    events = []
    async with http.stream("GET", batch["urls"]["events"]) as stream:
        name = ""
        async for line in stream.aiter_lines():
            field, _, value = line.partition(": ")
            name = value if field == "event" else name
            if field == "data":
                events.append((name, json.loads(value)))
    return events


async def prompts(core: Core, batch: dict[str, Any]) -> list[dict[str, Any]]:
    return [(await core.store.graph(uuid.UUID(job_id)))[0] for job_id in batch["job_ids"]]


async def test_a_batch_runs_every_job_and_ends_with_the_last(http, comfyui):
    batch = await submit(http, inputs=[{"1.color": 1}, {"1.color": 2}, {"1.color": 3}])

    events = await told(http, batch)

    ended = (await http.get(batch["urls"]["self"])).json()
    assert (ended["size"], ended["counts"]) == (3, {"succeeded": 3})
    assert ended["completed_at"] is not None
    assert [job["id"] for job in ended["jobs"]] == batch["job_ids"]
    assert [job["batch_index"] for job in ended["jobs"]] == [0, 1, 2]
    assert events[-1] == ("status", {"status": "completed", "counts": {"succeeded": 3}})
    ends = {data["index"] for name, data in events if name == "job" and data["status"] == "succeeded"}
    assert ends == {0, 1, 2}


async def test_each_entry_is_in_the_prompt_of_its_job(http, core):
    batch = await submit(http, inputs=[{"1.color": 7, "1.width": 32}, {"1.color": 8}])

    first, second = await prompts(core, batch)

    assert (first["1"]["inputs"]["color"], first["1"]["inputs"]["width"]) == (7, 32)
    assert (second["1"]["inputs"]["color"], second["1"]["inputs"]["width"]) == (8, 16)


async def test_a_product_is_every_combination_the_last_name_fastest(http, core):
    batch = await submit(http, product={"1.color": [1, 2], "1.width": [8, 16, 24]})

    inputs = [prompt["1"]["inputs"] for prompt in await prompts(core, batch)]

    assert [(one["color"], one["width"]) for one in inputs] == [(c, w) for c in (1, 2) for w in (8, 16, 24)]


async def test_a_registered_workflow_takes_its_parameters(http, core):
    await register(http, "draw", DRAW, parameters=COLOUR, options={"priority": 3})

    batch = await submit(http, workflow=None, name="draw", inputs=[{"color": 5}, {"color": 6}])

    assert [prompt["1"]["inputs"]["color"] for prompt in await prompts(core, batch)] == [5, 6]
    jobs = (await http.get("/api/v2/jobs", params={"batch_id": batch["id"]})).json()["jobs"]
    assert {(job["workflow_name"], job["priority"], job["batch_id"]) for job in jobs} == {
        ("draw", 3, batch["id"])
    }


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        pytest.param({"color": "blue"}, "invalid_input", id="a-value"),
        pytest.param({"colour": 1}, "invalid_input", id="a-name"),
        pytest.param({"color": -1}, "invalid_input", id="a-limit"),
    ],
)
async def test_one_bad_entry_queues_nothing_and_is_named(http, entry, code):
    await register(http, "draw", DRAW, parameters=COLOUR)

    status, error = await refusal(http, name="draw", inputs=[{"color": 1}, entry, {"color": 2}])

    assert (status, error["code"], error["details"]["index"]) == (422, code, 1)
    assert "entry 1" in error["message"]
    assert (await http.get("/api/v2/jobs")).json()["jobs"] == []
    assert (await http.get("/api/v2/batches")).json()["batches"] == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"workflow": DRAW}, id="no-entries"),
        pytest.param({"workflow": DRAW, "inputs": []}, id="an-empty-list"),
        pytest.param({"inputs": [{}]}, id="no-workflow"),
        pytest.param({"workflow": DRAW, "name": "draw", "inputs": [{}]}, id="two-workflows"),
        pytest.param({"workflow": DRAW, "inputs": [{}], "product": {"1.color": [1]}}, id="both-lists"),
        pytest.param({"workflow": DRAW, "inputs": [{}] * (MOST_JOBS + 1)}, id="too-many"),
        pytest.param(
            {"workflow": DRAW, "product": {"1.color": [*range(40)], "1.width": [8] * 40}},
            id="too-many-by-product",
        ),
        pytest.param({"workflow": DRAW, "inputs": [{}], "webhook_url": "ftp://x"}, id="no-webhook"),
        pytest.param({"workflow": DRAW, "version": 2, "inputs": [{}]}, id="a-version-of-nothing"),
    ],
)
async def test_what_is_no_batch_is_refused_in_words(http, body):
    status, error = await refusal(http, **body)

    assert status == 422
    assert error["message"]
    assert (await http.get("/api/v2/jobs")).json()["jobs"] == []


async def test_a_batch_counts_against_the_keys_limit_as_a_whole(http, core):
    await core.database.do(
        "UPDATE keys SET max_queued = 3 WHERE id = %(id)s", id=await core.access.local_key()
    )

    status, error = await refusal(http, workflow=DRAW, inputs=[{}] * 5)

    assert (status, error["code"]) == (429, "queue_full")
    assert (await http.get("/api/v2/jobs")).json()["jobs"] == []
    assert len((await submit(http, inputs=[{}] * 3))["job_ids"]) == 3


async def test_the_same_request_under_its_key_is_the_same_batch(http):
    headers = {"Idempotency-Key": "once"}
    body = {"workflow": DRAW, "inputs": [{"1.color": 1}, {"1.color": 2}]}

    first = await http.post("/api/v2/batches", json=body, headers=headers)
    again = await http.post("/api/v2/batches", json=body, headers=headers)
    other = await http.post("/api/v2/batches", json={**body, "priority": 1}, headers=headers)

    assert (first.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.json()["error"]["code"] == "idempotency_key_reuse"
    assert len((await http.get("/api/v2/jobs")).json()["jobs"]) == 2


async def test_canceling_a_batch_ends_what_has_not_ended(http, core):
    batch = await submit(http, inputs=[{}] * 4)
    await core.store.cancel(uuid.UUID(batch["job_ids"][0]))

    canceled = (await http.post(batch["urls"]["cancel"])).json()

    assert (canceled["counts"], canceled["completed_at"] is not None) == ({"canceled": 4}, True)


async def test_its_jobs_come_in_pages(http):
    batch = await submit(http, inputs=[{}] * 5)

    first = (await http.get(batch["urls"]["self"], params={"limit": 3})).json()
    rest = (await http.get(batch["urls"]["self"], params={"cursor": first["next_cursor"]})).json()

    assert [job["id"] for page in (first, rest) for job in page["jobs"]] == batch["job_ids"]
    assert rest["next_cursor"] is None


async def test_one_webhook_tells_the_end_of_them_all_and_a_retry_opens_the_batch_again(http, core):
    async with receiver() as receiving:
        batch = await submit(http, inputs=[{}] * 3, webhook_url=receiving.url)
        await http.post(batch["urls"]["cancel"])
        await deliver(core)

        assert news(receiving) == [("batch.completed", batch["id"], {"canceled": 3})]

        await core.store.retry(uuid.UUID(batch["job_ids"][0]))
        reopened = (await http.get(batch["urls"]["self"])).json()
        assert (reopened["completed_at"], reopened["counts"]) == (None, {"canceled": 2, "queued": 1})


async def test_a_batch_that_names_no_address_tells_its_keys_own_once(core):
    async with receiver() as receiving:
        caller = Caller(await core.access.local_key(), "local", frozenset(), webhook_url=receiving.url)
        source = BatchSource(graph=DRAW)
        order = BatchOrder(source=source, entries=[{}] * 3, common=Submission(workflow={}))
        await submit_batch(core, caller, order, None, lambda batch, ids: {"id": str(batch.id)})
        for job in await core.store.search():
            await core.store.cancel(job.id)
        await deliver(core)

        assert [(kind, counts) for kind, _, counts in news(receiving)] == [
            ("batch.completed", {"canceled": 3})
        ]


async def test_the_last_two_ends_at_once_are_one_end_of_the_batch(http, core):
    async with receiver() as receiving:
        batches = [await submit(http, inputs=[{}] * 2, webhook_url=receiving.url) for _ in range(5)]
        ids = [uuid.UUID(job_id) for batch in batches for job_id in batch["job_ids"]]

        await asyncio.gather(*map(core.store.cancel, ids))
        await deliver(core)

        assert sorted(batch_id for _, batch_id, _ in news(receiving)) == sorted(b["id"] for b in batches)


async def test_a_batch_goes_with_its_last_job(http, core):
    batch = await submit(http, inputs=[{}] * 2)
    await http.post(batch["urls"]["cancel"])

    await core.database.do("DELETE FROM jobs WHERE batch_index = 0")
    assert (await http.get(batch["urls"]["self"])).json()["counts"] == {"canceled": 1}
    await core.database.do("DELETE FROM jobs")
    assert (await http.get(batch["urls"]["self"])).status_code == 404


async def deliver(core: Core) -> None:
    """Deliver every webhook that is due."""
    while await core.webhooks.deliver_due():
        pass


def news(receiving: Receiver) -> list[tuple[str, str, dict[str, int]]]:
    bodies = [json.loads(request.body) for request in receiving.received]
    return [(body["type"], body["data"]["id"], body["data"]["counts"]) for body in bodies]
