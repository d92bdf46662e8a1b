"""Archives of outputs, and links that show one job without a key, over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from comfywire.service.api import models
from comfywire.service.api.admission import key_first_router
from comfywire.service.api.context import Reading, Service, Submitting, origin_of
from comfywire.service.api.gallery.archives import archive
from comfywire.service.api.jobs import find
from comfywire.service.api.rendering import Renderer
from comfywire.service.core import Core
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState

__all__ = ["router"]

router = key_first_router("/api/v2", tag="jobs")
ZIP: dict[int | str, dict[str, Any]] = {200: {"description": "A ZIP.", "content": {"application/zip": {}}}}
DAY = 86400


class ShareRequest(BaseModel):
    """For how long a link is to show a job."""

    model_config = ConfigDict(extra="forbid")

    expires_in: Annotated[int, Field(ge=60, le=90 * DAY, description="Seconds from now.")] = 7 * DAY


class Share(BaseModel):
    """A link to one job; its token is in this answer and can never be read again."""

    token: Annotated[str, Field(description="The page's address of it is `/#/shared/TOKEN`.")]
    url: Annotated[str, Field(description="What it shows, as JSON, without a key.")]
    expires_at: datetime


class SharedJob(BaseModel):
    """What a link shows of a job."""

    status: JobState
    workflow_name: str | None
    created_at: datetime
    completed_at: datetime | None
    inputs: Annotated[dict[str, Any] | None, Field(description="Files are not shown.")]
    outputs: list[models.Output]
    expires_at: Annotated[datetime, Field(description="When the link ends.")]


@router.get(
    "/jobs/{job_id}/outputs.zip", operation_id="getJobOutputsZip", response_class=Response, responses=ZIP
)
async def get_zip(job_id: str, core: Service, caller: Reading) -> Response:
    """Return every output that is kept of a job in one ZIP, which is made while it is sent."""
    job = await find(core, caller, job_id)
    return archive(core.assets, job.id, await core.store.outputs(job.id))


@router.post("/jobs/{job_id}/share", operation_id="shareJob", status_code=201)
async def share(
    request: Request, job_id: str, core: Service, caller: Submitting, body: ShareRequest | None = None
) -> Share:
    """Make a link that shows a job's outputs and inputs to whoever has it; a link made before ends."""
    job = await find(core, caller, job_id)
    token, until = await core.links.make(job.id, (body or ShareRequest()).expires_in)
    return Share(token=token, url=f"{origin_of(request).rstrip('/')}/api/v2/shared/{token}", expires_at=until)


@router.delete("/jobs/{job_id}/share", operation_id="unshareJob", status_code=204)
async def end_share(job_id: str, core: Service, caller: Submitting) -> Response:
    """End a job's link, if there is one."""
    await core.links.end((await find(core, caller, job_id)).id)
    return Response(status_code=204)


@router.get("/shared/{token}", operation_id="getSharedJob")
async def get_shared(request: Request, token: str, core: Service) -> SharedJob:
    """Return what a link shows of a job; no key is needed."""
    job, until = await _shared(core, token)
    renderer = Renderer(core.assets, origin_of(request))
    inputs = (await core.store.inputs_of([job.id])).get(job.id)
    whole = renderer.job(replace(job, inputs=inputs), await core.store.outputs(job.id))
    shown = whole.model_dump(include={"status", "workflow_name", "created_at", "completed_at"})
    plain = None if inputs is None else {name: _plain(value) for name, value in inputs.items()}
    return SharedJob(**shown, inputs=plain, outputs=whole.outputs, expires_at=until)


@router.get(
    "/shared/{token}/outputs.zip", operation_id="getSharedZip", response_class=Response, responses=ZIP
)
async def get_shared_zip(token: str, core: Service) -> Response:
    """Return every output of the job that a link shows; no key is needed."""
    job, _ = await _shared(core, token)
    return archive(core.assets, job.id, await core.store.outputs(job.id))


async def _shared(core: Core, token: str) -> tuple[JobRecord, datetime]:
    job_id, until = await core.links.find(token)
    job = await core.store.get(job_id)
    assert job is not None, "a link goes with its job"
    return job, until


def _plain(value: Any) -> Any:
    return {"__type": "core/ASSET"} if isinstance(value, dict) and "__type" in value else value
