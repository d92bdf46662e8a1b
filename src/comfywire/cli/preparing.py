"""A workflow ready to be submitted: loaded, converted for this server, its inputs set, its files uploaded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from comfywire.client import Client
from comfywire.client.preparing import apply_settings
from comfywire.errors import UnknownNode
from comfywire.workflow import Workflow

__all__ = ["load_for", "prepare"]

MOST_SINGLE_TYPES = 16
"""Up to so many node types are asked for one by one: all of them are megabytes, and stall the server."""


async def prepare(client: Client, source: str | bytes, settings: Sequence[str]) -> Workflow:
    """Return the workflow that ``source`` holds, with ``settings`` applied.

    Raises:
        UnreadableWorkflow: It holds none.
        UnknownNode, InvalidParameter: A setting does not fit.
        ConnectionFailed, ConnectionLost, ServerError: The server was needed, and not reached.

    """
    workflow = await load_for(client, source, is_edited=bool(settings))
    await apply_settings(client, workflow, list(settings))
    return workflow


async def load_for(client: Client, source: str | bytes, *, is_edited: bool) -> Workflow:
    """Return the workflow, read with as much of the server's catalogue as it takes.

    The editor's documents are converted by all of it; an API-format file needs what it says about the
    file's own nodes, and only if inputs are to be set: which take uploads, which are numbers.
    """
    try:
        workflow = Workflow.load(source)
    except UnknownNode:
        return Workflow.load(source, object_info=await client.object_info())
    if workflow.document is not None:
        return Workflow.load(source, object_info=await client.object_info())
    if is_edited:
        return Workflow.load(source, object_info=await _types_of(client, workflow))
    return workflow


async def _types_of(client: Client, workflow: Workflow) -> dict[str, Any]:
    class_types = sorted({node.class_type for node in workflow if node.class_type})
    if len(class_types) > MOST_SINGLE_TYPES:
        return await client.object_info()
    entries = await asyncio.gather(*(client.object_info(class_type) for class_type in class_types))
    return {class_type: entry for found in entries for class_type, entry in found.items()}
