"""comfyui-xy: its asynchronous client, which polls history."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from comfyui_xy import AsyncComfyUiClient
from contest import NoPicture, Prompt, Run, race


async def main() -> None:
    run = Run.from_command_line()
    async with AsyncComfyUiClient(run.url, raise_on_error=True) as client:

        async def run_one(prompt: Prompt) -> bytes:
            found = await client.process_workflow(prompt)
            if not found:
                raise NoPicture
            content: bytes = found[0].data
            return content

        await race(run_one, run, version=version("comfyui-xy"))


asyncio.run(main())
