"""What a workflow file holds, over HTTP: for forms in which somebody chooses what others may set."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, Field

from comfywire.service.api.admission import key_first_router
from comfywire.service.api.bodies.json_bodies import must_be_few
from comfywire.service.api.context import Reading, Service
from comfywire.service.core import Core
from comfywire.service.database.storable import as_storable
from comfywire.service.fleet.needs import requirement_of
from comfywire.service.jobs.placement import refusals
from comfywire.service.submission_checks import check_graph
from comfywire.service.time_limits import in_time
from comfywire.service.workflows.registered import class_types_of
from comfywire.workflow import Workflow
from comfywire.workflow.parameters.toml import to_tables

__all__ = ["router"]

router = key_first_router("/api/v2/workflows", tag="workflows")
MOST_LACKS = 20
JSON_BEGINS_AFTER = b"\xef\xbb\xbf \t\r\n"
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Fit(BaseModel):
    """What one server has for a workflow."""

    url: str
    is_up: Annotated[bool, Field(description="Whether it takes jobs at present.")]
    lacks: Annotated[list[str], Field(description="`node 'X'`, `checkpoint 'x.safetensors'`; 20 at most.")]


class Inspection(BaseModel):
    """A workflow as a file holds it, and what suggests itself to be set."""

    workflow: Annotated[dict[str, Any], Field(description="In API format.")]
    document: Annotated[dict[str, Any] | None, Field(description="The editor's, if the file has it.")]
    parameters: Annotated[dict[str, Any], Field(description="As `PUT /workflows/{name}` takes them.")]
    outputs: dict[str, list[str]]
    unknown: Annotated[list[str], Field(description="Node types of it that no server is known to have.")]
    warnings: list[str]
    servers: Annotated[list[Fit], Field(description="Which servers could run it now, and what others lack.")]


@router.post("/inspect", operation_id="inspectWorkflow", openapi_extra=BODY)
async def inspect(request: Request, core: Service, caller: Reading) -> Inspection:
    """Look into a file: a workflow in API format, the editor's JSON, or a picture that carries one."""
    content = await request.body()
    if content.lstrip(JSON_BEGINS_AFTER)[:1] in (b"{", b"["):
        must_be_few(content)
    types = await in_time(lambda: _types_in(content), owner=caller.key_id)
    catalogue = await core.catalogues.covering(types)
    most = core.settings.max_nodes
    workflow, tables = await in_time(lambda: _looked_into(content, catalogue, most), owner=caller.key_id)
    types = class_types_of(workflow.prompt)
    told = {
        "workflow": workflow.prompt,
        "document": None if workflow.document is None else dict(workflow.document),
        "parameters": tables["parameters"],
        "outputs": tables["outputs"],
        "unknown": [] if catalogue is None else sorted(types - {*catalogue}),
        "warnings": list(workflow.warnings),
        "servers": await _fits(core, workflow.prompt),
    }
    # A file may hold half a surrogate pair, which no answer can: who asks sees a mark there.
    return Inspection(**(await asyncio.to_thread(as_storable, told)))


def _looked_into(
    content: bytes, catalogue: Mapping[str, Any] | None, most_nodes: int
) -> tuple[Workflow, dict[str, Any]]:
    """Return the workflow in a file, and its parameters as tables."""
    workflow = Workflow.load(content, catalogue)
    check_graph(workflow.prompt, None, most_nodes)
    return workflow, to_tables(workflow.parameters())


def _types_in(content: bytes) -> set[str]:
    """Return the node types in a file of JSON, by which a catalogue is chosen; none of other files."""
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return set()
    return class_types_of(document) if isinstance(document, dict) else set()


async def _fits(core: Core, prompt: Mapping[str, Any]) -> list[Fit]:
    """Say of each server whose nodes are known what it lacks for a prompt, those first that lack least."""
    requirement = requirement_of(prompt)
    catalogues = await core.catalogues.by_server()
    fits = [
        Fit(
            url=server.url,
            is_up=server.is_heard and server.state == "up" and server.wanted == "active",
            lacks=refusals(requirement, catalogues[server.url], server.tags)[:MOST_LACKS],
        )
        for server in await core.operating.servers()
        if server.url in catalogues
    ]
    return sorted(fits, key=lambda fit: (len(fit.lacks), not fit.is_up, fit.url))
