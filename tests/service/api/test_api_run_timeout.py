"""How long a job may run, as its caller, its workflow, its key and the operator say it."""

import json
from typing import Any

import httpx
import pytest
from tests.service.api.conftest import PROMPT, Service, submitted

SAVES = {**PROMPT, "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param((None, None, None, None), None, id="nobody-says-anything"),
        pytest.param((40.0, None, None, None), 40.0, id="the-service"),
        pytest.param((40.0, 30.0, None, None), 30.0, id="the-key"),
        pytest.param((40.0, 30.0, 20.0, None), 20.0, id="the-workflow"),
        pytest.param((40.0, 30.0, 20.0, 10), 10.0, id="the-job"),
        pytest.param((40.0, 30.0, 20.0, 50.0), 20.0, id="asking-for-more-gives-no-more"),
    ],
)
async def test_the_smallest_limit_that_is_set_counts(
    service_with: Any, limits: tuple[float | None, ...], expected: float | None
):
    of_service, of_key, of_workflow, of_job = limits
    async with (
        service_with(run_timeout=of_service) as service,
        service.client("admin", run_timeout=of_key) as client,
    ):
        options = {} if of_workflow is None else {"run_timeout": of_workflow}
        put = await client.put("/api/v2/workflows/w", json={"workflow": SAVES, "options": options})
        assert put.status_code in (200, 201), put.text
        said = {} if of_job is None else {"run_timeout": of_job}
        job = (await client.post("/api/v2/workflows/w/jobs", json=said)).json()

    assert job["run_timeout"] == expected


async def test_a_job_of_a_graph_has_one_too(client: httpx.AsyncClient):
    assert (await submitted(client, run_timeout=90))["run_timeout"] == 90.0


@pytest.mark.parametrize("wrong", [0, -1, 30 * 86400 + 1, "long", True, float("inf"), float("nan")], ids=str)
async def test_a_limit_that_is_none_is_refused(client: httpx.AsyncClient, wrong: object):
    body = json.dumps({"workflow": PROMPT, "run_timeout": wrong})
    answer = await client.post("/api/v2/jobs", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in (400, 422), answer.text


async def test_a_key_shows_its_limit(service: Service):
    async with service.client("admin") as client:
        made = await client.post("/api/v2/keys", json={"name": "k", "run_timeout": 600})
        shown = await client.get(f"/api/v2/keys/{made.json()['id']}")

    assert (made.status_code, shown.json()["run_timeout"]) == (201, 600.0)
