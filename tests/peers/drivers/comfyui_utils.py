"""comfyui-utils: submits, then opens its socket, and asks queue and history whenever a status comes."""

import asyncio
import base64
import json
import sys
from typing import Any

import comfyui_utils.comfy as client  # type: ignore[import-not-found]


class Heard(client.Callbacks):  # type: ignore[misc]
    """What it is told of one prompt."""

    def __init__(self) -> None:
        self.outputs: dict[str, Any] = {}

    async def queue_position(self, position: str) -> None:
        del position

    async def in_progress(self, node_id: int, progress: int, total: int) -> None:
        del node_id, progress, total

    async def completed(self, outputs: dict[str, Any], cached: bool) -> None:
        del cached
        self.outputs = outputs


async def drive(task: dict[str, Any], url: str) -> dict[str, str]:
    api = client.ComfyAPI(url.partition("://")[2])

    async def picture(prompt: dict[str, Any]) -> str:
        heard, found = Heard(), []

        async def keep(content: Any) -> None:
            found.append(content.read())

        await api.submit(prompt, heard)
        await api.fetch(heard.outputs["images"][0], keep)
        return base64.b64encode(found[0]).decode()

    async def refusal(prompt: dict[str, Any]) -> str:
        try:
            await api.submit(prompt, Heard())
        except ValueError as error:
            return str(error)
        return "it was taken"

    return {"picture": await picture(task["picture"]), "refused": await refusal(task["wrong"])}


async def main() -> None:
    given = json.load(sys.stdin)
    print(json.dumps([await drive(given, url) for url in given["servers"]]))


asyncio.run(main())
