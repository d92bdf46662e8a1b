"""Expected times of jobs, and what waits for servers: from a fleet that runs."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.server.wire import sleeper
from tests.service.flows.conftest import DRAW

from comfywire.service.fleet.needs import need_of, requirement_of

TOOK = timedelta(seconds=400)


async def ran(core, prompt, times):
    """Have the database say that jobs like this one took 400 seconds."""
    await core.database.do(
        "INSERT INTO jobs (id, key_id, state, prompt, need, started_at, completed_at, expires_at) "
        "SELECT gen_random_uuid(), %(key)s, 'succeeded', '{}', %(need)s, now() - interval '400 s', now(), "
        "now() + interval '1 day' FROM generate_series(1, %(times)s)",
        key=await core.access.local_key(),
        need=need_of(requirement_of(prompt)),
        times=times,
    )


async def submit(http, prompt):
    return (await http.post("/api/v2/jobs", json={"workflow": prompt})).json()


async def shown(http, job):
    return (await http.get(f"/api/v2/jobs/{job['id']}")).json()


def moment(text):
    return datetime.fromisoformat(text)


async def test_a_job_that_runs_is_expected_to_end_when_those_before_it_did(http, core, comfyui):
    await ran(core, sleeper(60), 3)
    job = await submit(http, sleeper(60))

    while (found := await shown(http, job))["status"] != "running":
        pass

    assert found["estimate"] == "measured"
    assert moment(found["estimated_start_at"]) - moment(found["started_at"]) < timedelta(seconds=1)
    assert abs(moment(found["estimated_end_at"]) - moment(found["started_at"]) - TOOK) < timedelta(seconds=2)
    await http.post(found["urls"]["cancel"])


async def test_a_job_that_waits_begins_after_what_runs(http, core, comfyui):
    await ran(core, sleeper(60), 3)
    first = await submit(http, sleeper(60))
    while (await shown(http, first))["status"] != "running":
        pass
    others = [await submit(http, sleeper(60)) for _ in range(3)]

    found = [await shown(http, job) for job in others]

    waiting = [job for job in found if job["queue_position"] is not None]
    assert waiting
    assert {job["estimate"] for job in waiting} == {"measured"}
    starts = [moment(job["estimated_start_at"]) for job in waiting]
    assert starts == sorted(starts)
    assert starts[0] - datetime.now(UTC) > timedelta(seconds=300)
    for job in (*others, first):
        await http.post(job["urls"]["cancel"])


async def test_without_servers_nothing_is_promised(http, core):
    await ran(core, DRAW, 3)

    found = await shown(http, await submit(http, DRAW))

    assert (found["estimate"], found["estimated_start_at"], found["estimated_end_at"]) == (None, None, None)


@pytest.fixture
async def waiting(http):
    """Jobs that no server takes: two with a tag, one that loads a model, one of neither."""
    loads = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
        "2": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["1", 2]}},
        "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    for body in ({"tags": ["big"]}, {"tags": ["big"]}, {"workflow": loads}, {}):
        answer = await http.post("/api/v2/jobs", json={"workflow": DRAW, **body})
        assert answer.status_code == 201, answer.text


async def test_an_autoscaler_reads_what_waits_by_tag_model_and_need(http, waiting):
    found = (await http.get("/api/v2/servers")).json()["waiting"]
    figures = (await http.get("/metrics")).text

    assert found["by_tag"] == {"big": 2, "": 2}
    assert found["by_model"] == {"sd15.safetensors": 1}
    assert [need["count"] for need in found["needs"]] == [2, 1, 1]
    assert 'comfywire_queue_depth_by_tag{tag="big"} 2.0' in figures
    assert 'comfywire_queue_depth_by_model{model="sd15.safetensors"} 1.0' in figures
    assert figures.count("comfywire_queue_depth_by_need{") == 3


async def test_what_waits_for_its_own_key_needs_no_server(http, core, waiting):
    await core.database.do("UPDATE jobs SET queue_id = NULL")

    found = (await http.get("/api/v2/servers")).json()["waiting"]

    assert found == {"needs": [], "by_tag": {}, "by_model": {}, "as_of": found["as_of"]}
