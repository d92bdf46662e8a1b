"""From a request to a job that is queued: what must be right about it is checked here, whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg

from comfywire.errors import ComfywireError
from comfywire.service.access.idempotency import Answer, Once
from comfywire.service.access.keys import Caller
from comfywire.service.assets.references import asset_ids, with_files
from comfywire.service.database.pool import Connection
from comfywire.service.fleet.needs import need_of, requirement_of
from comfywire.service.hooks import submission_facts
from comfywire.service.jobs.records import JobRecord, NewJob, Retry
from comfywire.service.webhooks.messages import must_be_webhook_url
from comfywire.workflow import Problem

if TYPE_CHECKING:
    from comfywire.service.core import Core

__all__ = [
    "InvalidMetadata",
    "MissingAsset",
    "Refused",
    "RejectedWorkflow",
    "Submission",
    "UiFormat",
    "new_job",
    "queue_job",
    "submit_once",
    "submit_workflow",
]

MOST_LABELS = 50
LONGEST_LABEL = 64
LONGEST_VALUE = 512
PROBLEMS_TOLD = 50
CHOICES_TOLD = 20


class RejectedWorkflow(ComfywireError):
    """The graph cannot run, on no server that is known.

    Attributes:
        details: ``node_errors`` by node id, each with ``field``, ``reason`` and ``message``.

    """

    code = "invalid_workflow"
    http_status = 422

    def __init__(self, message: str, node_errors: Mapping[str, Any] | None = None) -> None:
        self.details = {"node_errors": dict(node_errors)} if node_errors else None
        super().__init__(message)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> RejectedWorkflow:
        """Return the error that tells these problems."""
        node_errors: dict[str, list[dict[str, Any]]] = {}
        for problem in problems[:PROBLEMS_TOLD]:
            node_errors.setdefault(problem.node_id or "", []).append(
                {
                    "field": problem.input,
                    "reason": problem.type,
                    "message": problem.sentence,
                    "class_type": problem.class_type,
                    "allowed": list(problem.allowed[:CHOICES_TOLD]),
                    "nearest": list(problem.nearest),
                }
            )
        return cls("; ".join(problem.sentence for problem in problems[:3]), node_errors)


class UiFormat(ComfywireError):
    """This is the editor's document, not what it makes of it."""

    code = "workflow_format_ui"
    http_status = 422

    def __init__(self) -> None:
        super().__init__(
            "this is the editor's own format: send what its menu 'Export (API)' writes, or what "
            "`comfywire convert` makes of it"
        )


class MissingAsset(ComfywireError):
    """The workflow reads an asset that is not there, or is another key's."""

    code = "missing_asset"
    http_status = 422

    def __init__(self, asset_id: UUID) -> None:
        self.details = {"asset_id": str(asset_id)}
        super().__init__(f"there is no asset {asset_id}: upload the file and name the id that is answered")


class InvalidMetadata(ComfywireError):
    """A label has a name or a value that cannot be kept."""

    code = "metadata_invalid"
    http_status = 422


