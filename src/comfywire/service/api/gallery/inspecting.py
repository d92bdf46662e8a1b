"""What a workflow file holds, over HTTP: for forms in which somebody chooses what others may set."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, Field

from comfywire.service.api.admission import key_first_router
from comfywire.service.api.context import Reading, Service
from comfywire.service.workflows.registered import class_types_of
from comfywire.workflow import Workflow
from comfywire.workflow.parameters.toml import to_tables

__all__ = ["router"]

router = key_first_router("/api/v2/workflows", tag="workflows")
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Inspection(BaseModel):
    """A workflow as a file holds it, and what suggests itself to be set."""

    workflow: Annotated[dict[str, Any], Field(description="In API format.")]
    document: Annotated[dict[str, Any] | None, Field(description="The editor's, if the file has it.")]
    parameters: Annotated[dict[str, Any], Field(description="As `PUT /workflows/{name}` takes them.")]
    outputs: dict[str, list[str]]
    unknown: Annotated[list[str], Field(description="Node types of it that no server is known to have.")]
    warnings: list[str]


@router.post("/inspect", operation_id="inspectWorkflow", openapi_extra=BODY)
async def inspect(request: Request, core: Service, _: Reading) -> Inspection:
    """Look into a file: a workflow in API format, the editor's JSON, or a picture that carries one."""
    content = await request.body()
    catalogue = await core.catalogues.covering(await asyncio.to_thread(_types_in, content))
    # In a thread: the editor's document of a large workflow takes a while to be converted.
    workflow = await asyncio.to_thread(Workflow.load, content, catalogue)
    tables = to_tables(await asyncio.to_thread(workflow.parameters))
    types = class_types_of(workflow.prompt)
    return Inspection(
        workflow=workflow.prompt,
        document=None if workflow.document is None else dict(workflow.document),
        parameters=tables["parameters"],
        outputs=tables["outputs"],
        unknown=[] if catalogue is None else sorted(types - {*catalogue}),
        warnings=list(workflow.warnings),
    )


def _types_in(content: bytes) -> set[str]:
    """Return the node types in a file of JSON, by which a catalogue is chosen; none of other files."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return set()
    return class_types_of(document) if isinstance(document, dict) else set()
