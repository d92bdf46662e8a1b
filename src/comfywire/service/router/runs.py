"""Running a model: at once, with the job as the answer; or queued, to be asked for later."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Request
from starlette.responses import JSONResponse

from comfywire.service.access.callers import Caller
from comfywire.service.access.idempotency import Once
from comfywire.service.api.admission import key_first_router
from comfywire.service.api.context import Reading, Service, Submitting, origin_of
from comfywire.service.api.errors import NotFound
from comfywire.service.api.jobs import find
from comfywire.service.api.models import Graph
from comfywire.service.api.rendering import Renderer
from comfywire.service.core import Core
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.until_over import until_over
from comfywire.service.submission import submit_once
from comfywire.service.workflow_submission import common_of, submission_of

from .catalogue import LOCAL, ModelId, record_of
from .errors import GoesOn, JobEnded, NoRequest, error_type_of

__all__ = ["router"]

REPLAYED = {"Idempotent-Replayed": "true"}
STATUS = {JobState.QUEUED: "IN_QUEUE", JobState.RUNNING: "IN_PROGRESS", JobState.CANCELING: "IN_PROGRESS"}
SOON = {"Retry-After": "1"}
Key = Annotated[str | None, Header(description="The same request once more gets the same job's result.")]

router = key_first_router("/v2/models", tag="router")


@router.post("/{provider}/{model}", operation_id="runRouterModel")
async def run(  # noqa: PLR0917 - FastAPI names them all
    model: ModelId,
    inputs: Graph,
    request: Request,
    core: Service,
    caller: Submitting,
    idempotency_key: Key = None,
) -> JSONResponse:
    """Run a model; the answer is the job, with its outputs, when it has succeeded."""
    job_id, is_new = await _submitted(core, caller, model, inputs, idempotency_key)
    job = await until_over(core.broker, job_id, core.settings.router_wait)
    if job is None:
        raise NoRequest(str(job_id))
    if not job.is_over:
        raise GoesOn(job)
    return JSONResponse(await _result(request, core, job), headers={} if is_new else REPLAYED)


@router.post("/{provider}/{model}/requests", operation_id="submitRouterModelRequest", status_code=201)
async def submit(  # noqa: PLR0917 - as above
    model: ModelId,
    inputs: Graph,
    request: Request,
    core: Service,
    caller: Submitting,
    idempotency_key: Key = None,
) -> JSONResponse:
    """Queue a run; the answer says where to ask for it."""
    job_id, is_new = await _submitted(core, caller, model, inputs, idempotency_key)
    job = await find(core, caller, str(job_id))
    body = await _standing(request, core, job, model)
    return JSONResponse(body, 201, {} if is_new else REPLAYED)


@router.get("/{provider}/{model}/requests/{request_id}/status", operation_id="getRouterModelRequestStatus")
async def get_status(
    model: ModelId, request_id: str, request: Request, core: Service, caller: Reading
) -> JSONResponse:
    """Return how a queued run stands."""
    job = await _job(core, caller, model, request_id)
    body = await _standing(request, core, job, model)
    return JSONResponse(body, headers={} if job.is_over else SOON)


@router.get("/{provider}/{model}/requests/{request_id}", operation_id="getRouterModelRequestResult")
async def get_result(
    model: ModelId, request_id: str, request: Request, core: Service, caller: Reading
) -> JSONResponse:
    """Return what a queued run made, or 202 while it goes on."""
    job = await _job(core, caller, model, request_id)
    if not job.is_over:
        return JSONResponse(await _standing(request, core, job, model), 202, SOON)
    return JSONResponse(await _result(request, core, job))


@router.put("/{provider}/{model}/requests/{request_id}/cancel", operation_id="cancelRouterModelRequest")
async def cancel(model: ModelId, request_id: str, core: Service, caller: Submitting) -> JSONResponse:
    """Ask for the end of a queued run."""
    job = await _job(core, caller, model, request_id)
    if job.is_over:
        return JSONResponse({"request_id": str(job.id), "status": "ALREADY_COMPLETED"}, 409)
    await core.store.cancel(job.id)
    return JSONResponse({"request_id": str(job.id), "status": "CANCELLATION_REQUESTED"}, 202)


async def _submitted(
    core: Core, caller: Caller, model: str, inputs: dict[str, Any], key: str | None
) -> tuple[UUID, bool]:
    """Queue a job, or find that of the same request before; tell whether it is new."""
    once = None if key is None else Once.of(caller.key_id, key, f"POST /v2/models/{model}", inputs)
    answer = None if once is None else await once.answered(core.database)
    if answer is not None:  # a repetition fetches no files: their URLs may be gone by now
        return UUID(answer.body["job"]), False
    record = await record_of(core, model)
    submission = await submission_of(core, caller, record, inputs, common_of(record))
    answer, job = await submit_once(core, caller, submission, once, lambda job: {"job": str(job.id)})
    return UUID(answer.body["job"]), job is not None


async def _job(core: Core, caller: Caller, model: str, request_id: str) -> JobRecord:
    """Return the job behind a request's id.

    Raises:
        NoRequest: The caller has no such job, or it is one of another model.

    """
    try:
        job = await find(core, caller, request_id)
    except NotFound:
        raise NoRequest(request_id) from None
    # By its name first: a workflow that was retired since has no record that could be found.
    if f"{LOCAL}/{job.workflow_name}" != model and job.workflow_name != (await record_of(core, model)).name:
        raise NoRequest(request_id)
    return job


async def _standing(request: Request, core: Core, job: JobRecord, model: str) -> dict[str, Any]:
    here = f"{origin_of(request).rstrip('/')}/v2/models/{model}/requests/{job.id}"
    position = await core.store.position(job) if job.state is JobState.QUEUED else None
    told = {
        "request_id": str(job.id),
        "status": STATUS.get(job.state, "COMPLETED"),
        "queue_position": position,
        "error_type": error_type_of(job),
        "status_url": f"{here}/status",
        "response_url": here,
        "cancel_url": f"{here}/cancel",
    }
    return {name: value for name, value in told.items() if value is not None}


async def _result(request: Request, core: Core, job: JobRecord) -> dict[str, Any]:
    """Return a job that has succeeded, with its outputs.

    Raises:
        JobEnded: It ended otherwise.

    """
    if job.state is not JobState.SUCCEEDED:
        raise JobEnded(job)
    look = await core.store.look(job.id, with_inputs=True)
    if look is None:
        raise NoRequest(str(job.id))
    shown = Renderer(core.assets, origin_of(request)).job(look.job, look.outputs)
    return shown.model_dump(mode="json")
