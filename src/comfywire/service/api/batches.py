"""Batches over HTTP: many jobs of one workflow, checked together, queued together, counted together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse, Response

from comfywire.service.access.callers import Caller
from comfywire.service.access.idempotency import Once
from comfywire.service.batches import MOST_JOBS, BatchOrder, BatchSource, submit_batch
from comfywire.service.core import Core
from comfywire.service.jobs.batches import BatchRecord
from comfywire.service.workflow_submission import common_of

from . import models
from .admission import key_first_router
from .batch_events import BatchEvents
from .context import IdempotencyKey, Reading, Service, Submitting
from .errors import InvalidRequest, NotFound
from .events import EventStream, sse_frame
from .models import ExtraData, Graph, RunTimeout, Text
from .rendering import cursor_of, item_of, place_of, prefix_of
from .workflows import Names, Priority, Tags

__all__ = ["router"]

router = key_first_router("/api/v2/batches", tag="batches")
Values = Annotated[list[Any], Field(min_length=1, max_length=MOST_JOBS)]


class BatchRequest(BaseModel):
    """Jobs of one workflow."""

    model_config = ConfigDict(extra="forbid")

    workflow: Annotated[Graph | None, Field(description="A graph in API format; or `name`.")] = None
    name: Annotated[Text | None, Field(description="A registered workflow.")] = None
    version: Annotated[int | None, Field(ge=1, le=2**31 - 1, description="Of `name`.")] = None
    inputs: Annotated[
        list[Graph] | None,
        Field(
            max_length=MOST_JOBS,
            description="The inputs of each job, by parameter; by `NODE.INPUT`, too, with `workflow`.",
        ),
    ] = None
    product: Annotated[
        dict[Text, Values] | None,
        Field(description="A list of values by input: one job for each combination; or `inputs`."),
    ] = None
    outputs: Annotated[Names | None, Field(description="The only outputs to run, by name.")] = None
    metadata: Annotated[dict[Text, Text], Field(description="Labels of every job.")] = {}
    priority: Priority | None = None
    tags: Tags = []
    webhook_url: Annotated[
        Text | None, Field(description="Is told once, when every job has ended; null for the key's own.")
    ] = None
    queue_timeout: Annotated[
        float | None, Field(gt=0, le=30 * 86400.0, description="Seconds for which each job may wait.")
    ] = None
    run_timeout: RunTimeout | None = None
    extra_data: ExtraData | None = None

    @model_validator(mode="after")
    def _says_what_and_how_often(self) -> BatchRequest:
        if (self.workflow is None) == (self.name is None):
            raise InvalidRequest("a batch is of one workflow: give 'workflow' (a graph) or 'name', not both")
        if (self.inputs is None) == (self.product is None):
            raise InvalidRequest("give the jobs as 'inputs' (a list) or 'product' (lists by input), not both")
        if self.version is not None and self.name is None:
            raise InvalidRequest("'version' is of a registered workflow: give its 'name', too")
        return self

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The inputs of each job."""
        return BatchOrder.expanded(self.product) if self.product is not None else self.inputs or []


class BatchUrls(BaseModel):
    """The paths of a batch."""

    self: str
    events: str
    cancel: str


class BatchItem(BaseModel):
    """A batch in a list."""

    id: UUID
    created_at: datetime
    completed_at: Annotated[datetime | None, Field(description="Null while a job of it is open.")]
    size: Annotated[int, Field(description="How many jobs it was submitted with.")]
    counts: Annotated[dict[str, int], Field(description="Jobs by state; a state that none has is missing.")]
    webhook_url: str | None
    urls: BatchUrls


class NewBatch(BatchItem):
    """A batch that was just queued."""

    job_ids: Annotated[list[UUID], Field(description="In the order of the inputs.")]


class Batch(BatchItem):
    """A batch, with some of its jobs in the order of the inputs."""

    jobs: list[models.JobItem]
    next_cursor: Annotated[str | None, Field(description="For more jobs; null with the last.")]


class BatchPage(BaseModel):
    """Some batches, newest first."""

    batches: list[BatchItem]
    next_cursor: Annotated[str | None, Field(description="For the next page; null on the last.")]


@router.post("", operation_id="postBatches", status_code=201, response_model=NewBatch)
async def submit(
    body: BatchRequest, core: Service, caller: Submitting, idempotency_key: IdempotencyKey = None
) -> Response:
    """Queue many jobs of one workflow: all of them, or none if one cannot run.

    If one cannot run, the answer is 422, with the `index` of its entry in `error.details`.
    """
    once = _once(caller, idempotency_key, body)
    answer = None if once is None else await once.answered(core.database)
    is_new = False
    if answer is None:  # a repetition needs no workflow, and its workflow may be retired by now
        answer, is_new = await submit_batch(core, caller, await _order(core, body), once, partial(_new, core))
    return JSONResponse(answer.body, answer.status, {} if is_new else {"Idempotency-Replayed": "true"})


