"""Registered workflows over HTTP: register, describe and retire them, and run them with typed inputs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from comfywire.service.access.callers import Caller
from comfywire.service.access.idempotency import Answer, Once
from comfywire.service.core import Core
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.until_over import until_over
from comfywire.service.submission import Submission, submit_once
from comfywire.service.workflow_submission import common_of, submission_of
from comfywire.service.workflows.records import WorkflowRecord
from comfywire.service.workflows.registered import class_types_of
from comfywire.workflow.parameters.schemas import schema_of
from comfywire.workflow.parameters.toml import to_tables

from .admission import key_first_router
from .context import Administering, Reading, Service, Submitting, origin_of
from .models import ExtraData, Graph, RetryPolicy, RunTimeout, Text, WebhookEvents, WebhookUrl, asked
from .models import Job as JobBody
from .rendering import Renderer

__all__ = ["router"]

MOST_WAIT = 300.0
"""Seconds that an answer may wait for the end of its job."""
LONGEST_TEXT = 10_000
Version = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="The newest by default.")]
Wait = Annotated[
    float | None, Query(gt=0, le=MOST_WAIT, description="Seconds for which the answer may wait for the end.")
]
Tags = Annotated[
    list[Annotated[Text, Field(min_length=1, max_length=100)]],
    Field(max_length=20, description="What its server must be tagged with."),
]
Priority = Annotated[int, Field(ge=-20, le=20, description="The highest is run first.")]
Names = Annotated[list[Text], Field(max_length=1000, description="The only outputs to run; empty for all.")]

router = key_first_router("/api/v2/workflows", tag="workflows")

# HTTP clients repeat a request by themselves after some statuses, such as 500 and 503. None of those stands
# here: a job that failed would run again.
STATUS = {
    JobState.SUCCEEDED: 200,
    JobState.FAILED: 424,
    JobState.CANCELED: 410,
    JobState.EXPIRED: 410,
}
GOES_ON = 202


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Options(_Closed):
    """Options of a workflow's jobs, for callers that give none of their own."""

    priority: Priority | None = None
    tags: Tags = []
    outputs: Names = []
    retry: RetryPolicy | None = None
    run_timeout: RunTimeout | None = None
    qualities: Annotated[
        dict[Text, Graph],
        Field(max_length=20, description="The inputs that each `quality` of OpenAI's API means."),
    ] = {}

    def said(self) -> dict[str, Any]:
        """Return the options that were given, for the store."""
        return {
            name: value for name, value in self.model_dump(exclude_none=True).items() if value not in ([], {})
        }


class WorkflowBody(_Closed):
    """A workflow to be registered."""

    workflow: Annotated[Graph, Field(description="In API format, or the editor's own.")]
    parameters: Annotated[
        Graph | None,
        Field(
            description="As in a `.params.toml`: by name, with `inputs`, `type`, `default`, `min`, `max`, "
            "`choices`, `required`, `help`, `label`, `group`, `role`. Null takes what the author chose in "
            "the editor's App mode, or drafts them."
        ),
    ] = None
    outputs: Annotated[Graph | None, Field(description="Names for output nodes: lists of nodes by name.")] = (
        None
    )
    document: Annotated[Graph | None, Field(description="The editor's document, to be kept in pictures.")] = (
        None
    )
    description: Annotated[Text, Field(max_length=LONGEST_TEXT)] = ""
    options: Options | None = None
    aliases: Annotated[
        list[Text] | None,
        Field(
            description="Other names under which OpenAI's API has it as a model, such as `gpt-image-1`; no "
            "two workflows may share one. Null leaves those that it has."
        ),
    ] = None


class Workflow(BaseModel):
    """A registered workflow."""

    name: str
    version: int
    description: str
    parameters: dict[str, Any]
    outputs: dict[str, list[str]]
    options: dict[str, Any]
    aliases: list[str]
    inputs_schema: dict[str, Any] = Field(description="JSON schema (2020-12) of `inputs`.")
    created_at: datetime
    retired_at: datetime | None = None
    example_asset_id: UUID | None = Field(None, description="A picture that shows it, if somebody chose one.")
    example_url: str | None = Field(None, description="Gives its bytes without a key, for a time.")


