"""Agents: the official package's client, of both revisions, against the whole service on a socket."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("mcp", reason="agents need the extra 'mcp'")

from mcp.client import Client  # type: ignore[import-not-found,unused-ignore]
from mcp.client.streamable_http import streamable_http_client  # type: ignore[import-not-found,unused-ignore]
from mcp.shared._httpx_utils import create_mcp_http_client  # type: ignore[import-not-found,unused-ignore]
from tests.server.wire import text_to_image
from tests.service.rig import at_work
from tests.service.serving import application, serving

from comfywire.server import Server
from comfywire.service.core import Core, open_core
from comfywire.service.settings import Settings

COLOUR = {"color": {"type": "int", "inputs": ["1.color"], "min": 0, "max": 0xFFFFFF}}
DRAW = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


@dataclass(frozen=True)
class Town:
    """What a test holds: a service that asks for keys, and the ComfyUI behind it."""

    core: Core
    url: str
    comfyui: Server

    async def register(self, name: str, workflow: Any, parameters: Any = None, **about: Any) -> None:
        _, secret = await self.core.access.create("author", ["submit"])
        caller = await self.core.access.caller(secret)
        tables = None if parameters is None else {"parameters": parameters}
        await self.core.workflows.add(name, workflow, tables, key_id=caller.key_id, **about)

    @contextlib.asynccontextmanager
    async def agent(
        self, *scopes: str, mode: str = "auto", headers: Any = None, **options: Any
    ) -> AsyncIterator[Client]:
        _, secret = await self.core.access.create("agent", scopes or ("submit", "read"))
        sent = {"Authorization": f"Bearer {secret}", **(headers or {})}
        async with create_mcp_http_client(headers=sent) as http:
            transport = streamable_http_client(f"{self.url}/mcp", http_client=http)
            async with Client(transport, mode=mode, **options) as client:
                yield client


@pytest.fixture
def settings(database_url: str, tmp_path: Any) -> Settings:
    return Settings(data=tmp_path, database_url=database_url, keys_required=True, allow_private_urls=True)


@pytest.fixture
def town_with(settings: Settings) -> Callable[..., contextlib.AbstractAsyncContextManager[Town]]:
    @contextlib.asynccontextmanager
    async def town(settings: Settings = settings) -> AsyncIterator[Town]:
        async with (
            open_core(settings) as core,
            Server() as comfyui,
            serving(application(core)) as url,
            at_work(core, comfyui.url),
        ):
            there = Town(core, url, comfyui)
            await there.register("draw", DRAW, COLOUR, description="Paint a square.")
            yield there
            core.broker.close()

    return town


@pytest.fixture
async def town(town_with: Any) -> AsyncIterator[Town]:
    async with town_with() as there:
        yield there


def graph() -> dict[str, Any]:
    return text_to_image()
