"""The whole application: the Comfy API v2, and beside it the faces of the service for other programs."""

from __future__ import annotations

from fastapi import FastAPI

from comfywire.service.api.app import create_app as create_api
from comfywire.service.core import Core
from comfywire.service.native.app import attach
from comfywire.service.openai import images, models, videos

__all__ = ["create_app"]


def create_app(core: Core) -> FastAPI:
    """Return the application that serves ``core`` to everybody; see the API's own ``create_app``."""
    app = create_api(core, [images.router, models.router, videos.router])
    attach(app)
    return app
