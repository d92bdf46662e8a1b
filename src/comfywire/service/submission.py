"""Submissions: a workflow with its settings is checked and becomes a queued job, for every face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg

from comfywire.service.access.callers import Caller
from comfywire.service.access.idempotency import Answer, Once
from comfywire.service.assets.by_name import Values, resolve_names
from comfywire.service.assets.foreign_files import must_be_own
from comfywire.service.assets.references import asset_ids, with_files, with_values
from comfywire.service.database.pool import Connection
from comfywire.service.fleet.input_kinds import InputKinds
from comfywire.service.fleet.needs import need_of, requirement_of
from comfywire.service.fleet.verdicts import Verdict
from comfywire.service.hooks import submission_facts
from comfywire.service.jobs.output_folders import new_output_folder
from comfywire.service.jobs.records import JobRecord, NativePrompt, NewJob, Retry
from comfywire.service.submission_checks import (
    MissingAsset,
    Refused,
    RejectedWorkflow,
    check_graph,
    check_labels,
    check_storable,
)
from comfywire.service.webhooks.messages import InvalidWebhookUrl, must_be_webhook_url
from comfywire.workflow.parameters.values import is_seed
from comfywire.workflow.validation.refusals import node_errors_of

if TYPE_CHECKING:
    from comfywire.service.core import Core

__all__ = ["Native", "Submission", "new_job", "queue_job", "smallest", "submit_once", "submit_workflow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """What a prompt of ComfyUI's own API has beside others.

    Attributes:
        extra_data: What goes along with it and is no secret.
        client_id: Whose sockets hear of it.
        number: The place in the queue that its caller wants; None for the next.
        is_front: Whether it is to come before what waits.

    """

    extra_data: Mapping[str, Any]
    client_id: str | None = None
    number: float | None = None
    is_front: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A workflow, and how a caller wants it to be run.

    Attributes:
        workflow: The graph in API format, with ``core/ASSET`` objects where files go.
        document: The editor's document, which ComfyUI writes into pictures.
        targets: The output nodes to run; None for all.
        labels: Labels by which the job is found again.
        priority: From -20 to 20, the highest first.
        retry: The failures after which the job is tried again.
        tags: Tags that the server must have.
        webhook_url: The address that is told of the job's end; None for the key's own, if it has one.
        webhook_events: What that address is told beside the end: ``job.started``, ``job.progress``.
        queue_timeout: Seconds for which it may wait.
        run_timeout: Seconds for which it may run, as far as its caller or its workflow says.
        extra_data: For the ComfyUI alone, such as keys of paid nodes.
        workflow_name: The registered workflow of which ``workflow`` was made.
        workflow_version: Its version.
        prompt_id: The id of the job; None draws one.
        inputs: The values that were set in the workflow, seeds drawn, by parameter or ``NODE.INPUT``.
        native: What it has as a prompt of ComfyUI's own API; None for a submission of another face. What no
            server has, models among it, is refused there as by a ComfyUI, and does not wait.

    """

    workflow: Mapping[str, Any]
    document: Mapping[str, Any] | None = None
    targets: Sequence[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    retry: Retry = field(default_factory=Retry)
    tags: Sequence[str] = ()
    webhook_url: str | None = None
    webhook_events: Sequence[str] = ()
    queue_timeout: float | None = None
    run_timeout: float | None = None
    extra_data: Mapping[str, Any] | None = None
    workflow_name: str | None = None
    workflow_version: int | None = None
    prompt_id: UUID | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    native: Native | None = None


async def submit_workflow(core: Core, caller: Caller, submission: Submission) -> JobRecord:
    """Check a submission and queue its job: when this returns, the job survives a crash of anything.

    Raises:
        RejectedWorkflow: The graph cannot run.
        UnstorableJob: It holds a text or a number that cannot be kept.
        UiFormat: The workflow is the editor's document.
        MissingAsset, MalformedReference: The workflow reads an asset that is not there.
        ForeignFile: The workflow reads a file on the ComfyUI that may be another key's.
        InvalidMetadata, InvalidWebhookUrl: A label or the webhook's address cannot be kept.
        Refused: The operator's policy refuses the job.
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
    """Submit, unless the same request did so before; return the answer, and the job if the job is new.

    The request's key is recorded in the transaction that makes the job, so that a crash leaves both or none.

    Args:
        core: The service.
        caller: The key that submits.
        submission: The workflow and its settings.
        once: The request with its Idempotency-Key; None submits in any case.
        render: Makes the answer of a job.

    Raises:
        IdempotencyKeyReuse: The key was used for another request.
        IdempotencyKeyInUse: The same request is still under way.

    and what :func:`submit_workflow` raises.

    """
    # Asked twice: here, so that a repeated request costs no checks; and in the transaction, since the first
    # request may still have been under way here.
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
    """Record a job that was checked, in the caller's transaction if ``connection`` is in one.

    Raises:
        QueueFull: The key has too many jobs waiting.
        MissingAsset: An asset was deleted since the job was checked.

    """
    try:
        return await core.store.submit_in(connection, job, default_max_queued=core.settings.max_queued)
    except psycopg.errors.ForeignKeyViolation as error:
        if not job.inputs:
            raise
        raise MissingAsset(job.inputs[0]) from error  # an asset was deleted after new_job had looked it up


async def new_job(core: Core, caller: Caller, submission: Submission) -> NewJob:
    """Check a submission and return its job, not yet recorded; raises what :func:`submit_workflow` does."""
    prompt = dict(submission.workflow)
    _check_storable(submission)
    check_graph(prompt, submission.targets, core.settings.max_nodes)
    check_labels(submission.labels)
    must_be_webhook_url(submission.webhook_url)
    if submission.webhook_events and not (submission.webhook_url or caller.webhook_url):
        raise InvalidWebhookUrl("webhook_events are told to nobody: give a webhook_url, too")
    kinds = await core.catalogues.input_kinds()
    files = await _files_by_name(core, caller, submission, kinds)
    prompt = dict(with_values(prompt, files))
    if core.settings.keys_required:
        must_be_own(prompt, kinds)
    inputs = asset_ids(prompt)
    for asset_id in inputs:
        if await core.assets.get(asset_id, caller.key_id) is None:
            raise MissingAsset(asset_id)
    named = with_files(prompt, {asset_id: f"comfywire/{asset_id}" for asset_id in inputs})
    verdict = await core.catalogues.verdict(
        named, targets=submission.targets, models_may_come=submission.native is None
    )
    if verdict is not None and verdict.refused:
        raise RejectedWorkflow.of(verdict)
    job = _job_of(core, caller, submission, files=files, prompt=prompt, inputs=inputs)
    if submission.native is not None:
        job = replace(job, **_native(submission.native, verdict, named, submission.targets))
    refusal = await core.hooks.on_submit(submission_facts(job, caller))
    if refusal is not None:
        raise Refused(refusal.reason, is_policy=refusal.is_policy)
    return job


def _check_storable(submission: Submission) -> None:
    native = submission.native
    check_storable(
        workflow=dict(submission.workflow),
        inputs=dict(submission.inputs),
        outputs=list(submission.targets or ()),
        document=dict(submission.document or {}),
        labels=dict(submission.labels),
        tags=list(submission.tags),
        webhook_url=submission.webhook_url,
        extra_data=dict(submission.extra_data or {}),
        client_id=None if native is None else native.client_id,
    )


async def _files_by_name(core: Core, caller: Caller, submission: Submission, kinds: InputKinds) -> Values:
    """Return the assets for inputs that name the caller's files.

    The names are looked up when the job is submitted, so that a later upload under the same name does not
    change the job.
    """
    if submission.workflow_name is not None:
        return {}  # its author wrote the names in it, and the caller's own files are assets by now
    return await resolve_names(core.database, caller.key_id, submission.workflow, kinds)


def _job_of(
    core: Core,
    caller: Caller,
    submission: Submission,
    *,
    files: Values,
    prompt: Mapping[str, Any],
    inputs: list[UUID],
) -> NewJob:
    requirement = requirement_of(prompt, tags=submission.tags)
    return NewJob(
        id=submission.prompt_id or uuid4(),
        key_id=caller.key_id,
        prompt=submission.workflow,
        files=files,
        output_folder=new_output_folder() if core.settings.keys_required else None,
        bound={**_by_input(files), **(submission.inputs or _seeds(submission))},
        need=need_of(requirement),
        requirement=requirement,
        document=submission.document,
        targets=submission.targets,
        labels=submission.labels,
        priority=submission.priority,
        retry=submission.retry,
        inputs=inputs,
        secret=core.sealer.seal(submission.extra_data) if submission.extra_data else None,
        webhook_url=submission.webhook_url or caller.webhook_url,
        webhook_events=list(dict.fromkeys(submission.webhook_events)),
        workflow_name=submission.workflow_name,
        workflow_version=submission.workflow_version,
        queue_timeout=submission.queue_timeout,
        run_timeout=smallest(submission.run_timeout, caller.run_timeout, core.settings.run_timeout),
        retention=core.settings.job_retention,
    )


def _native(
    native: Native, verdict: Verdict | None, prompt: Mapping[str, Any], targets: Sequence[str] | None
) -> dict[str, Any]:
    """Return what a job has as a prompt of ComfyUI's own API."""
    dropped = {} if verdict is None else node_errors_of(verdict.dropped, prompt, verdict.catalogue)
    outputs = list(targets or ()) if verdict is None else verdict.outputs(prompt, targets)
    prompt_of = NativePrompt(outputs, native.client_id, native.number, native.is_front, dropped)
    return {"extra_data": native.extra_data, "native": prompt_of}


def smallest(*limits: float | None) -> float | None:
    """Return the smallest limit that is set; None if none is."""
    return min((limit for limit in limits if limit is not None), default=None)


def _by_input(files: Values) -> dict[str, Any]:
    return {f"{node_id}.{name}": value for node_id, inputs in files.items() for name, value in inputs.items()}


def _seeds(submission: Submission) -> dict[str, Any]:
    """The seeds of a caller's own graph: whoever drew them has written them in, and said nothing of it."""
    if submission.workflow_name is not None:
        return {}
    return {
        f"{node_id}.{name}": value
        for node_id, node in submission.workflow.items()
        for name, value in node.get("inputs", {}).items()
        if is_seed(name, None, value)
    }
