"""``/v2/models``: the registered workflows as models of the provider ``local``, with their schemas."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from comfywire.service.api.admission import key_first_router
from comfywire.service.api.context import Reading, Service
from comfywire.service.api.errors import InvalidRequest
from comfywire.service.api.models import Job
from comfywire.service.core import Core
from comfywire.service.workflows.records import WorkflowRecord
from comfywire.workflow.parameters.schemas import schema_of

from .errors import UnknownModel

__all__ = ["LOCAL", "ModelId", "record_of", "router"]

LOCAL = "local"
MOST, FEW = 100, 20
router = key_first_router("/v2/models", tag="router")


async def _model_id(request: Request, provider: str, model: str) -> str:
    if "model_provider" in request.query_params:
        raise InvalidRequest("a model here has one provider: leave model_provider out")
    return f"{provider}/{model}"


ModelId = Annotated[str, Depends(_model_id)]


class Model(BaseModel):
    """A registered workflow as a model; nothing is billed here."""

    id: str
    provider: str
    model: str
    billing: dict[str, Any] = {}


class ModelPage(BaseModel):
    """Some models, by name."""

    data: list[Model]
    has_more: bool
    next_cursor: str | None = None
    limit: int


@router.get("", operation_id="listRouterModels")
async def list_models(
    core: Service,
    caller: Reading,
    cursor: Annotated[str | None, Query(description="The last name of the page before.")] = None,
    limit: Annotated[int, Query(description="More than 100 are 100, fewer than 1 are 20.")] = FEW,
) -> ModelPage:
    """List the models that the key may run."""
    size = min(limit, MOST) if limit > 0 else FEW
    records = await core.workflows.list() if caller.may("submit") else []
    names = sorted(record.name for record in records if cursor is None or record.name > cursor)
    page = names[:size]
    following = page[-1] if len(names) > size else None
    shown = [_model(name) for name in page]
    return ModelPage(data=shown, has_more=following is not None, next_cursor=following, limit=size)


@router.get("/{provider}/{model}", operation_id="getRouterModel")
async def get_model(model: ModelId, core: Service, _: Reading) -> Model:
    """Return one model."""
    return _model((await record_of(core, model)).name)


@router.get("/{provider}/{model}/openapi.json", operation_id="getRouterModelInputSchema")
async def get_schema(
    model: ModelId, core: Service, _: Reading, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """Return what a model takes and what it returns, as an OpenAPI document of its own."""
    document = _document(await record_of(core, model))
    tag = f'"{hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and tag in if_none_match:
        return Response(status_code=304, headers=headers)
    return JSONResponse(document, headers=headers)


async def record_of(core: Core, model: str) -> WorkflowRecord:
    """Return the registered workflow that a model's id means.

    Raises:
        UnknownModel: There is no such provider.
        UnknownWorkflow: No workflow that can be run has this name or alias.

    """
    provider, _, name = model.partition("/")
    if provider != LOCAL:
        raise UnknownModel(model)
    return await core.workflows.called(name)


def _model(name: str) -> Model:
    return Model(id=f"{LOCAL}/{name}", provider=LOCAL, model=name)


def _document(record: WorkflowRecord) -> dict[str, Any]:
    job = Job.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    schemas = {
        **job.pop("$defs", {}),
        "Job": job,
        "Inputs": schema_of(record.parameters, title=record.name, description=record.description),
    }
    run = {
        "summary": record.description or f"Run the workflow {record.name!r}.",
        "operationId": "run",
        "requestBody": {"required": True, "content": _json("Inputs")},
        "responses": {"200": {"description": "The job, which has succeeded.", "content": _json("Job")}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": record.name, "version": str(record.version)},
        "paths": {f"/v2/models/{LOCAL}/{record.name}": {"post": run}},
        "components": {"schemas": schemas},
    }


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
