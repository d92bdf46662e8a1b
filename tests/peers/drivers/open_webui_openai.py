"""Open WebUI's own functions that ask OpenAI's API; what they need of the rest is given to them here."""

import asyncio
import base64
import importlib.util
import json
import logging
import re
import sys
import types
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import MagicMock

import aiohttp

MODULE = Path(sys.argv[1], "open_webui", "routers", "images.py")
IMPORTS = re.compile(r"^from (open_webui\.\S+) import", re.MULTILINE)


class Config:
    """The settings of an administrator who chose the service, by Open WebUI's names for them."""

    values: ClassVar[dict[str, Any]] = {}

    @classmethod
    async def get_many(cls, *names: str) -> dict[str, Any]:
        return {name: cls.values.get(name, "") for name in names}


def load(session: aiohttp.ClientSession, folder: Path, kept: list[str]) -> Any:
    async def get_session() -> aiohttp.ClientSession:
        return session

    async def upload_file_handler(_request: Any, *, file: Any, **_: Any) -> Any:
        kept.append(base64.b64encode(await file.read()).decode())
        return types.SimpleNamespace(id="1", meta={}, filename=file.filename)

    for name in IMPORTS.findall(MODULE.read_text(encoding="utf-8")):
        sys.modules[name] = MagicMock()
    for name in ("get_admin_user", "get_verified_user"):
        setattr(sys.modules["open_webui.utils.auth"], name, lambda: None)
    given: dict[str, dict[str, Any]] = {
        "open_webui.config": {
            "CACHE_DIR": folder,
            "ENABLE_OPENAI_IMAGE_EDIT_NORMALIZATION": True,
            "IMAGE_AUTO_SIZE_MODELS_REGEX_PATTERN": "^gpt-image",
            "IMAGE_URL_RESPONSE_MODELS_REGEX_PATTERN": "^gpt-image",
        },
        "open_webui.env": {
            "AIOHTTP_CLIENT_SESSION_SSL": True,
            "AIOHTTP_CLIENT_ALLOW_REDIRECTS": False,
            "ENABLE_FORWARD_USER_INFO_HEADERS": False,
        },
        "open_webui.models.config": {"Config": Config},
        "open_webui.routers.files": {"upload_file_handler": upload_file_handler},
        "open_webui.utils.session_pool": {"get_session": get_session},
    }
    for name, members in given.items():
        vars(sys.modules[name]).update(members)
    spec = importlib.util.spec_from_file_location("images", MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["images"] = module
    spec.loader.exec_module(module)
    return module


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    address = {"openai.api_base_url": f"{given['url']}/v1", "openai.api_key": given["key"]}
    drawing = {"engine": "openai", "model": "draw", "size": "64x64", **address}
    editing = {"engine": "openai", "model": "edit", **address}
    return {
        **{f"image_generation.{name}": value for name, value in drawing.items()},
        **{f"images.edit.{name}": value for name, value in editing.items()},
    }


async def main() -> None:
    logging.disable(logging.CRITICAL)
    given = json.load(sys.stdin)
    photo, request = Path(given["file"]), MagicMock()
    content = base64.b64encode(await asyncio.to_thread(photo.read_bytes)).decode()
    kept: list[str] = []
    Config.values = settings_of(given)
    async with aiohttp.ClientSession() as session:
        client = load(session, photo.parent, kept)
        await client.image_generations(request, client.CreateImageForm(prompt="a boat"))
        url = f"data:image/png;base64,{content}"
        await client.image_edits(request, client.EditImageForm(image=url, prompt="a boat"))
        await client.image_edits(request, client.EditImageForm(image=[url], prompt="a boat"))
    print(json.dumps({"drawn": kept[:1], "edited": kept[1:]}))


asyncio.run(main())
