from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.server.wire import Wire, image

from comfywire.server import Server
from comfywire.server.http.jobs_view import is_canonical_uuid, job_of_entry, job_of_item

ID = "f2c9943a-b89a-4e92-84f8-0d0b6cdf5077"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(profile="0.33.0") as server:
        yield server


@pytest.mark.parametrize(
    ("value", "is_one"),
    [(ID, True), (ID.upper(), False), (ID.replace("-", ""), False), ("x", False), (5, False), (None, False)],
)
def test_only_lowercase_hyphenated_uuids_are_canonical(value, is_one):
    assert is_canonical_uuid(value) is is_one


def entry(outputs: dict[str, Any], *, status: str | None = "success", end: str = "execution_success") -> dict:
    messages = [["execution_start", {"timestamp": 10}], [end, {"timestamp": 25}]]
    return {
        "prompt": [3, ID, {}, {"create_time": 5, "extra_pnginfo": {"workflow": {"id": "w"}}}, []],
        "outputs": outputs,
        "status": None if status is None else {"status_str": status, "messages": messages},
    }


@pytest.mark.parametrize(
    ("status", "end", "expected"),
    [
        ("success", "execution_success", "completed"),
        ("error", "execution_error", "failed"),
        ("error", "execution_interrupted", "cancelled"),
        (None, "", "completed"),
    ],
)
def test_a_jobs_status_is_read_from_history(status, end, expected):
    assert job_of_entry(ID, entry({}, status=status, end=end))["status"] == expected


def test_a_finished_job_says_when_it_ran():
    job = job_of_entry(ID, entry({}))

    assert job == {
        "id": ID,
        "status": "completed",
        "priority": 3,
        "create_time": 5,
        "workflow_id": "w",
        "execution_start_time": 10,
        "execution_end_time": 25,
        "outputs_count": 0,
        "previewable_outputs_count": 0,
    }


SAVED = {"filename": "a.png", "subfolder": "", "type": "output"}
TEMPORARY = {"filename": "b.png", "subfolder": "", "type": "temp"}
TEXT_FILE = {"filename": "c.txt", "subfolder": "", "type": "output"}
LATENT = {"filename": "d.latent", "subfolder": "", "type": "output"}


@pytest.mark.parametrize(
    ("outputs", "preview", "counts"),
    [
        pytest.param(
            {"1": {"images": [TEMPORARY]}, "2": {"images": [SAVED], "animated": [True]}},
            {**SAVED, "nodeId": "2", "mediaType": "images"},
            (2, 2),
            id="saved-before-temporary",
        ),
        pytest.param(
            {"1": {"text": ["hello"], "files": [TEXT_FILE]}},
            {**TEXT_FILE, "nodeId": "1", "mediaType": "files"},
            (1, 1),
            id="a-file-before-a-text",
        ),
        pytest.param(
            {"1": {"text": ["x" * 2000]}},
            {"content": "x" * 1024, "truncated": True, "nodeId": "1", "mediaType": "text"},
            (0, 0),
            id="a-long-text-is-cut",
        ),
        pytest.param({"1": {"latents": [LATENT]}}, None, (1, 0), id="nothing-to-show"),
        pytest.param(
            {"1": {"gifs": [{**LATENT, "format": "video/mp4"}]}},
            {**LATENT, "format": "video/mp4", "nodeId": "1", "mediaType": "gifs"},
            (1, 1),
            id="a-format-says-video",
        ),
    ],
)
def test_the_preview_is_the_best_thing_to_show(outputs, preview, counts):
    job = job_of_entry(ID, entry(outputs))

    assert job.get("preview_output") == preview
    assert (job["outputs_count"], job["previewable_outputs_count"]) == counts


def test_a_workflow_of_null_breaks_the_listing_as_it_does_there():
    with pytest.raises(AttributeError):
        job_of_item((0, ID, {}, {"extra_pnginfo": None}, []), "pending")


async def ids(wire: Wire, query: str) -> list[str]:
    _, answer = await wire.get(f"/api/jobs{query}")
    return [job["id"][-1] for job in answer["jobs"]]


def uuid(number: int) -> str:
    return ID[:-1] + str(number)


