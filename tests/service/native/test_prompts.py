"""POST /prompt on the service: a job like any other, answered as a ComfyUI answers it."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.service.native.conftest import PROMPT, Service, ended, submitted
from tests.service.rig import picture, until
from tests.service.serving import asking

from comfywire.server import Server


async def refused(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/prompt", json=body)
    assert answer.status_code == 400, answer.text
    told: dict[str, Any] = answer.json()
    assert list(told) == ["error", "node_errors"]
    return told


async def test_a_prompt_becomes_a_job_of_this_very_id(service: Service, client: httpx.AsyncClient) -> None:
    answer = (await client.post("/api/prompt", json={"prompt": PROMPT, "client_id": "me"})).json()

    assert list(answer) == ["prompt_id", "number", "node_errors"]
    job = await service.core.store.get(uuid.UUID(answer["prompt_id"]))
    assert job is not None
    assert (job.state, answer["node_errors"]) == ("queued", {})


async def test_the_same_id_with_the_same_graph_is_the_same_job(
    service: Service, client: httpx.AsyncClient
) -> None:
    prompt_id = str(uuid.uuid4())
    body = {"prompt": PROMPT, "prompt_id": prompt_id}

    answers = await asyncio.gather(*(client.post("/prompt", json=body) for _ in range(5)))

    assert {answer.text for answer in answers} == {answers[0].text}
    assert answers[0].json()["prompt_id"] == prompt_id
    assert len(await service.core.database.all("SELECT FROM jobs")) == 1


async def test_an_id_that_stands_for_something_else_is_refused(
    service: Service, client: httpx.AsyncClient
) -> None:
    prompt_id = await submitted(client)

    other = await refused(client, prompt=picture(7), prompt_id=prompt_id)
    async with service.client(name="another") as stranger:
        foreign = await refused(stranger, prompt=PROMPT, prompt_id=prompt_id)

    assert other["error"]["type"] == foreign["error"]["type"] == "prompt_id_in_use"


@pytest.mark.parametrize("prompt_id", ["mine", "", 7, "2A4599BA-7978-455E-94F6-48C38855C199", ["x"]])
async def test_an_id_that_is_no_canonical_uuid_is_refused(client: httpx.AsyncClient, prompt_id: Any) -> None:
    assert (await refused(client, prompt=PROMPT, prompt_id=prompt_id))["error"]["type"] == "invalid_prompt_id"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "no_prompt"),
        ({"prompt": {}}, "prompt_no_outputs"),
        ({"prompt": [1]}, "invalid_request"),
        ({"prompt": PROMPT, "number": "x"}, "invalid_request"),
        ({"prompt": PROMPT, "number": "inf"}, "invalid_request"),
        ({"prompt": PROMPT, "number": 10**400}, "invalid_request"),
        ({"prompt": PROMPT, "extra_data": [1]}, "invalid_request"),
        ({"prompt": PROMPT, "partial_execution_targets": "2"}, "invalid_request"),
    ],
)
async def test_what_is_no_prompt_is_refused_in_comfyuis_form(
    client: httpx.AsyncClient, body: dict[str, Any], kind: str
) -> None:
    assert (await refused(client, **body))["error"]["type"] == kind


@pytest.mark.parametrize(
    ("said", "priority"),
    [({}, 0), ({"front": True}, 1), ({"number": -7.5}, 8), ({"number": 3}, -3), ({"number": -1e9}, 20)],
)
async def test_a_place_in_the_queue_becomes_a_priority(
    service: Service, client: httpx.AsyncClient, said: dict[str, Any], priority: int
) -> None:
    job = await service.core.store.get(uuid.UUID(await submitted(client, **said)))

    assert job is not None
    assert job.priority == priority


async def test_extra_data_reaches_the_server_and_its_secrets_are_shown_nowhere(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    document = {"id": "w", "nodes": [], "note": "x" * (1 << 20)}
    extra = {"extra_pnginfo": {"workflow": document}, "api_key_comfy_org": "hush", "nothing": None}

    async with service.worker(server):
        prompt_id = await submitted(client, extra_data=extra, client_id="me")
        entry = await ended(client, prompt_id)
        async with asking(base_url=server.url) as there:
            sent = (await there.get(f"/history/{prompt_id}")).json()[prompt_id]["prompt"][3]

    assert sent["extra_pnginfo"] == {"workflow": document}
    told = entry["prompt"][3]
    assert told["client_id"] == "me"
    assert told["extra_pnginfo"] == {"workflow": document}
    assert "hush" not in json.dumps(entry)
    kept = await service.core.database.one("SELECT extra_data::text AS text FROM jobs")
    assert kept is not None
    assert "hush" not in kept["text"]


async def test_extra_data_beyond_eight_megabytes_is_too_large(client: httpx.AsyncClient) -> None:
    answer = await client.post("/prompt", json={"prompt": PROMPT, "extra_data": {"x": "y" * (8 << 20)}})

    assert answer.status_code == 413


async def test_a_mistake_is_told_with_node_and_input(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    wrong = picture()
    wrong["1"]["inputs"]["width"] = 0

    async with service.worker(server):
        told = await refused(client, prompt=wrong)

    assert told["error"]["type"] == "prompt_outputs_failed_validation"
    (error,) = told["node_errors"]["1"]["errors"]
    assert (error["type"], error["extra_info"]["input_name"]) == ("value_smaller_than_min", "width")
    assert told["node_errors"]["1"]["dependent_outputs"] == ["2"]


async def test_what_is_dropped_is_told_and_the_rest_runs(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    broken = {"class_type": "SaveImage", "inputs": {"filename_prefix": "y"}}

    async with service.worker(server):
        answer = (await client.post("/prompt", json={"prompt": picture(0, **{"9": broken})})).json()
        entry = await ended(client, answer["prompt_id"])

    assert list(answer["node_errors"]) == ["9"]
    assert list(entry["outputs"]) == ["2"]
    assert entry["prompt"][4] == ["2"]


def with_model(name: str) -> dict[str, Any]:
    """A picture by a model."""
    latent = {"width": 64, "height": 64, "batch_size": 1}
    more = {
        "3": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": name}},
        "4": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["3", 2]}},
        "5": {"class_type": "EmptyLatentImage", "inputs": latent},
    }
    prompt = picture(0, **more)
    prompt["2"]["inputs"]["images"] = ["4", 0]
    return prompt


async def test_a_model_that_no_server_has_is_refused_and_does_not_wait(
    service: Service, client: httpx.AsyncClient, server: Server
) -> None:
    async with service.worker(server):
        told = await refused(client, prompt=with_model("nobody has this.safetensors"))

    (error,) = told["node_errors"]["3"]["errors"]
    assert error["type"] == "value_not_in_list"


async def test_a_model_that_only_a_server_has_which_is_away_is_waited_for(
    service: Service, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "one/models/checkpoints/one.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"a model")
    async with Server(folder=tmp_path / "one") as one, Server() as other, service.worker(one, other):
        await one.faults.life.kill()
        await until(lambda: _is_down(service, one))
        prompt_id = await submitted(client, with_model("one.safetensors"))
        assert await _pending(client) == [prompt_id]
        await one.faults.life.restart()
        entry = await ended(client, prompt_id)

    assert entry["status"]["status_str"] == "success"


async def _pending(client: httpx.AsyncClient) -> list[str]:
    return [item[1] for item in (await client.get("/queue")).json()["queue_pending"]]


async def _is_down(service: Service, server: Server) -> bool:
    sql = "SELECT state::text FROM servers WHERE url = %(url)s"
    found = await service.core.database.one(sql, url=server.url)
    return found is not None and found["state"] != "up"


async def test_a_key_for_this_face_alone_opens_nothing_of_our_own_api(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v2/jobs")).status_code == 403
    assert (await client.get("/queue")).status_code == 200
