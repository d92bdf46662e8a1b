"""What the fleet is, as one ComfyUI would say it of itself; and /free, which is for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from comfywire.service.access.callers import Caller
from comfywire.service.core import Core
from comfywire.service.database.pool import Row
from comfywire.service.fleet.registry import Registry
from comfywire.service.native.face import routes

__all__ = ["ROUTES", "features"]

UNKNOWN = {
    "os": "posix",
    "ram_total": 0,
    "ram_free": 0,
    "comfyui_version": "0.0.0",
    "python_version": "",
    "pytorch_version": "",
    "embedded_python": False,
}
"""What a fleet without a ComfyUI says of its system: programs read these members without asking."""


def features(core: Core) -> dict[str, Any]:
    """Return the flags of GET /features, which the socket's ``feature_flags`` repeats (0.3.64)."""
    return {"supports_preview_metadata": True, "max_upload_size": core.settings.max_upload_bytes}


async def get_features(request: Request, core: Core, caller: Caller) -> Response:
    """Return the flags."""
    del request, caller
    return JSONResponse(features(core))


async def system_stats(request: Request, core: Core, caller: Caller) -> Response:
    """Describe the fleet: the system of the newest ComfyUI that is up, and the devices of all of them."""
    del request, caller
    servers = await Registry(core.database).facts()
    return JSONResponse({"system": _system(servers), "devices": _devices(servers)})


def _system(servers: Sequence[Row]) -> dict[str, Any]:
    """Return what the newest ComfyUI says of its system, without the command line that started it."""
    newest = max(servers, key=lambda server: _numbers(server["version"] or ""), default=None)
    said = (newest["facts"].get("system") or {}) if newest is not None else {}
    return {**UNKNOWN, **said, "argv": []}


def _devices(servers: Sequence[Row]) -> list[dict[str, Any]]:
    found = [device for server in servers for device in server["devices"] if isinstance(device, dict)]
    return [{**device, "index": index} for index, device in enumerate(found)]


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


async def users(request: Request, core: Core, caller: Caller) -> Response:
    """Say that there is one user, as a ComfyUI without ``--multi-user`` does: the key."""
    del request, core, caller
    return JSONResponse({"storage": "server", "migrated": True})


async def free(request: Request, core: Core, caller: Caller) -> Response:
    """Have every ComfyUI that has nothing to do let go of its models."""
    del request, caller
    await Registry(core.database).want_free()
    return Response()


async def not_there(request: Request, core: Core, caller: Caller) -> Response:
    """Say that a model carries no metadata: the service has no models."""
    del request, core, caller
    return Response(status_code=404)


ROUTES = [
    *routes("/features", get_features),
    *routes("/system_stats", system_stats),
    *routes("/users", users),
    *routes("/view_metadata/{folder}", not_there),
    *routes("/free", free, "POST", scope="admin"),
]