@pytest.fixture
async def three(server: Server, wire: Wire) -> None:
    """1 has ended, 2 runs, 3 waits."""
    server.faults.nodes.hold(prompt_id=uuid(2))
    workflow = {"extra_pnginfo": {"workflow": {"id": "mine"}}}
    await wire.submit(image(1), prompt_id=uuid(1), extra_data=workflow)
    await server.until_done(uuid(1))
    await wire.submit(image(2), prompt_id=uuid(2))
    await server.until_executing(uuid(2), "1")
    await wire.submit(image(3), prompt_id=uuid(3))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?sort_order=asc", ["1", "2", "3"]),
        ("?sort_order=asc&limit=1&offset=1", ["2"]),
        ("?status=completed", ["1"]),
        ("?status=pending,in_progress&sort_order=asc", ["2", "3"]),
        ("?workflow_id=mine", ["1"]),
        ("?sort_by=execution_duration&offset=-4&limit=3&status=in_progress", ["2"]),
    ],
)
async def test_jobs_are_filtered_sorted_and_paged(three, wire: Wire, query, expected):
    assert await ids(wire, query) == expected


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?status=done", "Invalid status value(s): done. Valid values: pending, in_progress"),
        ("?sort_by=name", "sort_by must be 'created_at' or 'execution_duration'"),
        ("?sort_order=up", "sort_order must be 'asc' or 'desc'"),
        ("?limit=0", "limit must be a positive integer"),
        ("?limit=x", "limit must be an integer"),
        ("?offset=x", "offset must be an integer"),
    ],
)
async def test_a_wrong_query_is_refused(wire: Wire, query, says):
    status, answer = await wire.get(f"/api/jobs{query}")

    assert status == 400
    assert answer["error"].startswith(says)


async def test_each_state_has_its_job(three, wire: Wire):
    jobs = [(await wire.get(f"/api/jobs/{uuid(number)}"))[1] for number in (1, 2, 3)]

    assert [job["status"] for job in jobs] == ["completed", "in_progress", "pending"]
    assert set(jobs[0]) - set(jobs[1]) >= {"outputs", "execution_status", "workflow"}
    assert (await wire.get(f"/api/jobs/{uuid(4)}"))[0] == 404


async def test_a_hidden_entry_is_hidden_here_too(three, server: Server, wire: Wire):
    server.faults.history.hold(prompt_id=uuid(1))

    assert (await wire.get(f"/api/jobs/{uuid(1)}"))[0] == 404
    assert await ids(wire, "?status=completed") == []


async def test_cancelling_ends_what_runs_or_waits(three, server: Server, wire: Wire):
    # What waits comes first: once what runs has ended it would begin, and end before it is asked for.
    answers = [await wire.post(f"/api/jobs/{uuid(number)}/cancel") for number in (1, 3, 2, 4)]
    await server.until_idle()

    assert answers == [(200, {"cancelled": ended}) for ended in (False, True, True, False)]
    assert [run.how for run in server.log] == ["success", "interrupted"]


async def test_several_are_cancelled_at_once(three, server: Server, wire: Wire):
    answer = await wire.post("/api/jobs/cancel", {"job_ids": [uuid(1), uuid(3)]})

    assert answer == (200, {"cancelled": True})
    assert await ids(wire, "?status=pending") == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "Request body must be valid JSON"),
        (b"[]", "job_ids must be a list"),
        (b'{"job_ids": ["x", {}]}', "job_ids contains invalid id(s)"),
    ],
)
async def test_a_wrong_cancel_is_refused(wire: Wire, body, says):
    async with wire.session.post("/api/jobs/cancel", data=body) as reply:
        assert (reply.status, (await reply.json())["error"]) == (400, says)


def test_the_bare_name_of_a_3d_model_is_a_file_and_a_null_is_nothing():
    job = job_of_entry(ID, entry({"1": {"result": ["3d/Cat.GLB", None, "words"]}}), is_full=True)

    model = {"filename": "3d/Cat.GLB", "type": "output", "subfolder": "", "mediaType": "3d"}
    assert job["outputs"] == {"1": {"result": [model, "words"]}}
    assert (job["outputs_count"], job["previewable_outputs_count"]) == (1, 1)
    assert job["preview_output"] == {**model, "nodeId": "1"}
