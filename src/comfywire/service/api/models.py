"""Jobs in requests and answers: the fields of the Comfy API v2, and those that Comfywire adds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from comfywire.service.database.storable import must_be_storable, must_be_text
from comfywire.service.jobs.records import Retry
from comfywire.service.jobs.states import JobState

from .errors import InvalidRequest

__all__ = [
    "Job",
    "JobError",
    "JobItem",
    "JobLabels",
    "JobPage",
    "JobRequest",
    "JobUrls",
    "JobWorkflow",
    "Output",
    "Progress",
    "RetryPolicy",
    "RunTimeout",
    "StatusEvent",
    "Transition",
    "Transitions",
    "WebhookEvents",
    "WebhookUrl",
    "asked",
]

Text = Annotated[str, AfterValidator(must_be_text)]
Graph = Annotated[dict[str, Any], AfterValidator(must_be_storable)]
OutputType = Literal["image", "video", "audio", "text", "file", "latent"]


WebhookUrl = Annotated[Text, Field(description="Is told of the job's end; null for the key's own.")]
WebhookEvents = Annotated[
    list[Literal["job.started", "job.progress"]],
    Field(max_length=2, description="What else it is told; of progress every 5 s at most."),
]
RunTimeout = Annotated[
    float,
    Field(
        gt=0,
        le=30 * 86400.0,
        allow_inf_nan=False,
        strict=True,
        description="Seconds for which it may run; then it is ended, and fails with `timed_out`. Of those of "
        "the job, its workflow, its key and the service, the smallest counts.",
    ),
]


class ExtraData(BaseModel):
    """Secrets that the ComfyUI gets beside the graph: encrypted at rest, and shown to nobody."""

    model_config = ConfigDict(extra="forbid")

    api_key_comfy_org: Annotated[Text | None, Field(max_length=4096, description="For paid nodes.")] = None
    auth_token_comfy_org: Annotated[Text | None, Field(max_length=8192, description="For paid nodes.")] = None


class JobLabels(BaseModel):
    """What is to change of a job's labels."""

    model_config = ConfigDict(extra="forbid")

    metadata: Annotated[
        dict[Text, Text | None], Field(max_length=100, description="Labels; null takes one off.")
    ]


class RetryPolicy(BaseModel):
    """After which failures a job may be tried again."""

    model_config = ConfigDict(extra="forbid")

    lost: Annotated[bool, Field(description="Whether a prompt that a ComfyUI lost is submitted again.")] = (
        True
    )
    errors: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=200)]],
        Field(
            max_length=20,
            description="Parts of exceptions' names after which memory is freed and it is tried once more.",
        ),
    ] = ["OutOfMemory"]
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3

    @model_validator(mode="after")
    def _never_means_never(self) -> RetryPolicy:
        """With `lost` false the job must not run twice: nor after errors, unless the client lists some."""
        if not self.lost and "errors" not in self.model_fields_set:
            self.errors = []
        return self

    def policy(self) -> Retry:
        """Return the policy as the store keeps it."""
        return Retry(lost=self.lost, errors=tuple(self.errors), max_attempts=self.max_attempts)


class JobRequest(BaseModel):
    """A workflow to be run."""

    model_config = ConfigDict(extra="forbid")

    workflow: Annotated[Graph, Field(description="The graph in API format.")]
    extra_data: ExtraData | None = None
    metadata: Annotated[
        dict[Text, Text], Field(description="Labels by which the job is found again: 50 at most.")
    ] = {}
    targets: Annotated[
        list[Annotated[Text, Field(max_length=200)]] | None,
        Field(min_length=1, max_length=1000, description="The output nodes to run; null for all."),
    ] = None
    priority: Annotated[int, Field(ge=-20, le=20, description="The highest is run first.")] = 0
    retry: Annotated[
        RetryPolicy | Literal["never"], Field(description="What may be tried again; `never` for paid nodes.")
    ] = RetryPolicy()
    tags: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=100)]],
        Field(max_length=20, description="What its server must be tagged with."),
    ] = []
    webhook_url: WebhookUrl | None = None
    webhook_events: WebhookEvents = []
    queue_timeout: Annotated[
        float | None,
        Field(gt=0, le=30 * 86400.0, description="Seconds for which it may wait; then it expires."),
    ] = None
    run_timeout: RunTimeout | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_wrapped(cls, body: object) -> object:
        """Refuse a bare graph, as ComfyUI exports it, with one error; each node would else be one."""
        if isinstance(body, dict) and "workflow" not in body and _is_prompt(body):
            raise InvalidRequest('this is a workflow by itself: wrap it as {"workflow": ...}')
        return body

    @property
    def retry_policy(self) -> Retry:
        """After which failures the job may be tried again, as the store keeps it."""
        if isinstance(self.retry, RetryPolicy):
            return self.retry.policy()
        return Retry(lost=False, errors=(), max_attempts=1)


def _is_prompt(body: dict[object, object]) -> bool:
    """Whether ``body`` is a graph in API format: nodes by their ids."""
    return bool(body) and all(isinstance(node, dict) and "class_type" in node for node in body.values())


class Progress(BaseModel):
    """How far a job is; every snapshot is whole, so that the latest alone is enough."""

    value: Annotated[float, Field(ge=0, le=1)]
    nodes_done: int
    nodes_total: int
    current_node: str | None = None
    current_node_class: str | None = None
    step: int | None = None
    steps: int | None = None
    message: str | None = None


