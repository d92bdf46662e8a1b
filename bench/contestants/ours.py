"""Comfywire as its users call it: submit, wait, read the picture."""

from __future__ import annotations

import asyncio

from contest import Prompt, Run, race

import comfywire


async def main() -> None:
    run = Run.from_command_line()
    async with comfywire.Client(run.url) as client:

        async def run_one(prompt: Prompt) -> bytes:
            job = await client.submit(prompt)
            result = await job.result()
            return await result.outputs[0].read()

        await race(run_one, run, version=comfywire.__version__)


asyncio.run(main())
