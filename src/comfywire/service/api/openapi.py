"""The OpenAPI document, with a route of its own for every workflow that is registered right now.

A request without a key for ``read`` gets the general document: the names and parameters of workflows are
shown only to keys that may list workflows.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request

from comfywire.service.access.callers import Unauthorized
from comfywire.service.workflows.records import WorkflowRecord
from comfywire.workflow.parameters.schemas import schema_of

from .context import core_of, get_caller

__all__ = ["publish", "with_workflows"]

JOBS = "/api/v2/workflows/{name}/jobs"
BODY = "WorkflowJobBody"


def publish(app: FastAPI) -> None:
    """Serve the document with the workflows of the moment, instead of FastAPI's fixed one."""
    url = app.openapi_url
    if url is None:
        return
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) != url]

    async def openapi(request: Request) -> dict[str, Any]:
        return with_workflows(app.openapi(), await _shown(request))

    app.add_api_route(url, openapi, include_in_schema=False)


async def _shown(request: Request) -> list[WorkflowRecord]:
    """Return the workflows that the caller may list; the rest of the document needs no key."""
    try:
        caller = await get_caller(request)
    except Unauthorized:
        return []
    return await core_of(request).workflows.list() if caller.may("read") else []


def with_workflows(document: dict[str, Any], workflows: Iterable[WorkflowRecord]) -> dict[str, Any]:
    """Return a copy of ``document`` with a route for each workflow, its ``inputs`` typed."""
    general = document.get("paths", {}).get(JOBS, {}).get("post")
    if general is None:
        return document
    typed = {
        JOBS.replace("{name}", workflow.name): {"post": _operation(general, workflow)}
        for workflow in workflows
    }
    schemas = {f"Inputs_{workflow.name}": _inputs(workflow) for workflow in workflows}
    components = document.get("components", {})
    return {
        **document,
        "paths": {**document["paths"], **typed},
        "components": {**components, "schemas": {**components.get("schemas", {}), **schemas}},
    }


def _inputs(workflow: WorkflowRecord) -> dict[str, Any]:
    return schema_of(workflow.parameters, title=workflow.name, description=workflow.description)


def _operation(general: dict[str, Any], workflow: WorkflowRecord) -> dict[str, Any]:
    operation = copy.deepcopy(general)
    operation["operationId"] = f"run_{workflow.name}"
    operation["summary"] = f"Run {workflow.name}"
    operation["description"] = workflow.description or f"Run the registered workflow {workflow.name!r}."
    operation["parameters"] = [
        parameter for parameter in operation.get("parameters", ()) if parameter.get("in") != "path"
    ]
    operation["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "allOf": [
                        {"$ref": f"#/components/schemas/{BODY}"},
                        {"properties": {"inputs": {"$ref": f"#/components/schemas/Inputs_{workflow.name}"}}},
                    ]
                }
            }
        },
    }
    return operation
