"""Jobs over HTTP: submit, list, look at, cancel and retry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request
from pydantic import AwareDatetime
from starlette.responses import JSONResponse, Response

from comfywire.errors import ComfywireError
from comfywire.service.access.callers import Caller
from comfywire.service.access.idempotency import Once
from comfywire.service.core import Core
from comfywire.service.database.storable import must_be_text
from comfywire.service.jobs.records import JobLook, JobRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.submission import Submission, submit_once
from comfywire.service.submission_checks import MOST_LABELS, check_labels

from . import models
from .admission import key_first_router
from .context import IdempotencyKey, Reading, Service, Submitting, job_id_of, origin_of
from .errors import InvalidRequest, NotFound
from .rendering import Renderer, cursor_of, item_of, place_of, transition_of

__all__ = ["find", "router"]

LONGEST_LISTED_INPUTS = 16 << 10
"""Bytes of one job's inputs in a list with details, which may have a thousand jobs."""
router = key_first_router("/api/v2/jobs", tag="jobs")


class NotRetriable(ComfywireError):
    """The job has not ended, or has succeeded: there is nothing to retry."""

    code = "not_retriable"
    http_status = 409

    def __init__(self, job: JobRecord) -> None:
        super().__init__(
            f"job {job.id} is {job.state}: only what failed, was canceled or expired can be retried"
        )


