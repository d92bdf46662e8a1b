"""The whole service behind a socket, with workflows that make pictures of words and of pictures."""

import contextlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.server.wire import masked_edit, text_to_image
from tests.service.rig import at_work
from tests.service.serving import application, asking, serving

from comfywire.server import Server
from comfywire.service.core import Core, open_core
from comfywire.service.settings import Settings

EDIT = masked_edit("a.png", "b.png")
EDIT_PARAMETERS = {
    "image": {"type": "image", "inputs": ["1.image"], "required": True},
    "mask": {"type": "mask", "inputs": ["2.image"], "required": True},
    "prompt": {"type": "text", "inputs": ["6.text"], "default": ""},
}


@dataclass(frozen=True)
class Town:
    """What a test holds: the service, who asks it, and the ComfyUI behind it."""

    core: Core
    url: str
    http: httpx.AsyncClient
    comfyui: Server

    async def register(self, name: str, workflow: Any, **body: Any) -> dict[str, Any]:
        answer = await self.http.put(f"/api/v2/workflows/{name}", json={"workflow": workflow, **body})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def ask(self, **body: Any) -> httpx.Response:
        body = {"model": "draw", "prompt": "a boat", "size": "64x64", **body}
        return await self.http.post("/v1/images/generations", json=body)


@contextlib.asynccontextmanager
async def town_of(settings: Settings) -> AsyncIterator[Town]:
    async with (
        open_core(settings) as core,
        Server() as comfyui,
        serving(application(core)) as url,
        at_work(core, comfyui.url),
        asking(base_url=url, timeout=60, trust_env=False) as http,
    ):
        yield Town(core, url, http, comfyui)
        core.broker.close()


@pytest.fixture
def settings(database_url: str, tmp_path: Any) -> Settings:
    return Settings(data=tmp_path, database_url=database_url)


@pytest.fixture
async def town(settings: Settings) -> AsyncIterator[Town]:
    async with town_of(settings) as there:
        await there.register("draw", text_to_image(), options={"qualities": {"low": {"steps": 1}}})
        yield there


@pytest.fixture
async def with_default(settings: Settings) -> AsyncIterator[Town]:
    async with town_of(replace(settings, openai_default="draw")) as there:
        await there.register("draw", text_to_image())
        yield there


@pytest.fixture
async def with_keys(settings: Settings) -> AsyncIterator[Town]:
    async with town_of(replace(settings, keys_required=True, max_body_bytes=100_000)) as there:
        yield there


def png(size: int = 8, color: Any = "red") -> bytes:
    content = io.BytesIO()
    Image.new("RGBA", (size, size), color).save(content, "PNG")
    return content.getvalue()


def shown(content: bytes) -> tuple[tuple[int, int], Any]:
    """The size of a picture and its first pixel."""
    with Image.open(io.BytesIO(content)) as image:
        return image.size, image.convert("RGB").getpixel((0, 0))
