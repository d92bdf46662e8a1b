"""Take one prompt back, pending or running, and leave the others alone."""

import asyncio
import os
from pathlib import Path

import comfywire

SERVER = os.environ.get("COMFYWIRE_SERVER", "http://127.0.0.1:8188")
WORKFLOW = Path(__file__).parent / "workflows" / "text_to_image.json"


async def main() -> None:
    async with comfywire.Client(SERVER) as client:
        workflow = await client.load(WORKFLOW)
        workflow["Load Checkpoint"].ckpt_name = (await client.models("checkpoints"))[0]
        jobs = []
        for seed in (1, 2):
            workflow["KSampler"].seed = seed
            jobs.append(await client.submit(workflow))
        print("cancelled the second:", await jobs[1].cancel())
        try:
            await jobs[1].result()
        except comfywire.JobInterrupted as interrupted:
            print(interrupted)
        print("the first made", (await jobs[0].result()).outputs[0].filename)


asyncio.run(main())
