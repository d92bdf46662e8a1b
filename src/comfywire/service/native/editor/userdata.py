"""/settings and /userdata: what the editor keeps, by ComfyUI's rules (app/user_manager.py, 0.33.0)."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from comfywire.service.access.callers import Caller
from comfywire.service.core import Core
from comfywire.service.native.editor.kept import Exists, File, Kept, path_of
from comfywire.service.native.face import BadRequest, json_body, routes

__all__ = ["ROUTES"]

OWN_STYLE = "user.css"
SHOWN = frozenset({"application/json", "image/jpeg", "image/png", "image/webp", "text/plain"})
"""Types that no browser runs; everything else is sent as bytes."""


def _kept(core: Core, caller: Caller) -> Kept:
    return Kept(core.database, caller.key_id)


async def get_settings(request: Request, core: Core, caller: Caller) -> Response:
    """Return all settings."""
    del request
    return JSONResponse(await _kept(core, caller).settings())


async def get_setting(request: Request, core: Core, caller: Caller) -> Response:
    """Return one setting, null for one that is not set."""
    return JSONResponse((await _kept(core, caller).settings()).get(request.path_params["id"]))


async def post_settings(request: Request, core: Core, caller: Caller) -> Response:
    """Set those that are named."""
    changes = await json_body(request)
    if not isinstance(changes, dict):
        raise BadRequest("settings are an object: send names with their values")
    await _kept(core, caller).set(changes)
    return Response()


async def post_setting(request: Request, core: Core, caller: Caller) -> Response:
    """Set one; its value is the whole body."""
    await _kept(core, caller).set({request.path_params["id"]: await json_body(request)})
    return Response()


async def list_files(request: Request, core: Core, caller: Caller) -> Response:
    """List the files of a folder: names, names in parts, or with sizes and times."""
    query = request.query_params
    if not query.get("dir"):
        return PlainTextResponse("Directory not provided", 400)
    folder = path_of(unquote(query["dir"]))
    if folder is None:
        return PlainTextResponse("Invalid directory", 403)
    found = await _files(core, caller, folder)
    if not found:
        return PlainTextResponse("Directory not found", 404)
    shown = {
        name: file
        for name, file in _below(folder, found)
        if _is_seen(name, is_deep=_is_true(query, "recurse"))
    }
    if _is_true(query, "full_info"):
        return JSONResponse([_described(file, name) for name, file in shown.items()])
    if _is_true(query, "split"):
        return JSONResponse([[name, *name.split("/")] for name in shown])
    return JSONResponse(list(shown))


async def list_everything(request: Request, core: Core, caller: Caller) -> Response:
    """List folders and files below one folder, folders first."""
    folder = path_of(unquote(request.query_params.get("path", "")))
    if folder is None:
        return PlainTextResponse("Invalid path requested", 400)
    found = await _files(core, caller, folder)
    if folder and not found:
        is_file = "\0" not in folder and await _kept(core, caller).read(folder) is not None
        why = "Requested path is not a directory" if is_file else "Requested path not found"
        return PlainTextResponse(why, 400 if is_file else 404)
    entries = [*_folders(folder, found), *map(_entry, found)]
    entries.sort(key=lambda entry: (entry["type"] != "directory", entry["name"].lower()))
    return JSONResponse(entries)


async def file(request: Request, core: Core, caller: Caller) -> Response:
    """Send, write, or remove a file, or rename one: its whole path is one part of the address."""
    names = _names(request)
    paths = [path_of(name) for name in names]
    if None in paths:
        return Response(status_code=403)
    path, *to = [each or "" for each in paths]
    kept = _kept(core, caller)
    try:
        match (request.method, to):
            case "POST", [target]:
                moved = await kept.move(path, target, overwrite=_may_overwrite(request))
                return Response(status_code=404) if moved is None else _written(request, moved)
            case "POST", []:
                content = await request.body()
                return _written(request, await kept.write(path, content, overwrite=_may_overwrite(request)))
            case "DELETE", []:
                return Response(status_code=204 if await kept.delete(path) else 404)
            case "GET" | "HEAD", []:
                content_or_none = await kept.read(path)
                return Response(status_code=404) if content_or_none is None else _sent(path, content_or_none)
    except Exists:
        return PlainTextResponse("File already exists", 409)
    return Response(status_code=405)


def _names(request: Request) -> list[str]:
    """Return what an address names: a file, or a file and where it goes.

    Of the address as it came, since a slash of a name is ``%2F`` there; decoded twice, as a ComfyUI does.
    """
    parts = request.scope["raw_path"].decode("latin-1").partition("/userdata/")[2].split("/")
    if len(parts) == 3 and parts[1] == "move":
        del parts[1]
    elif len(parts) != 1:
        raise BadRequest("a file's path is one part of the address: write its slashes as %2F", 404)
    names = [unquote(unquote(part)) for part in parts]
    if any("\0" in name for name in names):
        raise BadRequest("no file has a NUL in its name")
    return names


async def _files(core: Core, caller: Caller, folder: str) -> list[File]:
    return [] if "\0" in folder else await _kept(core, caller).files(folder)


def _below(folder: str, found: Iterable[File]) -> list[tuple[str, File]]:
    return [(file.path[len(folder) + 1 if folder else 0 :], file) for file in found]


def _is_seen(name: str, *, is_deep: bool) -> bool:
    """Tell whether a list has a file: as with glob, what begins with a dot is not seen."""
    parts = name.split("/")
    return (is_deep or len(parts) == 1) and not any(part.startswith(".") for part in parts)


def _folders(folder: str, found: Iterable[File]) -> list[dict[str, Any]]:
    names = {name.rpartition("/")[0] for name, _ in _below(folder, found)} - {""}
    every = {
        "/".join(parts[: depth + 1]) for parts in (n.split("/") for n in names) for depth in range(len(parts))
    }
    before = f"{folder}/" if folder else ""
    return [
        {"name": name.rpartition("/")[2], "path": before + name, "type": "directory"}
        for name in sorted(every)
    ]


def _entry(file: File) -> dict[str, Any]:
    about = {"size": file.size, "modified": file.changed_at.timestamp()}
    return {"name": file.path.rpartition("/")[2], "path": file.path, "type": "file", **about}


def _described(file: File, path: str) -> dict[str, Any]:
    times = {"modified": file.changed_at, "created": file.created_at}
    return {
        "path": path,
        "size": file.size,
        **{name: int(at.timestamp() * 1000) for name, at in times.items()},
    }


def _written(request: Request, file: File) -> Response:
    is_full = _is_true(request.query_params, "full_info")
    return JSONResponse(_described(file, file.path) if is_full else file.path)


def _sent(path: str, content: bytes) -> Response:
    """Send a file as something to keep, which no browser shows or runs, but for the editor's own style."""
    kind = mimetypes.guess_type(path)[0]
    is_style = path == OWN_STYLE
    headers = {
        "Content-Type": "text/css" if is_style else kind if kind in SHOWN else "application/octet-stream",
        "Content-Disposition": "inline" if is_style else "attachment",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, headers=headers)


def _may_overwrite(request: Request) -> bool:
    return request.query_params.get("overwrite") != "false"


def _is_true(query: Any, name: str) -> bool:
    return str(query.get(name, "")).lower() == "true"


ROUTES = [
    *routes("/settings", get_settings),
    *routes("/settings", post_settings, "POST", scope="submit"),
    *routes("/settings/{id}", get_setting),
    *routes("/settings/{id}", post_setting, "POST", scope="submit"),
    *routes("/userdata", list_files),
    *routes("/v2/userdata", list_everything),
    *routes("/userdata/{file:path}", file),
    *routes("/userdata/{file:path}", file, "POST", "DELETE", scope="submit"),
]