@router.post("", operation_id="postJobs", status_code=201, response_model=models.Job)
async def submit(
    request: Request,
    body: models.JobRequest,
    core: Service,
    caller: Submitting,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Queue a workflow; when this answers 201, the job survives whatever dies."""
    once = _once(caller, idempotency_key, body)
    renderer = Renderer(core.assets, origin_of(request))

    def render(job: JobRecord) -> dict[str, Any]:
        return renderer.job(job, position=job.position).model_dump(mode="json")

    answer, job = await submit_once(core, caller, _submission(body), once, render)
    return JSONResponse(answer.body, answer.status, {} if job else {"Idempotency-Replayed": "true"})


@router.get("", operation_id="listJobs")
async def list_jobs(
    *,
    request: Request,
    core: Service,
    caller: Reading,
    status: Annotated[str | None, Query(description="Only these states: a list with commas.")] = None,
    workflow: Annotated[str | None, Query(description="Only jobs of this registered workflow.")] = None,
    batch_id: Annotated[UUID | None, Query(description="Only jobs of this batch.")] = None,
    words: Annotated[
        str | None,
        Query(max_length=200, description="Only jobs with these words in an input's value or a label's."),
    ] = None,
    kind: Annotated[
        Literal["image", "video", "audio", "text", "3d", "file"] | None,
        Query(description="Only jobs with an output of this kind; `file` is every other."),
    ] = None,
    since: Annotated[AwareDatetime | None, Query(description="Only jobs submitted then or later.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Only jobs submitted before.")] = None,
    details: Annotated[
        bool, Query(description="Whether each entry has its whole `job`, with inputs and outputs.")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> models.JobPage:
    """List jobs, newest first; `metadata[name]=value` keeps those with that label."""
    jobs = await core.store.search(
        caller.key_id,
        labels=_labels(request.query_params.multi_items()),
        states=_states(status),
        workflow=_kept(workflow),
        batch=batch_id,
        words=_kept(words),
        kind=kind,
        since=since,
        until=until,
        before=place_of(cursor) if cursor else None,
        limit=limit + 1,
    )
    page = await core.store.fitting(jobs[:limit], with_outputs=details)
    more = cursor_of(page[-1]) if len(jobs) > len(page) else None  # one more was asked for, to know
    whole = await _whole(request, core, page) if details else {}
    items = [item_of(job, core.settings.base_url, whole.get(job.id)) for job in page]
    return models.JobPage(jobs=items, next_cursor=more)


@router.get("/{job_id}", operation_id="getJob")
async def get_job(request: Request, job_id: str, core: Service, caller: Reading) -> models.Job:
    """Return a job as it stands, with every output that is kept so far."""
    look = await core.store.look(job_id_of(job_id), caller.key_id, with_inputs=True)
    if look is None:
        raise _no_job(job_id)
    return await _rendered(request, core, look)


@router.patch("/{job_id}", operation_id="labelJob")
async def label(
    request: Request, job_id: str, body: models.JobLabels, core: Service, caller: Submitting
) -> models.Job:
    """Change a job's labels: those that are named, and no other; null takes one off."""
    job = await find(core, caller, job_id)
    changed = {**job.labels, **body.metadata}
    labels = {name: value for name, value in changed.items() if value is not None}
    check_labels(labels)
    await core.store.relabel(job.id, body.metadata)
    return await _looked_at(request, core, job)


@router.post("/{job_id}/cancel", operation_id="cancelJob")
async def cancel(request: Request, job_id: str, core: Service, caller: Submitting) -> models.Job:
    """Ask for a job's end; one that has ended stays as it is."""
    job = await find(core, caller, job_id)
    await core.store.cancel(job.id)
    return await _looked_at(request, core, job)


@router.post("/{job_id}/retry", operation_id="retryJob")
async def retry(request: Request, job_id: str, core: Service, caller: Submitting) -> models.Job:
    """Queue a job that ended badly once more, under its id, without the secrets that it had."""
    job = await find(core, caller, job_id)
    retried = await core.store.retry(job.id, default_max_queued=core.settings.max_queued)
    if retried is None:
        raise NotRetriable(await core.store.get(job.id) or job)
    return await _looked_at(request, core, retried)


@router.get("/{job_id}/workflow", operation_id="getJobWorkflow")
async def get_workflow(
    job_id: str,
    core: Service,
    caller: Reading,
    format: Annotated[str, Query(pattern="^(api|save)$")] = "api",  # noqa: A002
) -> models.JobWorkflow:
    """Return the graph as it was submitted; `format=save` the editor's document, where there was one."""
    job = await find(core, caller, job_id)
    prompt, document = await core.store.graph(job.id)
    if format == "api":
        return models.JobWorkflow(workflow=prompt, format="api")
    if document is None:
        raise NotFound(f"job {job.id} was submitted without the editor's document: ask for format=api")
    return models.JobWorkflow(workflow=document, format="save")


@router.get("/{job_id}/transitions", operation_id="getJobTransitions")
async def get_transitions(job_id: str, core: Service, caller: Reading) -> models.Transitions:
    """Return every change of a job's state: when, why, by whom, and on which ComfyUI."""
    job = await find(core, caller, job_id)
    return models.Transitions(
        transitions=[transition_of(change) for change in await core.store.transitions(job.id)]
    )


async def _whole(request: Request, core: Core, jobs: Sequence[JobRecord]) -> dict[UUID, models.Job]:
    """Return all of many jobs, by id, but long inputs: a gallery would else ask for each."""
    ids = [job.id for job in jobs]
    known = await core.store.short_inputs_of(ids, LONGEST_LISTED_INPUTS)
    outputs = await core.store.outputs_of(ids)
    renderer = Renderer(core.assets, origin_of(request))
    whole = {}
    for job in jobs:
        inputs, is_left_out = known.get(job.id, (None, False))
        shown = renderer.job(replace(job, inputs=inputs), outputs.get(job.id, ()))
        whole[job.id] = shown.model_copy(update={"inputs_left_out": is_left_out})
    return whole


async def find(core: Core, caller: Caller, job_id: str) -> JobRecord:
    """Return the job of this id, if it is the caller's.

    Raises:
        NotFound: No job has this id, or the job is another key's.

    """
    job = await core.store.get(job_id_of(job_id), caller.key_id)
    if job is None:
        raise _no_job(job_id)
    return job


def _no_job(job_id: str) -> NotFound:
    return NotFound(f"there is no job {job_id}: GET /api/v2/jobs lists yours")


async def _looked_at(request: Request, core: Core, job: JobRecord) -> models.Job:
    look = await core.store.look(job.id, with_inputs=True)
    return await _rendered(request, core, look or JobLook(job, [], []))


async def _rendered(request: Request, core: Core, look: JobLook) -> models.Job:
    job = look.job
    position = await core.store.position(job) if job.state == JobState.QUEUED else None
    return Renderer(core.assets, origin_of(request)).job(
        job,
        look.outputs,
        position=position,
        waiting_reason=await core.operating.why_waiting(job),
        estimate=await core.estimates.of(job, position),
    )


def _once(caller: Caller, key: str | None, body: models.JobRequest) -> Once | None:
    if key is None:
        return None
    return Once.of(caller.key_id, key, "POST /api/v2/jobs", models.asked(body))


def _submission(body: models.JobRequest) -> Submission:
    return Submission(
        workflow=body.workflow,
        targets=body.targets,
        labels=body.metadata,
        priority=body.priority,
        retry=body.retry_policy,
        tags=body.tags,
        webhook_url=body.webhook_url,
        webhook_events=body.webhook_events,
        queue_timeout=body.queue_timeout,
        run_timeout=body.run_timeout,
        extra_data=body.extra_data.model_dump(exclude_none=True) if body.extra_data else None,
    )


def _labels(parameters: list[tuple[str, str]]) -> Mapping[str, str]:
    labels: dict[str, str] = {}
    for name, value in parameters:
        if not name.startswith("metadata"):
            continue
        if not name.startswith("metadata[") or not name.endswith("]") or len(labels) == MOST_LABELS:
            raise InvalidRequest(
                f"{name[:80]!r} is no filter: write metadata[name]=value, {MOST_LABELS} times at most",
                "invalid_metadata_filter",
            )
        label = name[len("metadata[") : -1]
        if labels.get(label, value) != value:
            raise InvalidRequest(
                f"the label {label[:80]!r} cannot have two values: filter by one", "invalid_metadata_filter"
            )
        labels[label] = value
    for text in (*labels, *labels.values()):
        _kept(text, "invalid_metadata_filter")
    return labels


def _kept(text: str | None, code: str = "invalid_request") -> str | None:
    try:
        return None if text is None else must_be_text(text)
    except ValueError as error:
        raise InvalidRequest(f"{text!r} {error}", code) from None


def _states(status: str | None) -> list[JobState] | None:
    if status is None:
        return None
    try:
        return [JobState(name.strip()) for name in status.split(",")]
    except ValueError:
        raise InvalidRequest(f"{status[:80]!r} is no state: choose from {', '.join(JobState)}") from None
