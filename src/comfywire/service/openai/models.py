"""``/v1/models``: the registered workflows and their aliases."""

from __future__ import annotations

from pydantic import BaseModel

from comfywire.service.api.admission import key_first_router
from comfywire.service.api.context import Reading, Service
from comfywire.service.workflows.records import WorkflowRecord

__all__ = ["router"]

router = key_first_router("/v1", tag="openai")


class Model(BaseModel):
    """A registered workflow, under its name or an alias."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "comfywire"


class ModelList(BaseModel):
    """Every name that a request may give as its ``model``."""

    object: str = "list"
    data: list[Model]


@router.get("/models", operation_id="openaiListModels")
async def list_models(core: Service, caller: Reading) -> ModelList:
    """List the models that the key may run."""
    records = await core.workflows.list() if caller.may("submit") else []
    return ModelList(
        data=[_model(record, name) for record in records for name in (record.name, *record.aliases)]
    )


@router.get("/models/{model:path}", operation_id="openaiGetModel")
async def get_model(model: str, core: Service, _: Reading) -> Model:
    """Return one model."""
    return _model(await core.workflows.called(model), model)


def _model(record: WorkflowRecord, name: str) -> Model:
    return Model(id=name, created=int(record.created_at.timestamp()))