class WholeWorkflow(Workflow):
    """A registered workflow, with its graph."""

    workflow: dict[str, Any]
    document: dict[str, Any] | None = None
    warnings: list[str] = Field(
        default=[], description="What was doubtful in the editor's document, when it is registered."
    )


class WorkflowList(BaseModel):
    """Registered workflows."""

    workflows: list[Workflow]


class WorkflowJobBody(_Closed):
    """A job of a registered workflow."""

    inputs: Annotated[Graph, Field(description="By parameter.")] = {}
    outputs: Annotated[Names | None, Field(description="The only outputs to run, by name.")] = None
    metadata: Annotated[
        dict[Text, Text], Field(description="Labels by which the job is found again: 50 at most.")
    ] = {}
    priority: Priority | None = None
    tags: Tags = []
    webhook_url: WebhookUrl | None = None
    webhook_events: WebhookEvents = []
    queue_timeout: Annotated[
        float | None,
        Field(gt=0, le=30 * 86400.0, description="Seconds for which it may wait; then it expires."),
    ] = None
    run_timeout: RunTimeout | None = None
    extra_data: ExtraData | None = None


@router.get("", operation_id="listWorkflows")
async def list_workflows(request: Request, core: Service, _: Reading) -> WorkflowList:
    """Return the newest version of every workflow."""
    examples = await core.presets.examples()
    described = [_described(record) for record in await core.workflows.list()]
    shown = [_with_example(request, core, one, examples.get(one.name)) for one in described]
    return WorkflowList(workflows=shown)


@router.get("/{name}", operation_id="getWorkflow")
async def get_workflow(
    request: Request, name: str, core: Service, _: Reading, version: Version = None
) -> WholeWorkflow:
    """Return one version of a workflow, with its graph."""
    whole = _whole(await core.workflows.get(name, version))
    return _with_example(request, core, whole, await core.presets.example(name))


@router.get("/{name}/versions", operation_id="listWorkflowVersions")
async def list_versions(name: str, core: Service, _: Reading) -> WorkflowList:
    """Return every version of a workflow, retired ones too, the newest first."""
    return WorkflowList(workflows=[_described(record) for record in await core.workflows.versions(name)])


@router.put("/{name}", operation_id="putWorkflow")
async def put_workflow(name: str, body: WorkflowBody, core: Service, caller: Administering) -> WholeWorkflow:
    """Register a workflow, or a new version of one; an equal workflow makes no new version."""
    tables = {"parameters": body.parameters, "outputs": body.outputs}
    given = {key: table for key, table in tables.items() if table is not None}
    record = await core.workflows.add(
        name,
        body.workflow,
        given or None,
        object_info=await core.catalogues.covering(class_types_of(body.workflow)),
        key_id=caller.key_id,
        description=body.description,
        options=None if body.options is None else body.options.said(),
        document=body.document,
        aliases=body.aliases,
    )
    return _whole(record)


@router.delete("/{name}", operation_id="deleteWorkflow", status_code=204)
async def delete_workflow(name: str, core: Service, _: Administering, version: Version = None) -> None:
    """Retire a workflow, or one version: nobody can run it any more. Jobs that were submitted go on."""
    await core.workflows.retire(name, version)


