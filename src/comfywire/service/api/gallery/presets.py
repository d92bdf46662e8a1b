"""Presets of registered workflows, and the pictures that show them, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from comfywire.service.api.admission import key_first_router
from comfywire.service.api.context import Administering, Reading, Service, Submitting
from comfywire.service.api.models import Graph
from comfywire.service.assets.records import AssetNotFound
from comfywire.service.workflows.presets import MOST_PRESETS

__all__ = ["router"]

router = key_first_router("/api/v2/workflows", tag="workflows")
Name = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f/]+$")]


class PresetBody(BaseModel):
    """Values to be kept."""

    model_config = ConfigDict(extra="forbid")

    inputs: Annotated[Graph, Field(description="By parameter; the values are checked when a job has them.")]


class Preset(BaseModel):
    """Values of a workflow's inputs that the caller's key keeps under a name."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    inputs: dict[str, Any]
    changed_at: datetime


class PresetList(BaseModel):
    """The presets of one workflow that the caller's key has."""

    presets: Annotated[list[Preset], Field(description=f"By name, {MOST_PRESETS} at most.")]


class ExampleBody(BaseModel):
    """The picture that is to show a workflow."""

    model_config = ConfigDict(extra="forbid")

    asset_id: Annotated[UUID | None, Field(description="An asset of yours; null for none.")]


@router.get("/{name}/presets", operation_id="listPresets")
async def list_presets(name: str, core: Service, caller: Reading) -> PresetList:
    """List the presets that this key keeps of a workflow."""
    await core.workflows.get(name)
    presets = await core.presets.list(caller.key_id, name)
    return PresetList(presets=[Preset.model_validate(preset) for preset in presets])


@router.put("/{name}/presets/{preset}", operation_id="putPreset")
async def put_preset(name: str, preset: Name, body: PresetBody, core: Service, caller: Submitting) -> Preset:
    """Keep values of a workflow's inputs under a name, in place of what had the name."""
    record = await core.workflows.get(name)
    for given in body.inputs:
        record.parameters[given]  # raises, with the near matches
    return Preset.model_validate(await core.presets.keep(caller.key_id, name, preset, body.inputs))


@router.delete("/{name}/presets/{preset}", operation_id="deletePreset", status_code=204)
async def delete_preset(name: str, preset: Name, core: Service, caller: Submitting) -> Response:
    """Forget a preset of this key."""
    await core.presets.delete(caller.key_id, name, preset)
    return Response(status_code=204)


@router.put("/{name}/example", operation_id="putWorkflowExample", status_code=204)
async def put_example(name: str, body: ExampleBody, core: Service, caller: Administering) -> Response:
    """Choose the picture that shows a workflow: a copy of your asset, kept until another is chosen."""
    await core.workflows.get(name)
    nobody = await core.access.local_key()  # a workflow is everybody's, and so is what shows it
    if not await core.presets.set_example(caller.key_id, name, body.asset_id, owner=nobody):
        raise AssetNotFound(str(body.asset_id))
    return Response(status_code=204)
