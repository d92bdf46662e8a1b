"""Resources: what workflows there are, and what the last jobs made."""

from __future__ import annotations

import json
from uuid import UUID

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    ReadResourceResult,
    Resource,
    TextResourceContents,
)

from comfywire.errors import ComfywireError
from comfywire.workflow.parameters.schemas import schema_of

from .desk import Desk
from .pictures import small_webp

__all__ = ["list_resources", "read_resource"]

WORKFLOWS, RESULTS = "comfywire://workflows/", "comfywire://results/"
MOST_JOBS = 20


async def list_resources(desk: Desk) -> list[Resource]:
    """Return the registered workflows and the newest results of the caller."""
    desk.caller.must("read")
    workflows = [
        Resource(
            uri=f"{WORKFLOWS}{record.name}",
            name=record.name,
            description=record.description or None,
            mime_type="application/json",
        )
        for record in await desk.core.workflows.list()
    ]
    jobs = await desk.core.store.search(desk.caller.key_id, limit=MOST_JOBS)
    results = [
        Resource(
            uri=f"{RESULTS}{output.asset_id}",
            name=output.name or f"{output.key}_{output.position}",
            description=f"Of job {job.id}",
            mime_type=output.content_type,
            size=output.size_bytes,
        )
        for job in jobs
        for output in await desk.core.store.outputs(job.id)
        if output.asset_id is not None
    ]
    return [*workflows, *results]


async def read_resource(desk: Desk, uri: str) -> ReadResourceResult:
    """Return a workflow's inputs as JSON, or a result: a picture as small WebP, others as a link.

    Raises:
        MCPError: The caller has no such resource.

    """
    desk.caller.must("read")
    if uri.startswith(WORKFLOWS):
        return await _workflow(desk, uri)
    return await _result(desk, uri)


async def _workflow(desk: Desk, uri: str) -> ReadResourceResult:
    try:
        record = await desk.core.workflows.get(uri.removeprefix(WORKFLOWS))
    except ComfywireError as error:
        raise MCPError(code=INVALID_PARAMS, message=str(error)) from error
    told = {
        "name": record.name,
        "version": record.version,
        "description": record.description,
        "inputs_schema": schema_of(record.parameters, title=record.name),
        "outputs": list(record.parameters.outputs),
    }
    text = TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(told))
    return ReadResourceResult(contents=[text])


async def _result(desk: Desk, uri: str) -> ReadResourceResult:
    try:
        asset = await desk.core.assets.get(UUID(uri.removeprefix(RESULTS)), desk.caller.key_id)
    except ValueError:
        asset = None
    if asset is None:
        raise MCPError(code=INVALID_PARAMS, message=f"there is no resource {uri[:100]!r}: list them again")
    if asset.content_type.startswith("image/"):
        small = await small_webp(desk.core.assets, asset, desk.core.settings.mcp_inline_bytes)
        if small is not None:
            blob = BlobResourceContents(uri=uri, mime_type="image/webp", blob=small)
            return ReadResourceResult(contents=[blob])
    link = desk.core.assets.url(asset, desk.origin)[0]
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type="text/uri-list", text=link)])
