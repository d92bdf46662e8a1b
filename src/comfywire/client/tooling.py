"""The routes of the node pack comfyui-tooling-nodes (api.py, 3.3.0): pictures in memory, kinds of models."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from comfywire.transport.http import Http

from .downloads import CACHE_ROUTE
from .files.sources import UploadSource, open_source
from .threads import in_thread

__all__ = ["Tooling"]

PAGE = 8
"""Models that are asked for at a time: of each, the server reads the beginning of its file."""
MOST_MODELS = 2_000


class Tooling:
    """What that pack adds to one server. All raise ServerError where the server does not have it."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def put_picture(self, source: UploadSource, name: str) -> None:
        """Give the server a picture, which nodes load by ``name``.

        The pack keeps it in memory for a while, and the first of a name (put_image).

        Raises:
            OSError: It cannot be read.
            ConnectionFailed, ConnectionLost, ServerError: The server did not take it.

        """
        opened = await in_thread(open_source, source)
        try:
            content = await in_thread(opened.stream.read)
        finally:
            await in_thread(opened.close)
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
