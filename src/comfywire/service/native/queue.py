"""/queue, /interrupt: what of the caller's waits and runs, and its end. Nobody else's is seen or touched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from comfywire.service.access.callers import Caller
from comfywire.service.core import Core
from comfywire.service.database.storable import is_text
from comfywire.service.jobs.native_prompts import NativePrompts, QueueItem, extra_data_of
from comfywire.service.native.face import BadRequest, json_body, routes, words_of

__all__ = ["MOST_IDS", "ROUTES", "ids_in", "item_of", "runs"]

RUNS = ("running", "canceling")
MOST_IDS = 1000
"""Prompts that one request may name."""


async def get_queue(request: Request, core: Core, caller: Caller) -> Response:
    """List what runs and what waits, this in the order in which it will run."""
    del request
    items = await NativePrompts(core.database).queue(caller.key_id)
    running = [item for item in items if runs(item)]
    pending = [item for item in items if item not in running]
    return JSONResponse(
        {
            "queue_running": [item_of(item) for item in running],
            "queue_pending": [item_of(item) for item in pending],
        }
    )


async def post_queue(request: Request, core: Core, caller: Caller) -> Response:
    """Take the caller's prompts out of the queue, all that wait or those that are named; none that runs."""
    body = words_of(await json_body(request))
    waiting = await NativePrompts(core.database).waiting(caller.key_id)
    named = set(ids_in(body.get("delete")))
    for job_id in waiting:
        if body.get("clear") or job_id in named:
            await core.store.cancel(job_id, "it was deleted from the queue", if_waiting=True)
    return Response()


async def interrupt(request: Request, core: Core, caller: Caller) -> Response:
    """End the prompt that is named, if it runs; else the newest of the client's, or of the key's.

    A prompt that is on a ComfyUI may have begun there a moment ago: it ends as well, and the history says so.
    """
    try:
        body = words_of(await json_body(request))
    except BadRequest:
        body = {}  # a ComfyUI takes what is no JSON for no name
    prompts = NativePrompts(core.database)
    running = await prompts.running(caller.key_id)
    if body.get("prompt_id"):
        wanted = [job_id for job_id in running if job_id in ids_in([body["prompt_id"]])]
    else:
        client_id = body.get("client_id") or request.query_params.get("clientId")
        client_id = str(client_id) if client_id and is_text(str(client_id)) else None
        own = await prompts.running(caller.key_id, client_id) if client_id else []
        wanted = (own or running)[:1]
    for job_id in wanted:
        await core.store.cancel(job_id, "it was interrupted", is_interrupt=True)
    return Response()


def ids_in(said: Any) -> list[UUID]:
    """Return the ids in a list; what is none is passed over, as by a ComfyUI that does not know it."""
    return list(_ids(said if isinstance(said, list) else ()))


def _ids(said: Iterable[Any]) -> Iterable[UUID]:
    for _, one in zip(range(MOST_IDS), said, strict=False):
        try:
            yield UUID(one)
        except (ValueError, AttributeError, TypeError):
            continue


def runs(item: QueueItem) -> bool:
    """Whether a prompt has begun."""
    return item.state in RUNS and item.started_at is not None


def item_of(item: QueueItem) -> list[Any]:
    """Return an item as a ComfyUI has it in its queue."""
    number = int(item.number) if item.number.is_integer() else item.number
    return [number, str(item.id), item.prompt, dict(extra_data_of(item)), item.outputs]


ROUTES = [
    *routes("/queue", get_queue),
    *routes("/queue", post_queue, "POST", scope="submit"),
    *routes("/interrupt", interrupt, "POST", scope="submit"),
]
