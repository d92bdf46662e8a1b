"""Routes that describe the server: nodes, features, the machine (server.py, 0.3.64)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from aiohttp import web

from comfywire.server.http.node_info import node_info, object_info

if TYPE_CHECKING:
    from comfywire.server.prompt_server import PromptServer

__all__ = ["CatalogueRoutes"]

MEMORY_BYTES = 16 * 1024**3


class CatalogueRoutes:
    """What a client may ask before it sends anything."""

    def __init__(self, server: PromptServer) -> None:
        self._server = server

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, without prefix."""
        return [
            web.get("/object_info", self.get_object_info),
            web.get("/object_info/{node_class}", self.get_node_info),
            web.get("/system_stats", self.get_system_stats),
            web.get("/features", self.get_features),
            web.get("/extensions", self.get_extensions),
            web.get("/i18n", self.get_nothing),
            web.get("/workflow_templates", self.get_nothing),
        ]

    async def get_object_info(self, request: web.Request) -> web.Response:
        """Describe every node class."""
        del request
        return web.json_response(object_info(self._server.classes, is_new=self._server.options.is_new))

    async def get_node_info(self, request: web.Request) -> web.Response:
        """Describe one node class; ``{}`` for a name that is not known."""
        name = request.match_info["node_class"]
        known = self._server.classes.get(name)
        if known is None:
            return web.json_response({})
        return web.json_response({name: node_info(name, known, is_new=self._server.options.is_new)})

    async def get_system_stats(self, request: web.Request) -> web.Response:
        """Describe the machine; everything but the versions is made up, and ``argv`` says whose."""
        del request
        return web.json_response(system_stats(self._server.options.profile))

    async def get_features(self, request: web.Request) -> web.Response:
        """Return the server's feature flags."""
        del request
        return web.json_response(self._server.features())

    async def get_extensions(self, request: web.Request) -> web.Response:
        """List the editor's scripts: there is no editor here."""
        del request
        return web.json_response([])

    async def get_nothing(self, request: web.Request) -> web.Response:
        """Return what custom nodes add, of which there are none."""
        del request
        return web.json_response({})


def system_stats(profile: str) -> dict[str, Any]:
    """Return GET /system_stats for a CPU with 16 GiB."""
    versions: dict[str, Any] = {
        "comfyui_version": profile,
        "required_frontend_version": "1.27.10",
        "installed_templates_version": "0.1.95",
        "required_templates_version": "0.1.95",
        "python_version": sys.version,
        "pytorch_version": "0.0.0+comfywire-test-server",
    }
    if profile == "0.33.0":
        versions |= {"comfy_package_versions": [], "deploy_environment": "comfywire-test-server"}
    memory = {"ram_total": MEMORY_BYTES, "ram_free": MEMORY_BYTES // 2}
    argv = ["comfywire", "server", "--cpu", "--preview-method", "latent2rgb"]
    device = {
        "name": "cpu (models are simulated by comfywire)",
        "type": "cpu",
        "index": None,
        "vram_total": MEMORY_BYTES,
        "vram_free": MEMORY_BYTES // 2,
        "torch_vram_total": MEMORY_BYTES,
        "torch_vram_free": MEMORY_BYTES // 2,
    }
    return {
        "system": {
            "os": sys.platform if profile == "0.33.0" else os.name,
            **memory,
            **versions,
            "embedded_python": False,
            "argv": argv,
        },
        "devices": [device],
    }