class Output(BaseModel):
    """One output of a job, kept as an asset."""

    node_id: str
    name: str
    type: OutputType
    content_type: str
    size_bytes: int
    id: Annotated[UUID, Field(description="The asset's.")]
    hash: Annotated[str, Field(description="`blake3:<hex>`")]
    url: Annotated[str, Field(description="Gives the bytes without a key, until `url_expires_at`.")]
    url_expires_at: datetime
    job_id: UUID
    class_type: Annotated[str | None, Field(description="The node's.")]
    kind: Annotated[str, Field(description="As Comfywire tells them apart: `animation`, `3d`, `value`, ...")]
    value: Annotated[Any, Field(description="Of texts and values of up to 64 KiB, 1 MiB of a job.")] = None
    truncated: Annotated[
        bool, Field(description="Whether a text or value is too long to stand here: `url` has it.")
    ] = False
    width: Annotated[
        int | None, Field(description="A picture's pixels, once somebody has asked for its thumbnail.")
    ] = None
    height: int | None = None


class JobError(BaseModel):
    """How a job failed."""

    code: str
    message: str
    node_id: str | None = None
    class_type: str | None = None
    traceback: str | None = None


class JobUrls(BaseModel):
    """The paths of a job, without the host."""

    self: str
    events: str
    cancel: str
    workflow: str
    transitions: str
    retry: str
    ws: str


class Job(BaseModel):
    """A job."""

    id: UUID
    status: JobState
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime
    queue_position: Annotated[int | None, Field(description="Jobs before it; 1000 stands for more.")]
    progress: Progress | None
    inputs: Annotated[
        dict[str, Any] | None,
        Field(
            description="What was set to what, drawn seeds too, by parameter or NODE.INPUT; files are "
            "assets. Of a graph that was sent as it is: its seeds, and the assets that names in it mean. "
            "Null where there is nothing of that: `urls.workflow` has the graph."
        ),
    ] = None
    inputs_left_out: Annotated[
        bool,
        Field(
            description="Whether `inputs` is null since they take more than 16 KiB, too much for a list: "
            "`urls.self` has them."
        ),
    ] = False
    outputs: list[Output]
    error: JobError | None
    metrics: dict[str, int | None]
    urls: JobUrls
    metadata: dict[str, str]
    priority: int
    waiting_reason: Annotated[str | None, Field(description="Why no server runs it, in words.")]
    estimated_start_at: Annotated[
        datetime | None, Field(description="When it is expected to begin; null if nothing tells.")
    ] = None
    estimated_end_at: Annotated[
        datetime | None, Field(description="When it is expected to end; null if nothing tells.")
    ] = None
    estimate: Annotated[
        Literal["measured", "rough"] | None,
        Field(description="What that rests on: runs of jobs that need the same, or less."),
    ] = None
    outputs_reused: Annotated[bool | None, Field(description="Whether all came from the ComfyUI's cache.")]
    warnings: list[str]
    missing: Annotated[
        list[str],
        Field(
            description="What was asked for and did not come although it succeeded, such as an output node "
            "whose input the ComfyUI refused; a sentence each. `warnings` has them, too."
        ),
    ] = []
    submissions: Annotated[int, Field(description="How often a ComfyUI was sent it anew.")]
    server: Annotated[str | None, Field(description="The ComfyUI that has it, or had it last.")]
    retry: RetryPolicy
    webhook_url: str | None
    webhook_events: list[str] = []
    queue_until: datetime | None
    run_timeout: Annotated[float | None, Field(description="Seconds for which it may run.")]
    workflow_name: str | None
    workflow_version: int | None
    batch_id: UUID | None = None


class JobItem(BaseModel):
    """A job in a list."""

    id: UUID
    status: JobState
    create_time: datetime
    update_time: datetime
    metadata: dict[str, str]
    priority: int
    workflow_name: str | None
    workflow_version: int | None
    batch_id: UUID | None = None
    batch_index: Annotated[int | None, Field(description="Its place in the batch, from 0.")] = None
    error: JobError | None
    urls: JobUrls
    job: Annotated[
        Job | None, Field(description="With `details`: all of it, but its place, reason and estimate.")
    ] = None


class JobPage(BaseModel):
    """Some jobs, newest first."""

    jobs: list[JobItem]
    next_cursor: Annotated[
        str | None,
        Field(
            description="For the next page; null on the last. A page ends before `limit` where its jobs take "
            "16 MiB, as the whole texts, outputs or errors of many do."
        ),
    ]


class JobWorkflow(BaseModel):
    """The graph that a job runs, or the editor's document of it."""

    workflow: dict[str, Any]
    format: Literal["api", "save"]


class Transition(BaseModel):
    """One change of a job's state."""

    event_id: int
    from_status: JobState | None
    to_status: JobState
    attempt: int
    worker: str | None
    server: str | None
    at: datetime
    reason: str


class Transitions(BaseModel):
    """All changes of a job's state, oldest first."""

    transitions: list[Transition]


class StatusEvent(BaseModel):
    """The data of the event `status`."""

    status: JobState
    queue_position: int | None = None
    waiting_reason: str | None = None
    at: datetime | None = None
    reason: str | None = None


def asked(body: BaseModel) -> dict[str, Any]:
    """Return what a body asks for, by which the same request is known again under its Idempotency-Key.

    It is without the secrets: a hash of them would be kept, and the same job with other secrets is the same
    job. It is without ``webhook_events`` where a body has none: processes of the version before know of none.
    """
    request = body.model_dump(mode="json", exclude={"extra_data"})
    return {name: value for name, value in request.items() if name != "webhook_events" or value}
