"""Many prompts at once on one client: each has its own result, and its own error."""

import asyncio
import os
import sys

import comfywire

SERVER = os.environ.get("COMFYWIRE_SERVER", "http://127.0.0.1:8188")


def one_colour(color: int) -> dict[str, object]:
    size = {"width": 64, "height": 64, "batch_size": 1, "color": color}
    return {
        "1": {"class_type": "EmptyImage", "inputs": size},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "many"}},
    }


async def main(number: int) -> None:
    async with comfywire.Client(SERVER) as client:
        runs = [client.run(one_colour(color)) for color in range(number)]
        for color, end in enumerate(await asyncio.gather(*runs, return_exceptions=True)):
            print(color, end if isinstance(end, BaseException) else end.outputs[0].filename)


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
