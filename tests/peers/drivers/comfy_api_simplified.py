"""comfy-api-simplified: submits, then opens its socket; nodes are named by their titles."""

import base64
import json
import sys
from typing import Any

from comfy_api_simplified import (  # type: ignore[import-not-found, attr-defined]
    ComfyApiWrapper,
    ComfyWorkflowWrapper,
)


def drive(task: dict[str, Any], url: str) -> dict[str, str]:
    api = ComfyApiWrapper(url)

    def picture(prompt: dict[str, Any]) -> str:
        found = api.queue_and_wait_images(ComfyWorkflowWrapper(prompt), "Save")
        return base64.b64encode(next(iter(found.values()))).decode()

    def refusal(prompt: dict[str, Any]) -> str:
        try:
            return str(api.queue_prompt(prompt))
        except Exception as error:  # noqa: BLE001 - what it raises is what it says
            return str(error)

    uploaded = api.upload_image(task["file"])
    edit = ComfyWorkflowWrapper(task["edit"])
    edit.set_node_param("Load", "image", f"{uploaded['subfolder']}/{uploaded['name']}")
    return {"picture": picture(task["picture"]), "edited": picture(edit), "refused": refusal(task["wrong"])}


given = json.load(sys.stdin)
print(json.dumps([drive(given, url) for url in given["servers"]]))
