"""Whether the process is alive, and whether it can serve: for supervisors and load balancers."""

from __future__ import annotations

import asyncio

import psycopg
from fastapi import APIRouter
from pydantic import BaseModel

from comfywire.errors import ComfywireError
from comfywire.service.core import Core
from comfywire.service.migrate import is_current

from .context import Service

__all__ = ["router"]

PATIENCE = 2.0
"""Seconds that the database may take to answer a readiness check."""
router = APIRouter(tags=["health"])


class Health(BaseModel):
    """How the process is."""

    status: str


class NotReady(ComfywireError):
    """The process is alive and cannot serve: requests should go to another one."""

    code = "not_ready"
    http_status = 503
    retry_after = 2.0


@router.get("/healthz", operation_id="getHealth")
async def healthz() -> Health:
    """Say that the process is alive; restarting it would not help with anything else."""
    return Health(status="ok")


@router.get("/api/v2/health", operation_id="getApiHealth")
async def health() -> Health:
    """Say that the process is alive in the words of comfy-api-proxy (app.py, 0.1.6), for what probes that."""
    return Health(status="healthy")


@router.get("/readyz", operation_id="getReadiness")
async def readyz(core: Service) -> Health:
    """Say whether requests can be served: the database takes jobs, the asset store bytes, and it goes on."""
    if core.is_leaving.is_set():
        raise NotReady("this process was told to stop, and is about to: send requests to another one")
    try:
        async with asyncio.timeout(PATIENCE):
            is_ready = await _is_current(core)
            await core.database.try_to_write()
    except (TimeoutError, psycopg.Error) as error:
        raise NotReady("the database takes no jobs: requests have to wait until it does") from error
    if not is_ready:
        raise NotReady("the database's schema is not this version's: run `comfywire db upgrade`")
    if not core.store_check.is_good():
        raise NotReady("the asset store does not take bytes or give them back: this process's log says why")
    return Health(status="ready")


async def _is_current(core: Core) -> bool:
    async with core.database.connection() as connection:
        return await is_current(connection)
