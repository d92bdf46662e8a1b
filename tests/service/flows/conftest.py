"""The whole service in the test's event loop: its API on a socket, a worker, a test server."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.server.test_secrets import Secret
from tests.service.rig import working
from tests.service.serving import application, asking, serving

from comfywire.server import Server
from comfywire.service.core import Core, open_core
from comfywire.service.settings import Settings
from comfywire.service.worker.worker import Worker

SCALE = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "mine.png"}},
    "2": {
        "class_type": "ImageScaleBy",
        "inputs": {"image": ["1", 0], "upscale_method": "area", "scale_by": 2.0},
    },
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "up"}},
}
DRAW = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 0}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}
COLOUR = {"color": {"type": "int", "inputs": ["1.color"], "min": 0, "max": 0xFFFFFF}}


@pytest.fixture
async def core(database_url, tmp_path) -> AsyncIterator[Core]:
    settings = Settings(data=tmp_path / "data", database_url=database_url, allow_private_urls=True)
    async with open_core(settings) as opened:
        yield opened


@pytest.fixture
async def url(core: Core) -> AsyncIterator[str]:
    """Where the service is."""
    async with serving(application(core)) as served:
        yield served
        core.broker.close()


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(base_url=url, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
async def comfyui(core: Core) -> AsyncIterator[Server]:
    """A test server, and a worker that runs jobs on it."""
    async with Server(nodes={"BCSecret": Secret}) as server:
        settings = Settings(data=core.settings.data, servers=(server.url,))
        async with working(
            Worker(
                settings,
                core.store,
                assets=core.assets,
                store_check=core.store_check,
                sealer=core.sealer,
                hooks=core.hooks,
                relay=core.relay,
            )
        ):
            yield server


async def register(http: httpx.AsyncClient, name: str, workflow: Any, **body: Any) -> dict[str, Any]:
    answer = await http.put(f"/api/v2/workflows/{name}", json={"workflow": workflow, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
