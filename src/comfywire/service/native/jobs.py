"""/api/jobs: queue and history in one list, as newer ComfyUIs have it beside them (server.py, 0.33.0)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from comfywire.service.access.callers import Caller
from comfywire.service.core import Core
from comfywire.service.jobs.native_prompts import NativePrompts
from comfywire.service.native.entries import entry_of
from comfywire.service.native.face import BadRequest, json_body, routes_below_api
from comfywire.service.native.history import SHOWN
from comfywire.service.native.job_view import STATUSES, ended_job, in_full, open_job
from comfywire.service.native.prompts import CANONICAL
from comfywire.service.native.queue import MOST_IDS, ids_in, item_of, runs

__all__ = ["routes_of"]

MOST_KEPT = 4_096
"""Descriptions of ended jobs that a process keeps: editors ask for all of them after each message."""
Job = dict[str, Any]


class _WrongQuestion(Exception):
    """A parameter of the listing is wrong; the text is the answer's ``error``."""


class _Routes:
    def __init__(self) -> None:
        self._briefs: OrderedDict[tuple[UUID, datetime], Job] = OrderedDict()

    async def several(self, request: Request, core: Core, caller: Caller) -> Response:
        """List the caller's jobs without their graphs, the newest first."""
        query = request.query_params
        try:
            statuses = _statuses(query.get("status"))
            key = _choice(query, "sort_by", ("created_at", "execution_duration"))
            order = _choice(query, "sort_order", ("desc", "asc"))
            limit, offset = _positive(query, "limit"), max(0, _integer(query, "offset") or 0)
        except _WrongQuestion as error:
            return JSONResponse({"error": str(error)}, 400)
        jobs = [job for job in await self._all(core, caller) if job["status"] in statuses]
        if wanted := query.get("workflow_id"):
            jobs = [job for job in jobs if job.get("workflow_id") == wanted]
        jobs.sort(key=_duration if key == "execution_duration" else _created, reverse=order == "desc")
        page = jobs[offset : None if limit is None else offset + limit]
        more = {"total": len(jobs), "has_more": offset + len(page) < len(jobs)}
        return JSONResponse({"jobs": page, "pagination": {"offset": offset, "limit": limit, **more}})

    async def _all(self, core: Core, caller: Caller) -> list[Job]:
        # The queue first: what ends in between is in the history then, and not in both of the lists.
        prompts = NativePrompts(core.database)
        items = await prompts.queue(caller.key_id)
        places = await prompts.ended(caller.key_id, most=SHOWN)
        ended = {str(job_id) for job_id, _ in places}
        opened = [
            open_job(item_of(item), "in_progress" if runs(item) else "pending")
            for item in items
            if str(item.id) not in ended
        ]
        return [*opened, *await self._ended(prompts, caller.key_id, places)]

    async def _ended(
        self, prompts: NativePrompts, key_id: UUID, places: Sequence[tuple[UUID, datetime]]
    ) -> list[Job]:
        missing = [job_id for job_id, at in places if (job_id, at) not in self._briefs]
        for record in (await prompts.entries(key_id, missing)).values() if missing else ():
            brief = ended_job(str(record.id), entry_of(record))
            self._briefs[record.id, record.completed_at] = brief
        found = [self._briefs[place] for place in places if place in self._briefs]
        while len(self._briefs) > MOST_KEPT:
            self._briefs.popitem(last=False)
        return found

    async def one(self, request: Request, core: Core, caller: Caller) -> Response:
        """Describe one job, with outputs and workflow once it has ended."""
        prompts = NativePrompts(core.database)
        wanted = ids_in([request.path_params["job_id"]])
        for item in await prompts.queue(caller.key_id) if wanted else ():
            if item.id in wanted:
                return JSONResponse(open_job(item_of(item), "in_progress" if runs(item) else "pending"))
        for record in (await prompts.entries(caller.key_id, wanted)).values():
            entry = entry_of(record)
            return JSONResponse(in_full(ended_job(str(record.id), entry), entry))
        return JSONResponse({"error": "Job not found"}, 404)

    async def cancel(self, request: Request, core: Core, caller: Caller) -> Response:
        """End one of the caller's, whether it runs or waits."""
        job_id = request.path_params["job_id"]
        return JSONResponse({"cancelled": await _cancelled(core, caller, ids_in([job_id]))})

    async def cancel_several(self, request: Request, core: Core, caller: Caller) -> Response:
        """End several."""
        try:
            body = await json_body(request)
        except BadRequest:
            return JSONResponse({"error": "Request body must be valid JSON"}, 400)
        ids = body.get("job_ids") if isinstance(body, dict) else None
        if not isinstance(ids, list):
            return JSONResponse({"error": "job_ids must be a list"}, 400)
        if wrong := [one for one in ids[:MOST_IDS] if not _is_canonical(one)]:
            told = [one if isinstance(one, str) else repr(one) for one in wrong]
            return JSONResponse({"error": "job_ids contains invalid id(s)", "invalid_ids": told}, 400)
        return JSONResponse({"cancelled": await _cancelled(core, caller, ids_in(ids))})


async def _cancelled(core: Core, caller: Caller, ids: Sequence[UUID]) -> bool:
    prompts = NativePrompts(core.database)
    opened = {*await prompts.running(caller.key_id), *await prompts.waiting(caller.key_id)}
    for job_id in (wanted := [one for one in ids if one in opened]):
        await core.store.cancel(job_id, "it was canceled in the editor's own way")
    return bool(wanted)


def _is_canonical(value: Any) -> bool:
    return isinstance(value, str) and CANONICAL.fullmatch(value) is not None


def _statuses(wanted: str | None) -> Sequence[str]:
    if not wanted:
        return STATUSES
    statuses = [word.strip().lower() for word in wanted.split(",") if word.strip()]
    wrong = [status for status in statuses if status not in STATUSES]
    if wrong:
        raise _WrongQuestion(
            f"Invalid status value(s): {', '.join(wrong)}. Valid values: {', '.join(STATUSES)}"
        )
    return statuses


def _choice(query: Any, name: str, choices: tuple[str, str]) -> str:
    value = str(query.get(name, choices[0])).lower()
    if value not in choices:
        raise _WrongQuestion("{} must be '{}' or '{}'".format(name, *sorted(choices)))
    return value


def _integer(query: Any, name: str) -> int | None:
    try:
        return int(query[name]) if name in query else None
    except ValueError as error:
        raise _WrongQuestion(f"{name} must be an integer") from error


def _positive(query: Any, name: str) -> int | None:
    number = _integer(query, name)
    if number is not None and number <= 0:
        raise _WrongQuestion(f"{name} must be a positive integer")
    return number


def _created(job: Job) -> float:
    return float(job.get("create_time", 0))


def _duration(job: Job) -> float:
    start, end = job.get("execution_start_time"), job.get("execution_end_time")
    return float(end - start) if start and end else 0.0


def routes_of() -> list[BaseRoute]:
    """Return the routes, which are below ``/api`` alone, as there."""
    handlers = _Routes()
    return [
        *routes_below_api("/jobs", handlers.several),
        *routes_below_api("/jobs/cancel", handlers.cancel_several, "POST", scope="submit"),
        *routes_below_api("/jobs/{job_id}", handlers.one),
        *routes_below_api("/jobs/{job_id}/cancel", handlers.cancel, "POST", scope="submit"),
    ]
