"""Edit a picture of your own: a path given to an input that takes an upload is uploaded."""

import asyncio
import os
import sys
from pathlib import Path

import comfywire

SERVER = os.environ.get("COMFYWIRE_SERVER", "http://127.0.0.1:8188")
EXAMPLES = Path(__file__).parent
PICTURE = Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES.parent / "docs" / "images" / "demo.png"


async def main() -> None:
    async with comfywire.Client(SERVER) as client:
        result = await client.run(EXAMPLES / "workflows" / "edit_picture.json", inputs={"image": PICTURE})
        for output in result.outputs:
            print(output.kind, "of node", output.node_id, "saved as", await output.save("out/"))


asyncio.run(main())
