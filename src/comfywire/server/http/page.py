"""GET /: a page that shows the queue and the last results, where ComfyUI has its editor."""

from __future__ import annotations

import secrets
from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import web

from comfywire.server.http.overview import overview

if TYPE_CHECKING:
    from comfywire.server.prompt_server import PromptServer

__all__ = ["PageRoutes"]

# The page's own style and script, and this server's answers; what it shows comes from anybody's workflows.
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class PageRoutes:
    """The page and what it asks for; plain HTML and a little JavaScript, nothing is built."""

    def __init__(self, server: PromptServer) -> None:
        self._server = server
        self._page = files("comfywire.server").joinpath("page.html").read_text(encoding="utf-8")

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; ComfyUI answers / too, with HTML."""
        return [web.get("/", self.page), web.get("/comfywire/overview", self.overview)]

    async def page(self, request: web.Request) -> web.Response:
        """Send the page."""
        del request
        nonce = secrets.token_urlsafe(16)
        headers = {
            "Content-Security-Policy": POLICY.format(nonce=nonce),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(
            text=self._page.replace("{{nonce}}", nonce), content_type="text/html", headers=headers
        )

    async def overview(self, request: web.Request) -> web.Response:
        """Send what the page shows."""
        del request
        return web.json_response(overview(self._server), headers={"Cache-Control": "no-store"})
