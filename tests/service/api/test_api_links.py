"""Links in answers begin as others reach the service: with the path of --base-url, where it has one."""

from typing import Any

import pytest

from .conftest import PROMPT, submitted


@pytest.mark.parametrize("prefix", ["", "/comfy"], ids=["at-the-root", "under-a-path"])
async def test_links_have_the_path_of_the_base_url(service_with: Any, prefix: str) -> None:
    async with (
        service_with(base_url=f"https://example.org{prefix}/") as service,
        service.client() as client,
    ):
        job = await submitted(client)
        listed = (await client.get("/api/v2/jobs")).json()["jobs"][0]
        batch = (await client.post("/api/v2/batches", json={"workflow": PROMPT, "inputs": [{}, {}]})).json()

    own = f"{prefix}/api/v2/jobs/{job['id']}"
    assert job["urls"] == listed["urls"]
    assert set(job["urls"].values()) == {
        own,
        *(f"{own}/{name}" for name in ("events", "cancel", "workflow", "transitions", "retry", "ws")),
    }
    assert batch["urls"]["self"] == f"{prefix}/api/v2/batches/{batch['id']}"
