"""What was set to what is told with the job: defaults, drawn seeds, files that were found by name."""

import base64
import uuid
from typing import Any

import httpx
from tests.service.flows.conftest import COLOUR, DRAW, SCALE, register

from comfywire.service.core import Core

PARAMETERS = {
    "seed": {"type": "seed", "inputs": ["1.color"]},
    "width": {"type": "int", "inputs": ["1.width"], "default": 16},
}


async def told(http: httpx.AsyncClient, job: dict[str, Any]) -> Any:
    return (await http.get(f"/api/v2/jobs/{job['id']}")).json()["inputs"]


async def graph(core: Core, job: dict[str, Any]) -> dict[str, Any]:
    return (await core.store.graph(uuid.UUID(job["id"])))[0]


async def test_a_job_tells_the_seed_that_was_drawn_for_it(http, core):
    await register(http, "draw", DRAW, parameters=PARAMETERS)

    job = (await http.post("/api/v2/workflows/draw/jobs", json={"inputs": {"seed": "random"}})).json()

    color = (await graph(core, job))["1"]["inputs"]["color"]
    assert isinstance(color, int)
    assert job["inputs"] == await told(http, job) == {"seed": color, "width": 16}


async def test_the_answer_that_waited_tells_it_too(http, comfyui):
    await register(http, "draw", DRAW, parameters=COLOUR)

    answer = await http.post("/api/v2/workflows/draw/jobs?wait=20", json={"inputs": {"color": "255"}})

    assert (answer.status_code, answer.json()["inputs"]) == (200, {"color": 255})


async def test_a_job_that_is_canceled_or_retried_tells_it_too(http, core):
    await register(http, "draw", DRAW, parameters=COLOUR)
    job = (await http.post("/api/v2/workflows/draw/jobs", json={"inputs": {"color": 7}})).json()

    canceled = (await http.post(f"/api/v2/jobs/{job['id']}/cancel")).json()
    retried = (await http.post(f"/api/v2/jobs/{job['id']}/retry")).json()

    assert (canceled["status"], canceled["inputs"]) == ("canceled", {"color": 7})
    assert (retried["status"], retried["inputs"]) == ("queued", {"color": 7})


async def test_files_are_told_as_assets(http):
    await register(http, "upscale", SCALE)
    form = {"content_type": "image/png", "file_path": "mine.png"}
    asset = (await http.post("/api/v2/assets", data=form, files={"file": b"x"})).json()["id"]

    registered = (await http.post("/api/v2/workflows/upscale/jobs", json={"inputs": {"image": asset}})).json()
    by_name = (await http.post("/api/v2/jobs", json={"workflow": SCALE})).json()

    reference = {"__type": "core/ASSET", "info": {"id": asset}}
    assert registered["inputs"]["image"] == reference
    assert by_name["inputs"] == await told(http, by_name) == {"1.image": reference}


async def test_a_file_that_was_only_sent_along_is_no_upload_that_a_name_means(http):
    await register(http, "upscale", SCALE)
    form = {"content_type": "image/png", "file_path": "image.png"}
    asset = (await http.post("/api/v2/assets", data=form, files={"file": b"mine"})).json()["id"]
    loading = {**SCALE, "1": {"class_type": "LoadImage", "inputs": {"image": "image.png"}}}
    content = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()

    sent = await http.post(
        "/api/v2/workflows/upscale/jobs", json={"inputs": {"image": f"data:image/png;base64,{content}"}}
    )
    by_name = (await http.post("/api/v2/jobs", json={"workflow": loading})).json()

    sent_id = sent.json()["inputs"]["image"]["info"]["id"]
    assert (await http.get(f"/api/v2/assets/{sent_id}")).json()["file_path"] == "image.png"
    assert by_name["inputs"]["1.image"]["info"]["id"] == asset


SEEDED = {
    "3": {"class_type": "RandomNoise", "inputs": {"noise_seed": 42}},
    "4": {"class_type": "RandomNoise", "inputs": {"noise_seed": ["5", 0]}},
    "5": {"class_type": "PrimitiveInt", "inputs": {"value": 7}},
    "6": {"class_type": "PreviewAny", "inputs": {"source": ["3", 0]}},
    "7": {"class_type": "PreviewAny", "inputs": {"source": ["4", 0], "seed": "random"}},
    "8": {"class_type": "PreviewAny"},
}


async def test_of_a_graph_that_is_sent_as_it_is_the_seeds_are_told(http):
    job = (await http.post("/api/v2/jobs", json={"workflow": SEEDED})).json()

    assert job["inputs"] == await told(http, job) == {"3.noise_seed": 42}


async def test_a_registered_workflow_tells_its_parameters_and_not_its_nodes(http):
    await register(http, "seeded", SEEDED, parameters={"seed": {"type": "seed", "inputs": ["3.noise_seed"]}})

    job = (await http.post("/api/v2/workflows/seeded/jobs", json={"inputs": {"seed": 5}})).json()

    assert job["inputs"] == {"seed": 5}


async def test_of_a_graph_in_which_nothing_was_set_nothing_is_told(http):
    job = (await http.post("/api/v2/jobs", json={"workflow": DRAW})).json()

    assert job["inputs"] is None
    assert await told(http, job) is None


async def test_each_job_of_a_batch_tells_its_own(http):
    entries = [{"1.color": 1}, {"1.color": 2}]
    batch = (await http.post("/api/v2/batches", json={"workflow": DRAW, "inputs": entries})).json()

    jobs = [(await http.get(f"/api/v2/jobs/{job_id}")).json() for job_id in batch["job_ids"]]

    assert [job["inputs"]["1.color"] for job in jobs] == [1, 2]
