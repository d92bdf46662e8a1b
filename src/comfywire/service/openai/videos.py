"""``/v1/videos``: a video is a job, with its status and its content."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Annotated, Literal

from fastapi import Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from comfywire.service.api.admission import key_first_router
from comfywire.service.api.content import content
from comfywire.service.api.context import Reading, Service, Submitting
from comfywire.service.api.jobs import find
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState

from .bodies import VideoBody, body_of, read_body
from .errors import BadRequest
from .orders import ordered
from .pictures import made_by

__all__ = ["router"]

router = key_first_router("/v1", tag="openai")
KINDS = ("video", "animation")
IS_VIDEO = {"openai": "video"}
STATUS: Mapping[JobState, str] = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: "in_progress",
    JobState.CANCELING: "in_progress",
    JobState.SUCCEEDED: "completed",
}


class Video(BaseModel):
    """A job that makes a video."""

    id: str
    object: str = "video"
    status: str
    model: str
    progress: int
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    seconds: str
    size: str
    error: dict[str, str] | None = None


class VideoList(BaseModel):
    """Some videos, newest first."""

    object: str = "list"
    data: list[Video]
    has_more: bool
    first_id: str | None = None
    last_id: str | None = None


@router.post("/videos", operation_id="openaiCreateVideo")
async def create(request: Request, core: Service, caller: Submitting) -> Video:
    """Queue a job that makes a video; the answer is its status."""
    async with AsyncExitStack() as until_kept:
        form = await read_body(request, core.assets, core.settings.max_upload_bytes, until_kept)
        asked = body_of(VideoBody, form.fields)
        (job_id,) = await ordered(core, caller, request, asked, form)
    return _video(await find(core, caller, str(job_id)))


@router.get("/videos", operation_id="openaiListVideos")
async def list_videos(
    core: Service,
    caller: Reading,
    after: Annotated[str | None, Query(description="The last video of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Annotated[Literal["desc"], Query(description="Newest first.")] = "desc",
) -> VideoList:
    """List videos."""
    del order
    before = None if after is None else await find(core, caller, after)
    place = None if before is None else (before.created_at, before.id)
    jobs = await core.store.search(caller.key_id, labels=IS_VIDEO, before=place, limit=limit + 1)
    data = [_video(job) for job in jobs[:limit]]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return VideoList(data=data, has_more=len(jobs) > limit, first_id=first, last_id=last)


@router.get("/videos/{video_id}", operation_id="openaiGetVideo")
async def get_video(video_id: str, core: Service, caller: Reading) -> Video:
    """Return how a video stands."""
    return _video(await find(core, caller, video_id))


@router.get("/videos/{video_id}/content", operation_id="openaiGetVideoContent", response_class=Response)
async def get_content(
    request: Request,
    video_id: str,
    core: Service,
    caller: Reading,
    variant: Annotated[str, Query(max_length=20)] = "video",
) -> Response:
    """Return the video's bytes, or a range of them."""
    if variant != "video":
        raise BadRequest(f"there is no {variant!r} of a video here: ask for the variant video", "variant")
    job = await find(core, caller, video_id)
    if not job.is_over:
        raise BadRequest(f"video {job.id} is {STATUS[job.state]}: ask again when it is completed")
    return await content(request, core.assets, (await made_by(core, job, KINDS))[0].asset)


def _video(job: JobRecord) -> Video:
    value = float((job.progress or {}).get("value") or 0.0)
    is_done = job.state is JobState.SUCCEEDED
    return Video(
        id=str(job.id),
        status=STATUS.get(job.state, "failed"),
        model=job.labels.get("openai_model") or job.workflow_name or "",
        progress=100 if is_done else min(99, int(value * 100)),
        created_at=int(job.created_at.timestamp()),
        completed_at=None if job.completed_at is None else int(job.completed_at.timestamp()),
        expires_at=int(job.expires_at.timestamp()) if job.is_over else None,
        seconds=job.labels.get("openai_seconds", "auto"),
        size=job.labels.get("openai_size", "auto"),
        error=_error(job),
    )


def _error(job: JobRecord) -> dict[str, str] | None:
    if job.state not in (JobState.FAILED, JobState.CANCELED, JobState.EXPIRED):
        return None
    error = job.error or {}
    return {
        "code": error.get("code") or f"job_{job.state}",
        "message": error.get("message") or f"the job is {job.state}",
    }
