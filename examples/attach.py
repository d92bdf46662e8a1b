"""Submit in one process, collect in another: `attach.py submit` prints an id, `attach.py ID` takes it up."""

import asyncio
import os
import sys
from pathlib import Path

import comfywire

SERVER = os.environ.get("COMFYWIRE_SERVER", "http://127.0.0.1:8188")
WORKFLOW = Path(__file__).parent / "workflows" / "text_to_image.json"


async def main(what: str) -> None:
    async with comfywire.Client(SERVER) as client:
        if what == "submit":
            workflow = await client.load(WORKFLOW)
            workflow["Load Checkpoint"].ckpt_name = (await client.models("checkpoints"))[0]
            print((await client.submit(workflow)).prompt_id)
            return
        try:
            print(await (await client.attach(what).result()).save("out"))
        except comfywire.JobLost as lost:
            print(lost, file=sys.stderr)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "submit"))
