"""Turns a request into a queued batch: every entry becomes a job, or none does."""

from __future__ import annotations

import asyncio
import itertools
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from comfywire.errors import ComfywireError
from comfywire.service.access.callers import Caller
from comfywire.service.access.idempotency import Answer, Once
from comfywire.service.jobs.batches import BatchRecord
from comfywire.service.jobs.records import NewJob
from comfywire.service.submission import Submission, new_job, queue_job
from comfywire.service.submission_checks import check_graph
from comfywire.service.time_limits import in_time
from comfywire.service.webhooks.messages import must_be_webhook_url
from comfywire.service.workflow_submission import submission_of
from comfywire.service.workflows.records import SEED_BITS, WorkflowRecord
from comfywire.workflow import Parameters, Workflow

if TYPE_CHECKING:
    from comfywire.service.core import Core

__all__ = ["MOST_JOBS", "BatchOrder", "BatchSource", "EmptyBatch", "EntryRefused", "submit_batch"]

Drafted = tuple[Workflow, Parameters]
MOST_JOBS = 1000
"""Jobs of one batch, all of which are queued in one transaction."""


class EmptyBatch(ComfywireError):
    """A batch has no entry, or too many."""

    code = "invalid_request"
    http_status = 422


class EntryRefused(ComfywireError):
    """One entry of a batch cannot run, so that none was queued.

    Attributes:
        index: The entry's index, from 0.
        error: What is wrong with the entry; answers take their code and status from this error.
        retry_after: The error's own ``retry_after``, if it has one.
        details: The error's own details, and the ``index``.

    """

    def __init__(self, index: int, error: ComfywireError) -> None:
        self.index = index
        self.error = error
        self.retry_after = getattr(error, "retry_after", None)
        self.details = {"index": index, **(getattr(error, "details", None) or {})}
        super().__init__(f"entry {index}: {error}; nothing of the batch was queued")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSource:
    """The workflow of every job of a batch: a registered one, or a graph.

    Attributes:
        registered: A version of a registered workflow.
        graph: A graph in API format; None with ``registered``.
        outputs: The names of the outputs to run; None for all, or for those that were registered.

    """

    registered: WorkflowRecord | None = None
    graph: Mapping[str, Any] | None = None
    outputs: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOrder:
    """A caller's order for jobs that differ in their inputs alone.

    Attributes:
        source: The workflow of every job.
        entries: The inputs of each job, by parameter; ``NODE.INPUT`` as well where the source is a graph.
        common: What all jobs have in common: labels, priority and the like; the workflow in it is not used.
        webhook_url: The address that is told when all jobs have ended.

    """

    source: BatchSource
    entries: Sequence[Mapping[str, Any]]
    common: Submission
    webhook_url: str | None = None

    @classmethod
    def expanded(cls, product: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        """Return an entry for each combination of values; the last name's values change fastest.

        The combinations are counted before any is made: a short request may stand for billions.

        Raises:
            EmptyBatch: There is no combination, or there are more than a batch may have.

        """
        count = math.prod(len(values) for values in product.values())
        _must_be_few(count if product else 0)
        return [dict(zip(product, values, strict=True)) for values in itertools.product(*product.values())]


async def submit_batch(
    core: Core,
    caller: Caller,
    order: BatchOrder,
    once: Once | None,
    render: Callable[[BatchRecord, Sequence[UUID]], dict[str, Any]],
) -> tuple[Answer, bool]:
    """Check every entry, then queue all jobs in one transaction; return the answer, and whether it is new.

    Checking comes before the transaction, since it may fetch files and takes seconds. Cancelling, or an
    error, queues nothing; files that were fetched for inputs become assets of the caller all the same, and
    are removed when their retention ends.

    Raises:
        EmptyBatch: There is no entry, or there are too many.
        EntryRefused: An entry cannot run.
        QueueFull: The key may not have so many jobs waiting.
        InvalidWebhookUrl: No webhook can be sent to the batch's own address.
        IdempotencyKeyReuse, IdempotencyKeyInUse: See :func:`~comfywire.service.submission.submit_once`.

    """
    if once is not None and (answer := await once.answered(core.database)) is not None:
        return answer, False
    _must_be_few(len(order.entries))
    must_be_webhook_url(order.webhook_url)
    webhook_url = order.webhook_url or caller.webhook_url
    batch_id = uuid4()
    jobs = await _checked(core, caller, order, batch_id)
    async with core.database.transaction() as connection:
        if once is not None and (answer := await once.claim(connection)) is not None:
            return answer, False
        batch = await core.batches.add(
            connection, batch_id, caller.key_id, size=len(jobs), webhook_url=webhook_url
        )
        for job in jobs:
            await queue_job(core, connection, job)
        answer = Answer(201, render(batch, [job.id for job in jobs]))
        if once is not None:
            await once.keep(connection, answer)
    return answer, True


async def _checked(core: Core, caller: Caller, order: BatchOrder, batch_id: UUID) -> list[NewJob]:
    """Return the jobs of all entries, in order; the first entry that cannot run ends the checks."""
    drafted = await _drafted(core, caller, order.source)
    jobs = []
    for index, entry in enumerate(order.entries):
        await asyncio.sleep(
            0
        )  # a thousand graphs take seconds to check: other requests get their turn in between
        try:
            submission = await _submission(core, caller, order, drafted, entry)
            job = await new_job(core, caller, submission)
        except ComfywireError as error:
            raise EntryRefused(index, error) from error
        # The batch tells of its end; its jobs do not, not even at the key's own address.
        jobs.append(replace(job, batch=(batch_id, index), webhook_url=None))
    return jobs


async def _drafted(core: Core, caller: Caller, source: BatchSource) -> Drafted | None:
    """Return the graph of a batch with what suggests itself to be set; once for all of its entries."""
    if source.registered is not None:
        return None
    workflow = Workflow(dict(source.graph or {}))
    check_graph(workflow.prompt, None, core.settings.max_nodes)
    return workflow, await in_time(workflow.parameters, owner=caller.key_id)


async def _submission(
    core: Core, caller: Caller, order: BatchOrder, drafted: Drafted | None, entry: Mapping[str, Any]
) -> Submission:
    source = order.source
    if (record := source.registered) is None:
        assert drafted is not None
        prompt, targets, values = await asyncio.to_thread(_bound, source, drafted, entry)
        return replace(order.common, workflow=prompt, targets=targets, inputs=values)
    return await submission_of(core, caller, record, entry, order.common, outputs=source.outputs)


def _bound(
    source: BatchSource, drafted: Drafted, entry: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str] | None, Mapping[str, Any]]:
    """Return the graph with an entry's values in it, the output nodes to run, and the values, seeds drawn."""
    workflow, parameters = drafted
    bound = workflow.bind(entry, parameters, new_seed=lambda: secrets.randbits(SEED_BITS))
    for file in bound.files:
        bound.place(file, file.source)
    targets = parameters.select_outputs(bound.workflow, list(source.outputs)) if source.outputs else None
    return bound.workflow.prompt, targets, bound.values


def _must_be_few(count: int) -> None:
    if not 0 < count <= MOST_JOBS:
        raise EmptyBatch(
            f"the batch has {count} jobs, and a batch has 1 to {MOST_JOBS}: "
            + ("give 'inputs' or 'product' at least one" if not count else "send several batches")
        )
