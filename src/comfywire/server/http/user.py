"""Routes about the one user: /users, /settings, /userdata (app/user_manager.py, app_settings.py, 0.3.64)."""

# As in routes_files.py: strings, since what is refused depends on how they are joined; and in the event loop.
# ruff: noqa: ASYNC230, ASYNC240, PTH103, PTH107, PTH110, PTH112, PTH118, PTH120, PTH123, PTH202, PTH204, PTH205

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import web

from comfywire.server.http.served import download_headers

if TYPE_CHECKING:
    from comfywire.server.folders import Folders

__all__ = ["UserRoutes"]

SETTINGS = "comfy.settings.json"


class UserRoutes:
    """Settings and files of the user ``default``; there are no others."""

    def __init__(self, folders: Folders, *, is_new: bool) -> None:
        self._folders = folders
        self._is_new = is_new

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, without prefix."""
        return [
            web.get("/users", self.get_users),
            web.get("/settings", self.get_settings),
            web.get("/settings/{id}", self.get_setting),
            web.post("/settings", self.post_settings),
            web.post("/settings/{id}", self.post_setting),
            web.get("/userdata", self.list_files),
            web.get("/v2/userdata", self.list_everything),
            web.get("/userdata/{file}", self.get_file),
            web.post("/userdata/{file}", self.post_file),
            web.delete("/userdata/{file}", self.delete_file),
            web.post("/userdata/{file}/move/{dest}", self.move_file),
        ]

    async def get_users(self, request: web.Request) -> web.Response:
        """Say that there is one user, and whether something was ever kept for it."""
        del request
        return web.json_response({"storage": "server", "migrated": os.path.exists(self._folders.user)})

    async def get_settings(self, request: web.Request) -> web.Response:
        """Return all settings."""
        del request
        return web.json_response(self._settings())

    async def get_setting(self, request: web.Request) -> web.Response:
        """Return one setting, null for one that is not set."""
        return web.json_response(self._settings().get(request.match_info["id"]))

    async def post_settings(self, request: web.Request) -> web.Response:
        """Set those that are named, and keep the others."""
        self._keep({**self._settings(), **await request.json()})
        return web.Response()

    async def post_setting(self, request: web.Request) -> web.Response:
        """Set one; its value is the whole body."""
        self._keep({**self._settings(), request.match_info["id"]: await request.json()})
        return web.Response()

    def _settings(self) -> dict[str, Any]:
        try:
            with open(self._path(SETTINGS) or "", encoding="utf-8") as file:
                settings: dict[str, Any] = json.load(file)
        except (OSError, ValueError):
            return {}
        return settings

    def _keep(self, settings: dict[str, Any]) -> None:
        path = self._path(SETTINGS) or ""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(settings, file, indent=4)

    def _path(self, name: str, *, is_read: bool = False) -> str | None:
        """Return a file's path below the user's folder, which is made for it; None for one that leads out."""
        path = os.path.abspath(os.path.join(self._folders.user, unquote(name)))  # noqa: PTH100
        if not self._folders.contains(self._folders.user, path):
            return None
        if not is_read:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    async def list_files(self, request: web.Request) -> web.Response:
        """List the files of a folder: names, names in parts, or with sizes and times."""
        query = request.query
        if not query.get("dir"):
            return web.Response(status=400, text="Directory not provided")
        folder = self._path(query["dir"])
        if folder is None:
            return web.Response(status=403, text="Invalid directory")
        if not os.path.exists(folder):
            return web.Response(status=404, text="Directory not found")
        names = sorted(_files(folder, is_deep=_is_true(query.get("recurse"))))
        if _is_true(query.get("full_info")):
            return web.json_response([self._described(os.path.join(folder, name), folder) for name in names])
        if _is_true(query.get("split")):
            return web.json_response([[name, *name.split("/")] for name in names])
        return web.json_response(names)

    async def list_everything(self, request: web.Request) -> web.Response:
        """List folders and files below one folder, folders first."""
        name = unquote(request.query.get("path", ""))
        folder = self._path(name, is_read=True) if name else self._folders.user
        if folder is None:
            return web.Response(status=400, text="Invalid path requested")
        if not os.path.exists(folder):
            if name:
                return web.Response(status=404, text="Requested path not found")
            return web.json_response([])
        if not os.path.isdir(folder):
            return web.Response(status=400, text="Requested path is not a directory")
        found = [
            self._entry(where, name)
            for where, folders, files in os.walk(folder)
            for name in (*folders, *files)
        ]
        found.sort(key=lambda entry: (entry["type"] != "directory", entry["name"].lower()))
        return web.json_response(found)

    def _entry(self, where: str, name: str) -> dict[str, Any]:
        path = os.path.join(where, name)
        entry = {"name": name, "path": _relative(path, self._folders.user)}
        if os.path.isdir(path):
            return {**entry, "type": "directory"}
        sizes = {"size": os.path.getsize(path), "modified": os.path.getmtime(path)}
        return {**entry, "type": "file", **sizes}

    def _described(self, path: str, folder: str) -> dict[str, Any]:
        times: dict[str, float] = {"modified": os.path.getmtime(path), "created": os.path.getctime(path)}
        if self._is_new:
            times = {name: int(seconds * 1000) for name, seconds in times.items()}
        return {"path": _relative(path, folder), "size": os.path.getsize(path), **times}

    async def get_file(self, request: web.Request) -> web.StreamResponse:
        """Send a file, as something to keep and not to show where the server is new."""
        path = self._path(request.match_info["file"])
        if path is None:
            return web.Response(status=403)
        if not os.path.exists(path):
            return web.Response(status=404)
        if not self._is_new:
            return web.FileResponse(path)
        is_own_style = path == os.path.join(self._folders.user, "user.css")
        return web.FileResponse(path, headers=download_headers(path, is_own_style=is_own_style))

    async def post_file(self, request: web.Request) -> web.Response:
        """Write the body to a file."""
        path = self._path(request.match_info["file"])
        if path is None:
            return web.Response(status=403)
        if _is_kept(request, path):
            return web.Response(status=409, text="File already exists")
        content = await request.read()
        try:
            with open(path, "wb") as file:
                file.write(content)
        except OSError:
            reason = 'Invalid filename. Please avoid special characters like :\\/*?"<>|'
            return web.Response(status=400, reason=reason)
        return self._written(request, path)

    async def delete_file(self, request: web.Request) -> web.Response:
        """Remove a file."""
        path = self._path(request.match_info["file"])
        if path is None:
            return web.Response(status=403)
        if not os.path.exists(path):
            return web.Response(status=404)
        os.remove(path)
        return web.Response(status=204)

    async def move_file(self, request: web.Request) -> web.Response:
        """Rename a file."""
        source, to = (self._path(request.match_info[name]) for name in ("file", "dest"))
        if source is None:
            return web.Response(status=403)
        if not os.path.exists(source):
            return web.Response(status=404)
        if to is None:
            # Old servers look at the wrong variable, and go on with the answer as if it were a path.
            return web.Response(status=403 if self._is_new else 500)
        if _is_kept(request, to):
            return web.Response(status=409, text="File already exists")
        shutil.move(source, to)
        return self._written(request, to)

    def _written(self, request: web.Request, path: str) -> web.Response:
        if _is_true(request.query.get("full_info")):
            return web.json_response(self._described(path, self._folders.user))
        return web.json_response(_relative(path, self._folders.user))


def _files(folder: str, *, is_deep: bool) -> list[str]:
    """Return the files below a folder; as with glob, what begins with a dot is not seen."""
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if is_deep and not name.startswith(".")]
        found += [_relative(os.path.join(where, name), folder) for name in names if not name.startswith(".")]
    return found


def _relative(path: str, folder: str) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")


def _is_kept(request: web.Request, path: str) -> bool:
    """Tell whether a file is there that the request does not want to lose."""
    return request.query.get("overwrite") == "false" and os.path.exists(path)


def _is_true(word: str | None) -> bool:
    return (word or "").lower() == "true"
