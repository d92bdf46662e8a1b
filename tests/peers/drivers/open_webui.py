"""Open WebUI's own module for ComfyUI; what it imports of the rest of Open WebUI is given to it here."""

import asyncio
import base64
import importlib.util
import json
import logging
import sys
import types
from pathlib import Path
from typing import Any

import aiohttp

MODULE = Path(sys.argv[1], "open_webui", "utils", "images", "comfyui.py")


def load(session: aiohttp.ClientSession) -> Any:
    async def get_session() -> aiohttp.ClientSession:
        return session

    codec = types.SimpleNamespace(loads=json.loads, dumps=json.dumps)
    given: dict[str, dict[str, Any]] = {
        "open_webui": {},
        "open_webui.env": {"AIOHTTP_CLIENT_SESSION_SSL": True},
        "open_webui.utils": {},
        "open_webui.utils.json_codec": {"JSONCodec": codec},
        "open_webui.utils.session_pool": {"get_session": get_session},
    }
    for name, members in given.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(members)
    spec = importlib.util.spec_from_file_location("comfyui", MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["comfyui"] = module
    spec.loader.exec_module(module)
    return module


async def drive(client: Any, task: dict[str, Any], url: str) -> dict[str, str]:
    async def picture(asked: Any) -> str:
        made = await asked
        image = made["data"][0]["url"]
        async with aiohttp.ClientSession() as session, session.get(image) as reply:
            assert reply.content_type.startswith("image/")
            return base64.b64encode(await reply.read()).decode()

    def workflow(prompt: dict[str, Any], *nodes: Any) -> Any:
        return client.ComfyUIWorkflow(workflow=json.dumps(prompt), nodes=list(nodes))

    drawn = client.ComfyUICreateImageForm(workflow=workflow(task["picture"]), prompt="x", width=8, height=8)
    content = await asyncio.to_thread(Path(task["file"]).read_bytes)
    photo = ("image", ("photo.png", content, "image/png"))
    uploaded = await client.comfyui_upload_image(photo, url, "")
    loads = client.ComfyUINodeInput(type="image", node_ids=["1"], key="image")
    edit = workflow(task["edit"], loads)
    edited = client.ComfyUIEditImageForm(workflow=edit, image=uploaded["name"], prompt="x")
    return {
        "picture": await picture(client.comfyui_create_image("", drawn, "owui", url, "")),
        "edited": await picture(client.comfyui_edit_image("", edited, "owui", url, "")),
    }


async def main() -> None:
    logging.disable(logging.CRITICAL)
    given = json.load(sys.stdin)
    async with aiohttp.ClientSession() as session:
        client = load(session)
        print(json.dumps([await drive(client, given, url) for url in given["servers"]]))


asyncio.run(main())
