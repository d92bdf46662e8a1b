"""The editor's own files, below ``/editor/``, out of the package that the operator has installed.

ComfyUI's front end is GPL: it is never a part of Comfywire, nor a dependency.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from comfywire.errors import ComfywireError
from comfywire.service.api.errors import error_response
from comfywire.service.native.callers import caller_for
from comfywire.service.settings import Settings

__all__ = ["NoEditor", "must_be_there", "routes_for_scripts", "routes_of"]

PACKAGE = "comfyui_frontend_package"
TEMPLATES = "comfyui_workflow_templates"
INDEX = "index.html"
SAFE = {
    # A key may stand in the address (/k/KEY/editor/), and nobody else's page may show this one.
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
SIGN_IN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title>
<p>Sign in with your key on <a href="/">the service's own page</a>, then open this address again.</p></html>
"""


class NoEditor(ComfywireError):
    """The editor is wanted, and is not installed."""


def must_be_there(settings: Settings) -> None:
    """Raise if the editor is wanted and not installed.

    Raises:
        NoEditor: So it is.

    """
    if settings.editor:
        _folder()


def routes_of(settings: Settings) -> list[BaseRoute]:
    """Return the routes of the editor; none where it is not wanted.

    Raises:
        NoEditor: It is wanted and not installed.

    """
    if not settings.editor:
        return []
    return [
        Route("/editor", _with_slash, include_in_schema=False),
        *_templates(),
        Mount("/editor", _Files(directory=_folder())),
    ]


def routes_for_scripts(settings: Settings) -> list[BaseRoute]:
    """Return what browser scripts of node packs import from the front end by ComfyUI's own addresses.

    Raises:
        NoEditor: The editor is wanted and not installed.

    """
    folders = ("scripts", "extensions/core") if settings.editor else ()
    places = [(name, _folder() / name) for name in folders]
    return [Mount(f"/{name}", _Files(directory=place)) for name, place in places if place.is_dir()]


def _templates() -> list[BaseRoute]:
    """Return the routes of ComfyUI's templates, out of the packages that the operator has installed.

    There are several, which share out the files (comfyui-workflow-templates, 0.11.97). Without any the list
    is empty.
    """
    found: list[str | tuple[str, str]] = [
        (name, "templates")
        for _, name, is_package in iter_modules()
        if is_package and name.startswith(TEMPLATES) and _has_templates(name)
    ]
    if found:
        return [Mount("/editor/templates", _Files(packages=found))]
    return [Route("/editor/templates/index.json", _no_templates, include_in_schema=False)]


def _has_templates(package: str) -> bool:
    return any((place / "templates").is_dir() for place in _places(package))


async def _no_templates(request: Request) -> Response:
    del request
    return JSONResponse([], headers=SAFE)


class _Files(StaticFiles):
    """The package's files; its document is for those whom the service knows, who may be sent to sign in."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return one file."""
        response = await self._response(path, scope)
        response.headers.update(SAFE)
        return response

    async def _response(self, path: str, scope: Scope) -> Response:
        if path not in (".", INDEX):
            return await super().get_response(path, scope)
        try:
            await caller_for("read", Request(scope))
        except ComfywireError as error:
            return HTMLResponse(SIGN_IN, error_response(error).status_code)
        return await super().get_response(INDEX, scope)


async def _with_slash(request: Request) -> Response:
    """Send a browser to where the editor's relative addresses lead, whatever stands before that."""
    del request
    return RedirectResponse("editor/")


def _places(package: str) -> list[Path]:
    """Return where a package is installed, without running anything of it."""
    spec = find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec is not None else []


def _folder() -> Path:
    for place in _places(PACKAGE):
        if (folder := place / "static").joinpath(INDEX).is_file():
            return folder
    raise NoEditor(
        "--editor serves ComfyUI's own front end, which is not installed beside Comfywire: "
        "`python -m pip install comfyui-frontend-package` with the Python that runs this, and start again"
    )
