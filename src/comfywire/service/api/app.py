"""The application: every route of the service, behind one guard, with one way to tell of errors."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from comfywire.service.core import Core
from comfywire.service.page import routes as page

from . import (
    assets,
    batches,
    events,
    front,
    health,
    jobs,
    keys,
    metrics,
    openapi,
    servers,
    webhooks,
    workflows,
)
from .errors import ENVELOPE, Dialects, answer_errors
from .gallery import inspecting, presets, sharing
from .guards import Guard
from .routing.shortcut import Shortcut

__all__ = ["create_app"]

MODULES = (
    jobs,  # first: each request asks one after the other whether a route is its
    events,
    assets,
    front,
    page,
    sharing,
    batches,
    workflows,
    inspecting,
    presets,
    servers,
    keys,
    webhooks,
    health,
    metrics,
)
DESCRIPTION = """A durable queue in front of any number of ComfyUIs. It speaks the Comfy API v2, so that the
official `comfy-sdk` works with it unchanged, and more."""
ERRORS = {
    "4XX": {"description": "See `error.code`.", "content": {"application/json": {"schema": ENVELOPE}}},
    "5XX": {"description": "Try again.", "content": {"application/json": {"schema": ENVELOPE}}},
}


def create_app(core: Core, others: Iterable[APIRouter] = (), dialects: Dialects | None = None) -> FastAPI:
    """Return the application that serves ``core``, with the routes of ``others`` beside its own.

    ``dialects`` says in whose shape errors are told below the paths of others.

    The application needs no lifespan: the caller starts and stops ``core``. Before its server stops, the
    caller ends the streams of events with ``core.broker.close()``; the server would else wait for them.
    """
    app = FastAPI(
        title="Comfywire",
        version=version("comfywire"),
        description=DESCRIPTION,
        openapi_url="/api/v2/openapi.json",
        docs_url=None,  # FastAPI's page loads its scripts from another company's server
        redoc_url=None,
        responses=dict(ERRORS),  # type: ignore[arg-type]
    )
    app.state.core = core
    for module in MODULES:
        app.include_router(module.router)
    for router in others:
        app.include_router(router)
    app.router.routes.insert(0, Shortcut(jobs.router.prefix, jobs.router.routes))
    openapi.publish(app)
    answer_errors(app, dialects)
    if core.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(core.settings.cors_origins),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Retry-After", "Idempotency-Replayed", "X-Comfy-Request-Id"],
        )
    app.add_middleware(Guard, settings=core.settings, dialects=dialects)
    return app