@router.get("", operation_id="listBatches")
async def list_batches(
    core: Service,
    caller: Reading,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> BatchPage:
    """List batches, newest first."""
    before = place_of(cursor) if cursor else None
    batches = await core.batches.search(caller.key_id, before=before, limit=limit + 1)
    more = cursor_of(batches[limit - 1]) if len(batches) > limit else None
    return BatchPage(
        batches=[BatchItem(**_facts(core, batch)) for batch in batches[:limit]], next_cursor=more
    )


@router.get("/{batch_id}", operation_id="getBatch")
async def get_batch(
    batch_id: str,
    core: Service,
    caller: Reading,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(max_length=20, pattern="^[0-9]+$")] = None,
) -> Batch:
    """Return a batch as it stands, with a page of its jobs."""
    batch = await _find(core, caller, batch_id)
    return await _whole(core, batch, after=-1 if cursor is None else _index(cursor), limit=limit)


@router.post("/{batch_id}/cancel", operation_id="cancelBatch")
async def cancel(batch_id: str, core: Service, caller: Submitting) -> Batch:
    """Ask for the end of every job of a batch that has not ended yet."""
    batch = await _find(core, caller, batch_id)
    await core.batches.cancel(core.store, batch.id)
    return await _whole(core, await core.batches.get(batch.id) or batch)


@router.get(
    "/{batch_id}/events",
    operation_id="getBatchEvents",
    response_class=Response,
    responses={
        200: {
            "description": "Events `job` (a job's state, when it changes) and `status` (the counts); begins "
            "with how the batch stands and ends when every job has.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream_events(batch_id: str, core: Service, caller: Reading) -> Response:
    """Tell what happens to the jobs of a batch. A client that comes again is told how they stand by then."""
    batch = await _find(core, caller, batch_id)
    async with AsyncExitStack() as stack:
        stack.enter_context(core.streams.one(caller))
        telling = BatchEvents(core.batches, core.database, batch.id, heartbeat=core.settings.heartbeat)
        events = await stack.enter_async_context(telling)
        return EventStream(events.frames(sse_frame, b": alive\n\n"), stack.pop_all())
    raise AssertionError("unreachable: the stack swallows nothing")


async def _find(core: Core, caller: Caller, batch_id: str) -> BatchRecord:
    try:
        batch = await core.batches.get(UUID(batch_id), caller.key_id)
    except ValueError:
        batch = None
    if batch is None:
        raise NotFound(f"there is no batch {batch_id[:80]!r}: GET /api/v2/batches lists yours")
    return batch


async def _order(core: Core, body: BatchRequest) -> BatchOrder:
    record = None if body.name is None else await core.workflows.get(body.name, body.version)
    common = common_of(
        record,
        labels=body.metadata,
        priority=body.priority,
        tags=body.tags,
        queue_timeout=body.queue_timeout,
        run_timeout=body.run_timeout,
        extra_data=None if body.extra_data is None else body.extra_data.model_dump(exclude_none=True),
    )
    source = BatchSource(registered=record, graph=body.workflow, outputs=body.outputs or None)
    return BatchOrder(source=source, entries=body.entries, common=common, webhook_url=body.webhook_url)


def _once(caller: Caller, key: str | None, body: BatchRequest) -> Once | None:
    if key is None:
        return None
    # Without the secrets: a hash of them would be kept, and the same batch with other secrets is the same.
    request = body.model_dump(mode="json", exclude={"extra_data"})
    return Once.of(caller.key_id, key, "POST /api/v2/batches", request)


def _index(cursor: str) -> int:
    index = int(cursor)
    if index >= MOST_JOBS:
        raise InvalidRequest("this cursor was not made here: begin without one", "invalid_cursor")
    return index


def _new(core: Core, batch: BatchRecord, job_ids: Sequence[UUID]) -> dict[str, Any]:
    return NewBatch(**_facts(core, batch), job_ids=list(job_ids)).model_dump(mode="json")


async def _whole(core: Core, batch: BatchRecord, *, after: int = -1, limit: int = 50) -> Batch:
    jobs = await core.batches.jobs(batch.id, after=after, limit=limit + 1)
    page = await core.store.fitting(jobs[:limit])
    more = str(page[-1].batch_index) if len(jobs) > len(page) else None
    items = [item_of(job, core.settings.base_url) for job in page]
    return Batch(**_facts(core, batch), jobs=items, next_cursor=more)


def _facts(core: Core, batch: BatchRecord) -> dict[str, Any]:
    path = f"{prefix_of(core.settings.base_url)}/api/v2/batches/{batch.id}"
    return {
        "id": batch.id,
        "created_at": batch.created_at,
        "completed_at": batch.completed_at,
        "size": batch.size,
        "counts": {state.value: count for state, count in batch.counts.items()},
        "webhook_url": batch.webhook_url,
        "urls": BatchUrls(self=path, events=f"{path}/events", cancel=f"{path}/cancel"),
    }
