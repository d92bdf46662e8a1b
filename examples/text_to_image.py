"""Text to image: set what the workflow calls its parameters, watch it, save the pictures."""

import asyncio
import os
from pathlib import Path

import comfywire

SERVER = os.environ.get("COMFYWIRE_SERVER", "http://127.0.0.1:8188")
WORKFLOW = Path(__file__).parent / "workflows" / "text_to_image.json"


def show(progress: comfywire.JobProgress) -> None:
    print(f"{progress.fraction:4.0%} {progress.phase} {progress.title or ''}")


async def main() -> None:
    async with comfywire.Client(SERVER) as client:
        checkpoint = (await client.models("checkpoints"))[0]
        inputs = {"prompt": "a lighthouse in fog", "seed": "random", "checkpoint": checkpoint}
        result = await client.run(WORKFLOW, inputs=inputs, on_progress=show)
        for path in await result.save("out"):
            print(path)


asyncio.run(main())
