"""The whole service behind a socket, with one workflow that fails and one that does not."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.service.rig import at_work
from tests.service.serving import application, asking, serving

from comfywire.server import Server
from comfywire.service.core import Core, open_core
from comfywire.service.settings import Settings

COLOUR = {"color": {"type": "int", "inputs": ["1.color"], "min": 0, "max": 0xFFFFFF}}


def square(sort: str = "EmptyImage") -> dict[str, Any]:
    empty = {"width": 8, "height": 8, "batch_size": 1, "color": 255}
    made = {"class_type": "EmptyImage", "inputs": empty}
    is_plain = sort == "EmptyImage"
    shown = {"images": ["1" if is_plain else "3", 0], "filename_prefix": "x"}
    graph = {"1": made, "2": {"class_type": "SaveImage", "inputs": shown}}
    return graph if is_plain else {**graph, "3": {"class_type": sort, "inputs": {"value": ["1", 0]}}}


@dataclass(frozen=True)
class Town:
    """What a test holds: a service that asks for keys, who asks it, and the ComfyUI behind it."""

    core: Core
    url: str
    http: httpx.AsyncClient
    comfyui: Server

    async def another(self, *scopes: str) -> dict[str, str]:
        """Return the headers of another key."""
        _, secret = await self.core.access.create("another", scopes or ("submit", "read"))
        return {"Authorization": f"Bearer {secret}"}

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.http.request(method, f"/v2/models{path}", **options)


@contextlib.asynccontextmanager
async def town_of(settings: Settings) -> AsyncIterator[Town]:
    async with (
        open_core(settings) as core,
        Server() as comfyui,
        serving(application(core)) as url,
        at_work(core, comfyui.url),
    ):
        _, secret = await core.access.create("app", ["submit", "read"])
        caller = await core.access.caller(secret)
        for name, sort in (("square", "EmptyImage"), ("broken", "TestSyncError")):
            tables = {"parameters": COLOUR}
            await core.workflows.add(
                name, square(sort), tables, key_id=caller.key_id, description="A square."
            )
        headers = {"Authorization": f"Bearer {secret}"}
        async with asking(base_url=url, headers=headers, timeout=60, trust_env=False) as http:
            yield Town(core, url, http, comfyui)
        core.broker.close()


@pytest.fixture
async def town(database_url: str, tmp_path: Any) -> AsyncIterator[Town]:
    async with town_of(Settings(data=tmp_path, database_url=database_url, keys_required=True)) as there:
        yield there


@pytest.fixture
async def hasty_town(database_url: str, tmp_path: Any) -> AsyncIterator[Town]:
    settings = Settings(data=tmp_path, database_url=database_url, keys_required=True, router_wait=0.2)
    async with town_of(settings) as there:
        yield there
