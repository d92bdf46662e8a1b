"""comfyui-utils: callbacks from a socket of its own for each prompt."""

from __future__ import annotations

import asyncio
import io
from importlib.metadata import version
from typing import Any

from comfyui_utils.comfy import Callbacks, ComfyAPI
from contest import NoPicture, Prompt, Run, race


class Waiting(Callbacks):
    """Keeps what was completed."""

    def __init__(self) -> None:
        self.outputs: dict[str, Any] = {}

    async def queue_position(self, position: str) -> None:
        """Nobody looks."""

    async def in_progress(self, node_id: int, progress: int, total: int) -> None:
        """Nobody looks."""

    async def completed(self, outputs: dict[str, Any], cached: bool) -> None:  # noqa: FBT001 - their signature
        """The end."""
        del cached
        self.outputs = outputs


async def main() -> None:
    run = Run.from_command_line()
    api = ComfyAPI(run.url.removeprefix("http://"))

    async def run_one(prompt: Prompt) -> bytes:
        waiting, found = Waiting(), []

        async def keep(file: io.BytesIO) -> None:
            found.append(file.read())

        await api.submit(prompt, waiting)
        if not waiting.outputs:
            raise NoPicture
        await api.fetch(waiting.outputs["images"][0], keep)
        return found[0]

    await race(run_one, run, version=version("comfyui-utils"))


asyncio.run(main())
