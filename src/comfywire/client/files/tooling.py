"""The routes of the node pack comfyui-tooling-nodes (api.py, 3.3.0): pictures in memory, kinds of models."""

from __future__ import annotations

from typing import Any, BinaryIO
from urllib.parse import quote

from comfywire.transport.http import Http

__all__ = ["CACHE", "CACHE_ROUTE", "Tooling"]

CACHE = "etn"
"""The type of pictures in the pack's memory, where a ComfyUI has ``output`` or ``temp``."""
CACHE_ROUTE = "/etn/image"
"""Where they are, below ``/api``."""
PAGE = 8
"""Models that are asked for at a time: of each, the server reads the beginning of its file."""
MOST_MODELS = 2_000


class Tooling:
    """What that pack adds to one server. All raise ServerError where the server does not have it."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def put_picture(self, content: bytes | BinaryIO, name: str) -> None:
        """Give the server a picture, which nodes load by ``name``.

        The pack keeps it in memory for a while, and the first of a name (put_image).

        Raises:
            ConnectionFailed, ConnectionLost, ServerError: The server did not take it.

        """
        path = f"{CACHE_ROUTE}/{quote(name, safe='')}"
        async with self._http.request("PUT", path, content=content, kind="application/octet-stream") as reply:
            await reply.read()

    async def models(self, folder: str) -> dict[str, Any]:
        """Return what the models of a folder are made for, by file: ``{"base_model": ..., ...}``.

        Raises:
            ConnectionFailed, ConnectionLost, ServerError, UnexpectedReply: The server does not say.

        """
        found: dict[str, Any] = {}
        for offset in range(0, MOST_MODELS, PAGE):
            query = {"offset": str(offset), "limit": str(PAGE)}
            page = await self._http.get_object(f"/etn/model_info/{quote(folder, safe='')}", **query)
            about = page.pop("_meta", None)
            found |= {name: said for name, said in page.items() if isinstance(said, dict)}
            if not isinstance(about, dict) or offset + PAGE >= int(about.get("total") or 0):
                break
        return found
