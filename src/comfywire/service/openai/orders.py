"""Jobs for a request: submitted once, waited for, and canceled when nobody waits any more."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from fastapi import Request
from starlette.requests import ClientDisconnect

from comfywire.service.access.callers import Caller
from comfywire.service.access.idempotency import Answer, Once
from comfywire.service.batches import BatchOrder, BatchSource, submit_batch
from comfywire.service.core import Core
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.until_over import until_over
from comfywire.service.submission import submit_once
from comfywire.service.workflow_submission import common_of, submission_of
from comfywire.service.workflows.records import WorkflowRecord
from comfywire.service.workflows.registered import UnknownWorkflow

from .asked import entries_of
from .bodies import Form, ImageBody, VideoBody
from .errors import BadRequest, JobEnded, JobGoesOn, UnknownModel

__all__ = ["Order", "all_ended", "cancel", "canceling", "is_kept", "model_of", "ordered", "unless_gone"]

LONGEST_WAIT = 3600.0
"""Seconds after which an answer says that its jobs go on; clients give up long before."""
ON_DISCONNECT = "comfywire-on-disconnect"
KEEP, CANCEL = "keep", "cancel"
HUNG_UP = "the client that wanted the pictures hung up"
IN_VAIN = "another job of the same request ended without a picture, and its client was told"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """What was submitted for a request.

    Attributes:
        job_ids: The jobs, in the order of the pictures.
        is_kept: Whether they go on when the client hangs up.

    """

    job_ids: tuple[UUID, ...]
    is_kept: bool


async def model_of(core: Core, model: str | None) -> WorkflowRecord:
    """Return the workflow that a request means: by its name or alias, or else the operator's default.

    Raises:
        UnknownModel: Nothing is called so, and there is no default.
        BadRequest: The request names no model, and there is no default.

    """
    default = core.settings.openai_default
    for name in (model, default):
        if name is None:
            continue
        with contextlib.suppress(UnknownWorkflow):
            return await core.workflows.called(name)
    if model is None and default is None:
        raise BadRequest("say which model is to make it: GET /v1/models lists them", "model", "missing_model")
    raise UnknownModel(model or default or "")


async def ordered(
    core: Core, caller: Caller, request: Request, asked: ImageBody | VideoBody, form: Form
) -> tuple[UUID, ...]:
    """Queue the jobs that a request asks for, all or none; the same request once more gets the same jobs.

    Raises what :func:`model_of`, ``entries_of``, ``submit_once`` and ``submit_batch`` do.
    """
    said = {**asked.model_dump(mode="json", exclude_none=True), "files": [*form.hashes(), *form.links]}
    once = _once(caller, request, said)
    if once is not None and (answer := await once.answered(core.database)) is not None:
        return _jobs_in(answer)
    record = await model_of(core, asked.model)
    entries = entries_of(record, asked.inputs(), form.placeholders(), new_seed=_new_seed)
    if form.hashes():
        record.bind(entries[0])  # files become assets only when nothing else is wrong with the request
        kept = await form.kept(core.assets, caller.key_id)
        entries = entries_of(record, asked.inputs(), kept, new_seed=_new_seed)
    common = common_of(record, labels=asked.labels())
    if len(entries) == 1:
        submission = await submission_of(core, caller, record, entries[0], common)
        answer, _ = await submit_once(core, caller, submission, once, lambda job: _kept([job.id]))
    else:
        order = BatchOrder(source=BatchSource(registered=record), entries=entries, common=common)
        answer, _ = await submit_batch(core, caller, order, once, lambda _, job_ids: _kept(job_ids))
    return _jobs_in(answer)


def _new_seed() -> int:
    return secrets.randbits(63)


def _once(caller: Caller, request: Request, said: Mapping[str, Any]) -> Once | None:
    key = request.headers.get("idempotency-key")
    return None if key is None else Once.of(caller.key_id, key, f"POST {request.url.path}", said)


def _kept(job_ids: Sequence[UUID]) -> dict[str, Any]:
    """Return the answer as it is kept for the same request once more: its pictures are read anew."""
    return {"jobs": [str(job_id) for job_id in job_ids]}


def _jobs_in(answer: Answer) -> tuple[UUID, ...]:
    return tuple(UUID(job_id) for job_id in answer.body["jobs"])


def is_kept(request: Request) -> bool:
    """Whether the jobs of a request go on when its client hangs up.

    Who sends an Idempotency-Key means to come again for the answer.

    Raises:
        BadRequest: The header has a word that means nothing.

    """
    word = request.headers.get(ON_DISCONNECT)
    if word not in (None, KEEP, CANCEL):
        raise BadRequest(f"{ON_DISCONNECT} is {KEEP} or {CANCEL}, and not {word[:40]!r}")
    return "idempotency-key" in request.headers if word is None else word == KEEP


async def all_ended(core: Core, job_ids: Sequence[UUID], *, longest: float = LONGEST_WAIT) -> list[JobRecord]:
    """Return the jobs when all have ended, within ``longest`` seconds; cancelling this leaves them alone.

    Raises:
        JobEnded: One is gone.
        JobGoesOn: One goes on after that time, or when this process is about to stop.

    """
    waiting = [until_over(core.broker, job_id, longest) for job_id in job_ids]
    return [_ended(job_id, job) for job_id, job in zip(job_ids, await asyncio.gather(*waiting), strict=True)]


def _ended(job_id: UUID, job: JobRecord | None) -> JobRecord:
    if job is None:
        raise JobEnded(f"job {job_id} was removed with what it made: ask for the picture anew", "job_gone")
    if not job.is_over:
        raise JobGoesOn(job_id)
    return job


@contextlib.asynccontextmanager
async def canceling(core: Core, order: Order) -> AsyncIterator[None]:
    """Cancel the jobs of ``order`` when the client hangs up, or is told of one that the others are in vain.

    Not when the process stops, or an answer waits no longer: the client is told then that the jobs go on.
    """
    try:
        yield
    except JobGoesOn:
        raise
    except (ClientDisconnect, JobEnded) as error:
        is_gone = isinstance(error, ClientDisconnect)
        await asyncio.shield(asyncio.ensure_future(cancel(core, order, HUNG_UP if is_gone else IN_VAIN)))
        raise


async def cancel(core: Core, order: Order, reason: str = HUNG_UP) -> None:
    """Cancel the jobs of an order that nobody waits for any more, unless they are kept."""
    for job_id in () if order.is_kept else reversed(order.job_ids):
        await core.store.cancel(job_id, reason)


async def unless_gone(request: Request, wanted: Awaitable[T]) -> T:
    """Return what ``wanted`` gives; it is cancelled when the client hangs up before.

    Raises:
        ClientDisconnect: The client hung up.

    """
    working: asyncio.Future[T] = asyncio.ensure_future(wanted)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
