"""The jobs view, which new servers have under /api only."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from tests.conformance.conftest import Place
from tests.conformance.graphs import FOLDER, failing, picture, saved
from tests.server.wire import Feed, Wire

Job = dict[str, Any]


@pytest.fixture
async def jobs(place: Place, wire: Wire) -> None:
    """A new server without jobs of before."""
    if not place.is_new:
        pytest.skip("this server has no jobs view")
    await wire.post("/history", {"clear": True})


async def listed(wire: Wire, **query: str) -> list[Job]:
    status, answer = await wire.get("/api/jobs", params=query)
    assert status == 200
    found: list[Job] = answer["jobs"]
    return found


async def test_old_servers_have_no_jobs_and_new_ones_not_without_api(place: Place, wire: Wire):
    assert (await wire.get("/api/jobs"))[0] == (200 if place.is_new else 404)
    assert (await wire.post("/api/jobs/cancel", {"job_ids": []}))[0] == (200 if place.is_new else 405)
    assert (await wire.get("/jobs"))[0] == 404
    assert (await wire.post("/jobs/cancel", {"job_ids": []}))[0] == 405


@pytest.mark.usefixtures("jobs")
async def test_an_empty_list_has_its_pagination(wire: Wire):
    _, answer = await wire.get("/api/jobs")

    pagination = {"offset": 0, "limit": None, "total": 0, "has_more": False}
    assert answer == {"jobs": [], "pagination": pagination}


@pytest.mark.usefixtures("jobs")
async def test_what_runs_and_what_waits_is_listed_in_few_words(wire: Wire, running: str):
    waiting = await wire.submit(picture(), extra_data={"extra_pnginfo": {"workflow": {"id": "flow"}}})

    by_id = {job["id"]: job for job in await listed(wire)}

    keys = {"id", "status", "priority", "create_time", "outputs_count", "previewable_outputs_count"}
    assert (by_id[running]["status"], set(by_id[running])) == ("in_progress", keys)
    assert (by_id[waiting]["status"], set(by_id[waiting])) == ("pending", keys | {"workflow_id"})
    assert by_id[waiting]["workflow_id"] == "flow"
    assert by_id[waiting] == (await wire.get(f"/api/jobs/{waiting}"))[1]


@pytest.mark.usefixtures("jobs")
async def test_a_completed_job_has_times_and_a_preview(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(saved("job"), feed)
    await feed.until_end(prompt_id)

    (job,) = await listed(wire)

    (image,) = (await wire.history(prompt_id))["outputs"]["2"]["images"]
    assert set(job) == {
        "id",
        "status",
        "priority",
        "create_time",
        "execution_start_time",
        "execution_end_time",
        "outputs_count",
        "previewable_outputs_count",
        "preview_output",
    }
    assert (job["id"], job["status"]) == (prompt_id, "completed")
    assert (job["outputs_count"], job["previewable_outputs_count"]) == (1, 1)
    assert job["preview_output"] == {**image, "nodeId": "2", "mediaType": "images"}
    assert image["subfolder"] == FOLDER
    assert job["create_time"] <= job["execution_start_time"] <= job["execution_end_time"]


@pytest.mark.usefixtures("jobs")
async def test_one_job_is_told_in_full(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(picture(), feed)
    await feed.until_end(prompt_id)
    (brief,) = await listed(wire)

    status, job = await wire.get(f"/api/jobs/{prompt_id}")

    entry = await wire.history(prompt_id)
    full = {
        "outputs": entry["outputs"],
        "execution_status": entry["status"],
        "workflow": {"prompt": entry["prompt"][2], "extra_data": entry["prompt"][3]},
    }
    assert (status, job) == (200, brief | full)


@pytest.mark.usefixtures("jobs")
async def test_an_unknown_job_is_a_404(wire: Wire):
    assert await wire.get(f"/api/jobs/{uuid.uuid4()}") == (404, {"error": "Job not found"})


@pytest.mark.usefixtures("jobs")
async def test_a_failed_job_carries_its_error(wire: Wire, feed: Feed):
    await feed.until_end(await wire.submit(failing(), feed))

    (job,) = await listed(wire)

    assert job["status"] == "failed"
    assert job["execution_error"] == feed.of("execution_error")[0]


@pytest.mark.usefixtures("jobs")
async def test_jobs_are_filtered_sorted_and_paged(wire: Wire, feed: Feed):
    good = await wire.submit(picture(), feed)
    await feed.until_end(good)
    bad = await wire.submit(failing(), feed)
    await feed.until_end(bad)

    assert [job["id"] for job in await listed(wire)] == [bad, good]
    assert [job["id"] for job in await listed(wire, sort_order="asc")] == [good, bad]
    assert [job["id"] for job in await listed(wire, status="completed")] == [good]
    assert [job["id"] for job in await listed(wire, status="FAILED, cancelled")] == [bad]
    assert [job["id"] for job in await listed(wire, limit="1", offset="1")] == [good]
    assert await listed(wire, workflow_id="other") == []
    _, page = await wire.get("/api/jobs", params={"limit": "1"})
    assert page["pagination"] == {"offset": 0, "limit": 1, "total": 2, "has_more": True}


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"limit": "0"}, "limit must be a positive integer"),
        ({"limit": "x"}, "limit must be an integer"),
        ({"offset": "x"}, "offset must be an integer"),
        ({"sort_by": "x"}, "sort_by must be 'created_at' or 'execution_duration'"),
        ({"sort_order": "x"}, "sort_order must be 'asc' or 'desc'"),
        (
            {"status": "done,failed"},
            "Invalid status value(s): done. Valid values: pending, in_progress, completed, failed, cancelled",
        ),
    ],
    ids=str,
)
async def test_a_wrong_question_is_a_400_with_a_sentence(wire: Wire, query, error):
    assert await wire.get("/api/jobs", params=query) == (400, {"error": error})


@pytest.mark.usefixtures("jobs")
async def test_a_running_job_is_cancelled_as_by_an_interrupt(wire: Wire, running: str, feed: Feed):
    assert await wire.post(f"/api/jobs/{running}/cancel") == (200, {"cancelled": True})

    assert "execution_interrupted" in await feed.until_end(running)
    assert [job["status"] for job in await listed(wire)] == ["cancelled"]


@pytest.mark.usefixtures("jobs")
async def test_a_pending_job_that_is_cancelled_leaves_no_trace(wire: Wire, running: str):
    prompt_id = await wire.submit(picture())

    assert await wire.post(f"/api/jobs/{prompt_id}/cancel") == (200, {"cancelled": True})

    assert (await wire.get(f"/api/jobs/{prompt_id}"))[0] == 404
    assert [job["id"] for job in await listed(wire)] == [running]


@pytest.mark.usefixtures("jobs")
async def test_several_are_cancelled_at_once_and_unknown_ones_are_no_error(wire: Wire, running: str):
    ids = [await wire.submit(picture()) for _ in range(2)]

    answer = await wire.post("/api/jobs/cancel", {"job_ids": [*ids, str(uuid.uuid4())]})

    assert answer == (200, {"cancelled": True})
    assert [job["id"] for job in await listed(wire)] == [running]


@pytest.mark.usefixtures("jobs")
async def test_cancelling_what_has_ended_or_never_was_changes_nothing(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(picture(), feed)
    await feed.until_end(prompt_id)

    for job_id in (prompt_id, str(uuid.uuid4()), "no-uuid"):
        assert await wire.post(f"/api/jobs/{job_id}/cancel") == (200, {"cancelled": False})
    assert await wire.post("/api/jobs/cancel", {"job_ids": []}) == (200, {"cancelled": False})
    assert [job["status"] for job in await listed(wire)] == ["completed"]


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"{not json", {"error": "Request body must be valid JSON"}),
        (b"{}", {"error": "job_ids must be a list"}),
        (b"[]", {"error": "job_ids must be a list"}),
        (
            b'{"job_ids": ["x", 7, "F47AC10B-58CC-4372-A567-0E02B2C3D479"]}',
            {
                "error": "job_ids contains invalid id(s)",
                "invalid_ids": ["x", "7", "F47AC10B-58CC-4372-A567-0E02B2C3D479"],
            },
        ),
    ],
    ids=str,
)
async def test_ids_that_cannot_be_are_refused(wire: Wire, body, answer):
    async with wire.session.post("/api/jobs/cancel", data=body) as reply:
        assert (reply.status, await reply.json()) == (400, answer)