@router.post(
    "/{name}/jobs",
    operation_id="runWorkflow",
    status_code=201,
    response_model=JobBody,
    responses={
        200: {"model": JobBody, "description": "With `wait`: it succeeded."},
        202: {"model": JobBody, "description": "With `wait`: it goes on."},
        410: {"model": JobBody, "description": "With `wait`: it was canceled, or expired."},
        424: {"model": JobBody, "description": "With `wait`: it failed."},
    },
)
async def run_workflow(  # noqa: PLR0917 - FastAPI names them all
    name: str,
    body: WorkflowJobBody,
    request: Request,
    core: Service,
    caller: Submitting,
    version: Version = None,
    wait: Wait = None,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> JSONResponse:
    """Run a registered workflow.

    Files among the inputs are assets (`{"__type": "core/ASSET", "info": {"id": ...}}`, or the id alone),
    URLs, `data:` URLs, or base64. Without `wait`, the answer is 201 and the job as it is.
    """
    renderer = Renderer(core.assets, origin_of(request))
    once = _once(caller, idempotency_key, name, version, body)
    answer, job = None if once is None else await once.answered(core.database), None
    if answer is None:  # a repetition fetches no files: their URLs may be gone by now
        submission = await _submission(core, caller, await core.workflows.get(name, version), body)
        answer, job = await submit_once(core, caller, submission, once, _rendered(renderer))
    if wait is not None:
        answer = await _ended(core, renderer, answer, wait)
    return JSONResponse(answer.body, answer.status, {} if job else {"Idempotency-Replayed": "true"})


def _once(
    caller: Caller, key: str | None, name: str, version: int | None, body: WorkflowJobBody
) -> Once | None:
    if key is None:
        return None
    request = {**asked(body), "version": version}
    return Once.of(caller.key_id, key, f"POST /api/v2/workflows/{name}/jobs", request)


def _rendered(renderer: Renderer) -> Any:
    def render(job: JobRecord) -> dict[str, Any]:
        return renderer.job(job, position=job.position).model_dump(mode="json")

    return render


async def _ended(core: Core, renderer: Renderer, answer: Answer, wait: float) -> Answer:
    job = await until_over(core.broker, UUID(answer.body["id"]), wait)
    if job is None:
        return answer
    look = await core.store.look(job.id, with_inputs=True)
    job, outputs = (job, []) if look is None else (look.job, look.outputs)
    position, why = await core.store.position(job), await core.operating.why_waiting(job)
    shown = renderer.job(job, outputs, position=position, waiting_reason=why)
    return Answer(STATUS.get(job.state, GOES_ON), shown.model_dump(mode="json"))


async def _submission(
    core: Core, caller: Caller, record: WorkflowRecord, body: WorkflowJobBody
) -> Submission:
    common = common_of(
        record,
        labels=body.metadata,
        priority=body.priority,
        tags=body.tags,
        webhook_url=body.webhook_url,
        webhook_events=body.webhook_events,
        queue_timeout=body.queue_timeout,
        run_timeout=body.run_timeout,
        extra_data=None if body.extra_data is None else body.extra_data.model_dump(exclude_none=True),
    )
    return await submission_of(core, caller, record, body.inputs, common, outputs=body.outputs)


Shown = TypeVar("Shown", bound=Workflow)


def _with_example(request: Request, core: Core, shown: Shown, asset_id: UUID | None) -> Shown:
    if asset_id is not None:
        shown.example_asset_id = asset_id
        shown.example_url, _ = core.assets.url_of(asset_id, origin_of(request))
    return shown


def _described(record: WorkflowRecord) -> Workflow:
    return Workflow(**_facts(record))


def _whole(record: WorkflowRecord) -> WholeWorkflow:
    return WholeWorkflow(
        **_facts(record),
        workflow=record.prompt,
        document=record.document,
        warnings=list(record.warnings),
    )


def _facts(record: WorkflowRecord) -> dict[str, Any]:
    tables = to_tables(record.parameters)
    return {
        "name": record.name,
        "version": record.version,
        "description": record.description,
        "parameters": tables["parameters"],
        "outputs": tables["outputs"],
        "options": record.options,
        "aliases": list(record.aliases),
        "inputs_schema": schema_of(record.parameters, title=record.name, description=record.description),
        "created_at": record.created_at,
        "retired_at": record.retired_at,
    }