class Refused(ComfywireError):
    """The operator's policy does not want the job."""

    def __init__(self, reason: str, *, is_policy: bool) -> None:
        self.code = "refused_by_policy" if is_policy else "policy_unavailable"
        self.http_status = 403 if is_policy else 503
        self.retry_after = None if is_policy else 5.0
        super().__init__(f"the operator's policy refuses this job: {reason}" if is_policy else reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What somebody wants to be run.

    Attributes:
        workflow: The graph in API format, with ``core/ASSET`` objects where files go.
        document: The editor's document, to be kept in pictures.
        targets: The output nodes to run; None for all.
        labels: To find it by.
        priority: From -20 to 20, the highest first.
        retry: What may be tried again.
        tags: What its server must be tagged with.
        webhook_url: Who is told of its end.
        queue_timeout: Seconds for which it may wait.
        extra_data: For the ComfyUI alone, such as keys of paid nodes.
        workflow_name: The registered workflow that it was made of.
        workflow_version: The version of that.
        prompt_id: Its id; None draws one.

    """

    workflow: Mapping[str, Any]
    document: Mapping[str, Any] | None = None
    targets: Sequence[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    retry: Retry = field(default_factory=Retry)
    tags: Sequence[str] = ()
    webhook_url: str | None = None
    queue_timeout: float | None = None
    extra_data: Mapping[str, Any] | None = None
    workflow_name: str | None = None
    workflow_version: int | None = None
    prompt_id: UUID | None = None


async def submit_workflow(core: Core, caller: Caller, submission: Submission) -> JobRecord:
    """Check what is wanted, and queue it: when this returns, the job survives whatever dies.

    Raises:
        RejectedWorkflow: The graph cannot run.
        UiFormat: It is the editor's document.
        MissingAsset, MalformedReference: It reads an asset that is not there.
        InvalidMetadata, InvalidWebhookUrl: Something beside it cannot be kept.
        Refused: By the operator's policy.
        QueueFull: The key has too many jobs waiting.

    """
    job = await new_job(core, caller, submission)
    async with core.database.connection() as connection:
        return await queue_job(core, connection, job)


async def submit_once(
    core: Core,
    caller: Caller,
    submission: Submission,
    once: Once | None,
    render: Callable[[JobRecord], dict[str, Any]],
) -> tuple[Answer, JobRecord | None]:
    """Submit, unless the same request did so before; return the answer, and the job if it is new.

    The request's key is kept in the transaction that makes the job: either both are there, or none.

    Args:
        core: The service.
        caller: Who submits.
        submission: What.
        once: The request's key; None submits in any case.
        render: Makes the answer of a job.

    Raises:
        IdempotencyKeyReuse: The key was used for another request.
        IdempotencyKeyInUse: That request is still under way.

    and what :func:`submit_workflow` raises.

    """
    if once is not None and (answer := await once.answered(core.database)) is not None:
        return answer, None
    job = await new_job(core, caller, submission)
    if once is None:
        async with core.database.connection() as connection:
            record = await queue_job(core, connection, job)
        return Answer(201, render(record)), record
    async with core.database.transaction() as connection:
        if (answer := await once.claim(connection)) is not None:
            return answer, None
        record = await queue_job(core, connection, job)
        answer = Answer(201, render(record))
        await once.keep(connection, answer)
    return answer, record


async def queue_job(core: Core, connection: Connection, job: NewJob) -> JobRecord:
    """Record a job that was checked, in the caller's transaction if there is one; raises as above."""
    try:
        return await core.store.submit_in(connection, job, default_max_queued=core.settings.max_queued)
    except psycopg.errors.ForeignKeyViolation as error:
        if not job.inputs:
            raise
        raise MissingAsset(job.inputs[0]) from error  # it was deleted since it was looked up


async def new_job(core: Core, caller: Caller, submission: Submission) -> NewJob:
    """Check what is wanted, and return the job to be recorded; raises what :func:`submit_workflow` does."""
    prompt = dict(submission.workflow)
    _check_graph(prompt, submission.targets, core.settings.max_nodes)
    _check_labels(submission.labels)
    if submission.webhook_url is not None:
        must_be_webhook_url(submission.webhook_url)
    inputs = asset_ids(prompt)
    for asset_id in inputs:
        if await core.assets.get(asset_id, caller.key_id) is None:
            raise MissingAsset(asset_id)
    named = with_files(prompt, {asset_id: f"comfywire/{asset_id}" for asset_id in inputs})
    problems = await core.catalogues.objections(named, targets=submission.targets)
    if problems:
        raise RejectedWorkflow.of(problems)
    job = _job_of(core, caller, submission, inputs)
    refusal = await core.hooks.on_submit(submission_facts(job, caller))
    if refusal is not None:
        raise Refused(refusal.reason, is_policy=refusal.is_policy)
    return job


def _job_of(core: Core, caller: Caller, submission: Submission, inputs: Sequence[UUID]) -> NewJob:
    requirement = requirement_of(submission.workflow, tags=submission.tags)
    return NewJob(
        id=submission.prompt_id or uuid4(),
        key_id=caller.key_id,
        prompt=submission.workflow,
        need=need_of(requirement),
        requirement=requirement,
        document=submission.document,
        targets=submission.targets,
        labels=submission.labels,
        priority=submission.priority,
        retry=submission.retry,
        inputs=inputs,
        secret=core.sealer.seal(submission.extra_data) if submission.extra_data else None,
        webhook_url=submission.webhook_url,
        workflow_name=submission.workflow_name,
        workflow_version=submission.workflow_version,
        queue_timeout=submission.queue_timeout,
        retention=core.settings.job_retention,
    )


def _check_graph(prompt: Mapping[str, Any], targets: Sequence[str] | None, max_nodes: int) -> None:
    if isinstance(prompt.get("nodes"), list):
        raise UiFormat
    if not prompt:
        raise RejectedWorkflow("the workflow has no nodes: send a graph in API format")
    if len(prompt) > max_nodes:
        raise RejectedWorkflow(f"the workflow has {len(prompt)} nodes, and {max_nodes} are allowed")
    wrong = {node_id: why for node_id, node in prompt.items() if (why := _misshapen(node)) is not None}
    if wrong:
        first = next(iter(wrong))
        raise RejectedWorkflow(
            f"node {first} {wrong[first]}",
            {
                node_id: [{"field": None, "reason": "invalid_prompt", "message": f"node {node_id} {words}"}]
                for node_id, words in list(wrong.items())[:PROBLEMS_TOLD]
            },
        )
    for target in targets or ():
        if target not in prompt:
            raise RejectedWorkflow(f"the workflow has no node {target[:100]!r}, which 'targets' names")


def _misshapen(node: Any) -> str | None:
    if not isinstance(node, Mapping):
        return "is no object with class_type and inputs"
    if not isinstance(node.get("class_type"), str):
        return "has no class_type"
    return None if isinstance(node.get("inputs", {}), Mapping) else "has inputs that are no object"


def _check_labels(labels: Mapping[str, str]) -> None:
    if len(labels) > MOST_LABELS:
        raise InvalidMetadata(f"metadata has {len(labels)} labels, and {MOST_LABELS} are allowed")
    for name, value in labels.items():
        if not 0 < len(name) <= LONGEST_LABEL or not name.isprintable():
            raise InvalidMetadata(
                f"the label {name[:80]!r} has no good name: use 1 to {LONGEST_LABEL} printable characters"
            )
        if len(value) > LONGEST_VALUE:
            raise InvalidMetadata(f"the label {name!r} is longer than {LONGEST_VALUE} characters: shorten it")
