"""comfykit: its WebSocket executor; the picture is fetched from the address that it returns."""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import version

import aiohttp
from comfykit import ComfyKit
from contest import NoPicture, Prompt, Run, race


async def main() -> None:
    run = Run.from_command_line()
    logging.disable(logging.CRITICAL)
    kit = ComfyKit(comfyui_url=run.url, executor_type="websocket")
    async with aiohttp.ClientSession() as session:

        async def run_one(prompt: Prompt) -> bytes:
            found = await kit.execute_json(prompt)
            if found.status != "completed":
                raise RuntimeError(f"{found.status}: {found.msg}")
            if not found.images:
                raise NoPicture
            async with session.get(found.images[0], raise_for_status=True) as reply:
                return await reply.read()

        await race(run_one, run, version=version("comfykit"))


asyncio.run(main())
