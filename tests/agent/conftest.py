"""A ComfyUI, a folder of workflows, and the desk at which an agent asks for them."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="agents need the extra 'mcp'")

from mcp_types import CallToolResult  # type: ignore[import-not-found,unused-ignore]

from comfywire.agent.desk import Desk
from comfywire.agent.workshop import Workshop
from comfywire.client import Client
from comfywire.server import Server
from comfywire.server.faults import Faults

SQUARE = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}
PARAMETERS = """\
description = "Paint a square."

[parameters.color]
inputs = ["1.color"]
type = "int"
min = 0
"""
LOOK = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


@dataclass(frozen=True)
class Room:
    """What a test holds."""

    comfyui: Server
    folder: Path
    desk: Desk
    told: list[tuple[float, str]]

    async def run(self, tool: str, **arguments: Any) -> CallToolResult:
        """What a call answers with, as the face of it waits."""
        job = await self.desk.submitted(tool, arguments)
        if job is None:
            return await self.desk.call(tool, arguments, self.tell)
        return await self.desk.waited(job, self.tell)

    async def tell(self, fraction: float, words: str) -> None:
        self.told.append((fraction, words))


def fill(folder: Path) -> None:
    (folder / "a square.json").write_text(json.dumps(SQUARE))
    (folder / "a square.params.toml").write_text(PARAMETERS)
    (folder / "look.json").write_text(json.dumps(LOOK))
    (folder / "notes.json").write_text("[]")
    (folder / "read.txt").write_text("nothing")


@pytest.fixture
async def comfyui() -> AsyncIterator[Server]:
    async with Server(faults=Faults()) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path)
    return tmp_path


@pytest.fixture
async def room(comfyui: Server, folder: Path) -> AsyncIterator[Room]:
    async with Client(comfyui.url) as client:
        desk = Desk(client, Workshop(folder, client), wait=60, inline_bytes=1 << 20)
        yield Room(comfyui, folder, desk, [])


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")
