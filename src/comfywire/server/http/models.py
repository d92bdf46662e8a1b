"""Routes about model files (server.py and app/model_manager.py, 0.3.64)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from comfywire.server.folders import MODEL_FOLDERS, NEWER_MODEL_FOLDERS

if TYPE_CHECKING:
    from comfywire.server.folders import Folders

__all__ = ["ModelRoutes"]

NO_MODELS = {"configs", "custom_nodes"}
EXTENSIONS = [".bin", ".ckpt", ".pkl", ".pt", ".pt2", ".pth", ".safetensors", ".sft"]
LONGEST_HEADER = 1024**2


class ModelRoutes:
    """What lies below ``models``."""

    def __init__(self, folders: Folders, *, is_new: bool) -> None:
        self._folders = folders
        self._is_new = is_new
        self._names = list(NEWER_MODEL_FOLDERS if is_new else MODEL_FOLDERS)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, without prefix."""
        return [
            web.get("/models", self.get_folders),
            web.get("/models/{folder}", self.get_files),
            web.get("/embeddings", self.get_embeddings),
            web.get("/experiment/models", self.describe_folders),
            web.get("/experiment/models/{folder}", self.describe_files),
            web.get("/view_metadata/{folder}", self.view_metadata),
        ]

    async def get_folders(self, request: web.Request) -> web.Response:
        """List the model folders."""
        del request
        return web.json_response(self._names)

    async def get_files(self, request: web.Request) -> web.Response:
        """List the files of one model folder."""
        folder = request.match_info["folder"]
        if folder not in self._names:
            return web.Response(status=404)
        return web.json_response(self._folders.model_files(folder))

    async def get_embeddings(self, request: web.Request) -> web.Response:
        """List the embeddings, without their extensions."""
        del request
        files = self._folders.model_files("embeddings")
        return web.json_response([os.path.splitext(name)[0] for name in files])  # noqa: PTH122 - may hold "/"

    async def describe_folders(self, request: web.Request) -> web.Response:
        """List the model folders with where they are."""
        del request
        return web.json_response([self._folder(name) for name in self._names if name not in NO_MODELS])

    def _folder(self, name: str) -> dict[str, Any]:
        described = {"name": name, "folders": [str(Path(self._folders.models) / name)]}
        return {**described, "extensions": EXTENSIONS} if self._is_new else described

    async def describe_files(self, request: web.Request) -> web.Response:
        """List the files of one model folder with sizes and times; the placeholders are no files."""
        folder = request.match_info["folder"]
        if folder not in self._names:
            return web.Response(status=404)
        paths = [(name, self._path(folder, name)) for name in self._folders.model_files(folder)]
        return web.json_response([_described(name, path) for name, path in paths if path.is_file()])

    async def view_metadata(self, request: web.Request) -> web.Response:
        """Return what a safetensors file says of itself."""
        folder, name = request.match_info["folder"], request.query.get("filename", "")
        is_listed = folder in self._names and name in self._folders.model_files(folder)
        if not is_listed or not name.endswith(".safetensors"):
            return web.Response(status=404)
        metadata = _metadata(self._path(folder, name))
        return web.Response(status=404) if metadata is None else web.json_response(metadata)

    def _path(self, folder: str, name: str) -> Path:
        return Path(self._folders.models) / folder / name


def _described(name: str, path: Path) -> dict[str, Any]:
    state = path.stat()
    times = {"modified": state.st_mtime, "created": state.st_ctime}
    return {"name": name, "pathIndex": 0, **times, "size": state.st_size}


def _metadata(path: Path) -> Any:
    """Return ``__metadata__`` of the header: eight bytes of length, then JSON; None if there is none."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= LONGEST_HEADER else {}
    except (OSError, ValueError):
        return None
    return header.get("__metadata__")
