"""/api/jobs on the service: what the editor's queue and history panels read."""

import uuid
from typing import Any

import httpx
import pytest
from tests.service.making import changed
from tests.service.native.conftest import Service, ended, submitted

from comfywire.server import Server
from comfywire.service.jobs.states import JobState
from comfywire.service.native.job_view import ended_job, in_full


async def listed(client: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = (await client.get("/api/jobs", params=query)).json()["jobs"]
    return jobs


async def test_a_job_is_told_while_it_waits_runs_and_has_ended(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    extra = {"extra_pnginfo": {"workflow": {"id": "flow"}}}
    prompt_id = await submitted(client, extra_data=extra)
    (waits,) = await listed(client)
    assert (waits["id"], waits["status"], waits["workflow_id"]) == (prompt_id, "pending", "flow")
    assert (waits["outputs_count"], waits["previewable_outputs_count"]) == (0, 0)

    async with service.worker(server):
        entry = await ended(client, prompt_id)

    (job,) = await listed(client, limit="200", offset="0", status="completed,failed,cancelled")
    assert (job["status"], job["outputs_count"], job["previewable_outputs_count"]) == ("completed", 1, 1)
    assert job["preview_output"]["filename"] == entry["outputs"]["2"]["images"][0]["filename"]
    assert job["create_time"] <= job["execution_start_time"] <= job["execution_end_time"]
    full = (await client.get(f"/api/jobs/{prompt_id}")).json()
    assert full["outputs"] == entry["outputs"]
    assert full["workflow"] == {"prompt": entry["prompt"][2], "extra_data": entry["prompt"][3]}


async def test_jobs_are_filtered_and_paged(service: Service, client: httpx.AsyncClient) -> None:
    ids = [await submitted(client) for _ in range(3)]
    for prompt_id, to in zip(ids, (JobState.SUCCEEDED, JobState.FAILED, None), strict=True):
        await changed(service.core.store, uuid.UUID(prompt_id), JobState.RUNNING)
        if to is not None:
            await changed(service.core.store, uuid.UUID(prompt_id), to)

    assert [job["id"] for job in await listed(client, sort_order="asc")] == ids
    assert [job["id"] for job in await listed(client, status="FAILED, in_progress")] == [ids[2], ids[1]]
    answer = (await client.get("/api/jobs", params={"limit": "1", "offset": "1"})).json()
    assert answer["pagination"] == {"offset": 1, "limit": 1, "total": 3, "has_more": True}
    assert [job["id"] for job in answer["jobs"]] == [ids[1]]


async def test_another_keys_jobs_are_not_there(service: Service, client: httpx.AsyncClient) -> None:
    prompt_id = await submitted(client)

    async with service.client(name="another") as other:
        assert await listed(other) == []
        assert (await other.get(f"/api/jobs/{prompt_id}")).status_code == 404
        told = await other.post(f"/api/jobs/{prompt_id}/cancel")
        several = await other.post("/api/jobs/cancel", json={"job_ids": [prompt_id]})

    assert told.json() == several.json() == {"cancelled": False}
    assert [job["status"] for job in await listed(client)] == ["pending"]


async def test_a_job_is_canceled_and_leaves_no_trace_if_it_waited(client: httpx.AsyncClient) -> None:
    first, second = await submitted(client), await submitted(client)

    one = await client.post(f"/api/jobs/{first}/cancel")
    several = await client.post("/api/jobs/cancel", json={"job_ids": [second, str(uuid.uuid4())]})

    assert one.json() == several.json() == {"cancelled": True}
    assert await listed(client) == []


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"limit": "0"}, "limit must be a positive integer"),
        ({"offset": "x"}, "offset must be an integer"),
        ({"sort_by": "x"}, "sort_by must be 'created_at' or 'execution_duration'"),
        (
            {"status": "done,failed"},
            "Invalid status value(s): done. Valid values: pending, in_progress, completed, failed, cancelled",
        ),
    ],
)
async def test_a_wrong_question_is_a_400_with_a_sentence(
    client: httpx.AsyncClient, query: dict[str, str], error: str
) -> None:
    answer = await client.get("/api/jobs", params=query)

    assert (answer.status_code, answer.json()) == (400, {"error": error})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{not json", "Request body must be valid JSON"),
        (b"{}", "job_ids must be a list"),
        (b'{"job_ids": ["x"]}', "job_ids contains invalid id(s)"),
    ],
)
async def test_ids_that_cannot_be_are_refused(client: httpx.AsyncClient, body: bytes, error: str) -> None:
    answer = await client.post("/api/jobs/cancel", content=body)

    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_none_of_it_is_there_without_the_prefix(client: httpx.AsyncClient) -> None:
    assert (await client.get("/jobs")).status_code == 404


def entry(outputs: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {
        "prompt": [7, "id", {}, {}, []],
        "outputs": outputs,
        "status": {"status_str": "success", "messages": [], **status},
        "meta": {},
    }


@pytest.mark.parametrize(
    ("outputs", "preview"),
    [
        (
            {
                "1": {"images": [{"filename": "t.png", "type": "temp", "subfolder": ""}]},
                "2": {"images": [{"filename": "o.png", "type": "output", "subfolder": ""}]},
            },
            ("2", "images"),
        ),
        ({"1": {"text": ["hello"]}}, ("1", "text")),
        ({"1": {"result": ["job/a.glb", None]}}, ("1", "3d")),
        ({"1": {"animated": [True], "odd": [7]}}, None),
    ],
)
def test_the_best_output_stands_for_the_job(outputs: dict[str, Any], preview: Any) -> None:
    told = ended_job("id", entry(outputs)).get("preview_output")

    assert (None if told is None else (told["nodeId"], told["mediaType"])) == preview


def test_a_3d_model_is_told_as_a_file_with_its_folder() -> None:
    full = in_full({}, entry({"1": {"result": ["job/a.glb", None]}}))

    model = {"filename": "a.glb", "type": "output", "subfolder": "job", "mediaType": "3d"}
    assert full["outputs"] == {"1": {"result": [model]}}


def test_an_interrupt_is_told_apart_from_a_failure() -> None:
    interrupted = {"status_str": "error", "messages": [["execution_interrupted", {"timestamp": 5}]]}

    assert ended_job("id", entry({}, **interrupted))["status"] == "cancelled"
    assert ended_job("id", entry({}, status_str="error"))["status"] == "failed"
