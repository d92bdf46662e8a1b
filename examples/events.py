"""Every message of one prompt, as it comes."""

import asyncio
import os
from pathlib import Path

from comfywire import Client, Executed, Executing, PreviewImage, Progress

SERVER = os.environ.get("COMFYWIRE_SERVER", "http://127.0.0.1:8188")
WORKFLOW = Path(__file__).parent / "workflows" / "text_to_image.json"


async def main() -> None:
    async with Client(SERVER) as client:
        workflow = await client.load(WORKFLOW)
        workflow["Load Checkpoint"].ckpt_name = (await client.models("checkpoints"))[0]
        job = await client.submit(workflow)
        async for event in job.events():
            match event:
                case Executing(node=str(node)):
                    print("node", node, workflow[node].title)
                case Progress(value=value, max=steps):
                    print("step", value, "of", steps)
                case PreviewImage(image=image):
                    print("preview,", len(image), "bytes")
                case Executed(node=node, output=shown):
                    print("node", node, "shows", shown)


asyncio.run(main())
