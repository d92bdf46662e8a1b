"""Routes of the pack comfyui-tooling-nodes (api.py, 3.3.0): pictures in memory, and kinds of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from comfywire.server.folders import MODEL_FOLDERS

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from comfywire.server.folders import Folders

__all__ = ["ToolingRoutes"]

MOST_PICTURES = 1_000


class ToolingRoutes:
    """What lies below ``/api/etn``.

    Args:
        pictures: Bytes and type by id; the nodes' own.
        folders: Where models are.

    """

    def __init__(self, pictures: MutableMapping[str, tuple[bytes, str]], folders: Folders) -> None:
        self._pictures = pictures
        self._folders = folders

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; the pack declares them with ``/api``."""
        return [
            web.get("/api/etn/image/{id}", self.get),
            web.put("/api/etn/image/{id}", self.put),
            web.get("/api/etn/model_info/{folder}", self.models),
        ]

    async def get(self, request: web.Request) -> web.Response:
        """Return a picture."""
        found = self._pictures.get(request.match_info["id"])
        if found is None:
            return web.json_response({"error": "Image not found"}, status=404)
        return web.Response(body=found[0], content_type=found[1])

    async def put(self, request: web.Request) -> web.Response:
        """Keep a picture, the first of an id; of too many the oldest goes."""
        content, name = await request.read(), request.match_info["id"]
        if name in self._pictures:
            return web.json_response({"status": "cached"})
        while len(self._pictures) >= MOST_PICTURES:
            self._pictures.pop(next(iter(self._pictures)), None)
        self._pictures[name] = (content, request.content_type)
        return web.json_response({"status": "success"}, status=201)

    async def models(self, request: web.Request) -> web.Response:
        """Say of what kind models are, page by page: of placeholders, by their names."""
        folder = request.match_info["folder"]
        if folder not in MODEL_FOLDERS:
            return web.json_response({"error": f"Invalid folder path, {folder}"}, status=400)
        names = self._folders.model_files(folder)
        offset, limit = int(request.query.get("offset", "0")), int(request.query.get("limit", "1000"))
        page = names[offset : offset + limit]
        told: dict[str, dict[str, object]] = {name: _described(name) for name in page}
        return web.json_response(
            told | {"_meta": {"offset": offset, "count": len(page), "total": len(names)}}
        )


def _described(name: str) -> dict[str, object]:
    if "xl" in name.lower():
        return {"base_model": "sdxl", "is_inpaint": False, "type": "eps"}
    return {"base_model": "flux" if "flux" in name.lower() else "sd15", "is_inpaint": False}
