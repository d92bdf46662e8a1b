"""comfyui-xy: its asynchronous client, which asks for history until the prompt is in it."""

import asyncio
import base64
import json
import sys
from typing import Any

from comfyui_xy import AsyncComfyUiClient  # type: ignore[import-not-found, attr-defined]

INTERVAL = 0.02  # its own is a second


async def drive(task: dict[str, Any], url: str) -> dict[str, str]:
    async with AsyncComfyUiClient(url, raise_on_error=True) as client:

        async def picture(prompt: dict[str, Any]) -> str:
            outputs = await client.wait_for_execution(await client.queue_prompt(prompt), INTERVAL)
            (found,) = await client.extract_outputs(outputs)
            return base64.b64encode(found.data).decode()

        async def refusal(prompt: dict[str, Any]) -> str:
            try:
                return str(await client.queue_prompt(prompt))
            except Exception as error:  # noqa: BLE001 - what it raises is what it says
                return str(getattr(error, "response_text", error))

        task["edit"]["1"]["inputs"]["image"] = await client.upload_image(task["file"])
        return {
            "picture": await picture(task["picture"]),
            "edited": await picture(task["edit"]),
            "refused": await refusal(task["wrong"]),
        }


async def main() -> None:
    given = json.load(sys.stdin)
    print(json.dumps([await drive(given, url) for url in given["servers"]]))


asyncio.run(main())
