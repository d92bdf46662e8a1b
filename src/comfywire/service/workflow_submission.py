"""A registered workflow and a caller's inputs, made into a submission: the same for every way in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comfywire.service.access.callers import Caller
from comfywire.service.jobs.records import Retry
from comfywire.service.submission import Submission, smallest
from comfywire.service.workflows.files import FileInputs
from comfywire.service.workflows.records import WorkflowRecord

if TYPE_CHECKING:
    from comfywire.service.core import Core

__all__ = ["common_of", "submission_of"]


def common_of(
    record: WorkflowRecord | None,
    *,
    labels: Mapping[str, str] | None = None,
    priority: int | None = None,
    tags: Sequence[str] = (),
    webhook_url: str | None = None,
    webhook_events: Sequence[str] = (),
    queue_timeout: float | None = None,
    run_timeout: float | None = None,
    extra_data: Mapping[str, Any] | None = None,
) -> Submission:
    """Return what all jobs of a registered workflow have in common, still without a graph.

    What the caller does not say is as the workflow's options have it; None is a workflow without any.
    """
    options = {} if record is None else record.options
    return Submission(
        workflow={},
        labels=labels or {},
        priority=options.get("priority", 0) if priority is None else priority,
        retry=Retry.of(options.get("retry") or {}),
        tags=[*options.get("tags", ()), *tags],
        webhook_url=webhook_url,
        webhook_events=webhook_events,
        queue_timeout=queue_timeout,
        run_timeout=smallest(run_timeout, options.get("run_timeout")),
        extra_data=extra_data,
        workflow_name=None if record is None else record.name,
        workflow_version=None if record is None else record.version,
    )


async def submission_of(
    core: Core,
    caller: Caller,
    record: WorkflowRecord,
    inputs: Mapping[str, Any],
    common: Submission,
    *,
    outputs: Sequence[str] | None = None,
) -> Submission:
    """Return ``common`` with the graph of a registered workflow, the caller's inputs in it.

    Files among the inputs are kept as assets of the caller; cancelling this may leave some.

    Args:
        core: The service.
        caller: The key that submits.
        record: The version of the workflow.
        inputs: Values by parameter, files in every form that :class:`FileInputs` takes.
        common: What :func:`common_of` returns.
        outputs: The only outputs to run, by name; None or empty for those that were registered.

    Raises:
        InvalidParameter: A name is unknown, a value not allowed, or one that is required is missing.
        UnusableInput, TooLarge: A file could not be fetched or decoded, or is too large.

    """
    kept = await FileInputs(core.assets, core.settings).kept(record, inputs, caller.key_id)
    bound = record.bind(kept, outputs or None)
    return replace(
        common,
        workflow=bound.prompt,
        targets=bound.targets,
        document=record.document,
        inputs=bound.values,
    )
