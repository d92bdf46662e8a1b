"""Routes about jobs, which newer servers have, and under /api only (server.py, 0.33.0)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from comfywire.server.http.jobs_view import STATUSES, Job, is_canonical_uuid, job_of_entry, job_of_item

if TYPE_CHECKING:
    from comfywire.server.prompt_server import PromptServer

__all__ = ["JobRoutes"]


class WrongQuery(Exception):
    """A parameter of the listing is not what it should be; the text is the answer's ``error``."""


class JobRoutes:
    """The same prompts as in queue and history, one by one."""

    def __init__(self, server: PromptServer) -> None:
        self._server = server

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; their paths begin with /api as they are declared."""
        return [
            web.get("/api/jobs", self.list_jobs),
            web.get("/api/jobs/{job_id}", self.get_job),
            web.post("/api/jobs/{job_id}/cancel", self.cancel_job),
            web.post("/api/jobs/cancel", self.cancel_jobs),
        ]

    async def list_jobs(self, request: web.Request) -> web.Response:
        """List jobs without their graphs, newest first."""
        query = request.query
        try:
            statuses = _statuses(query.get("status"))
            sort_by = _choice(query, "sort_by", ("created_at", "execution_duration"))
            sort_order = _choice(query, "sort_order", ("desc", "asc"))
            limit = _positive(query, "limit")
            offset = max(0, _integer(query, "offset") or 0)
        except WrongQuery as error:
            return web.json_response({"error": str(error)}, status=400)
        jobs = [job for job in self._jobs() if job["status"] in statuses]
        if query.get("workflow_id"):
            jobs = [job for job in jobs if job.get("workflow_id") == query["workflow_id"]]
        key = _duration if sort_by == "execution_duration" else _created
        jobs.sort(key=key, reverse=sort_order == "desc")
        page = jobs[offset : None if limit is None else offset + limit]
        pagination = {
            "offset": offset,
            "limit": limit,
            "total": len(jobs),
            "has_more": offset + len(page) < len(jobs),
        }
        return web.json_response({"jobs": page, "pagination": pagination})

    def _jobs(self) -> list[Job]:
        running, pending = self._server.queue.snapshot()
        hidden = self._server.faults.history
        return [
            *(job_of_item(item, "in_progress") for item in running),
            *(job_of_item(item, "pending") for item in pending),
            *(
                job_of_entry(prompt_id, entry)
                for prompt_id, entry in self._server.queue.history_page(None, -1).items()
                if not hidden.is_hidden(prompt_id)
            ),
        ]

    async def get_job(self, request: web.Request) -> web.Response:
        """Return one job, with outputs and workflow once it has ended."""
        job_id = request.match_info["job_id"]
        entry = self._server.queue.history_of(job_id).get(job_id)
        if entry is not None and not self._server.faults.history.is_hidden(job_id):
            return web.json_response(job_of_entry(job_id, entry, is_full=True))
        running, pending = self._server.queue.snapshot()
        for items, status in ((running, "in_progress"), (pending, "pending")):
            for item in items:
                if item[1] == job_id:
                    return web.json_response(job_of_item(item, status))
        return web.json_response({"error": "Job not found"}, status=404)

    async def cancel_job(self, request: web.Request) -> web.Response:
        """End one prompt, running or pending; anything else is no error."""
        return web.json_response({"cancelled": self._cancel(request.match_info["job_id"])})

    async def cancel_jobs(self, request: web.Request) -> web.Response:
        """End several."""
        try:
            body = await request.json()
        except json.JSONDecodeError:
            return web.json_response({"error": "Request body must be valid JSON"}, status=400)
        job_ids = body.get("job_ids") if isinstance(body, dict) else None
        if not isinstance(job_ids, list):
            return web.json_response({"error": "job_ids must be a list"}, status=400)
        wrong = [
            job_id if isinstance(job_id, str) else repr(job_id)
            for job_id in job_ids
            if not is_canonical_uuid(job_id)
        ]
        if wrong:
            refusal = {"error": "job_ids contains invalid id(s)", "invalid_ids": wrong}
            return web.json_response(refusal, status=400)
        cancelled = [self._cancel(job_id) for job_id in job_ids]
        return web.json_response({"cancelled": any(cancelled)})

    def _cancel(self, job_id: str) -> bool:
        """Interrupt or delete, under the queue's lock, so that no other prompt is hit."""
        queue = self._server.queue
        with queue.mutex:
            if queue.is_running(job_id):
                self._server.interruption.interrupt()
                return True
            return queue.delete(job_id)


def _statuses(wanted: str | None) -> tuple[str, ...]:
    if not wanted:
        return STATUSES
    statuses = tuple(word.strip().lower() for word in wanted.split(",") if word.strip())
    wrong = [status for status in statuses if status not in STATUSES]
    if wrong:
        raise WrongQuery(f"Invalid status value(s): {', '.join(wrong)}. Valid values: {', '.join(STATUSES)}")
    return statuses


def _choice(query: Any, name: str, choices: tuple[str, str]) -> str:
    value = str(query.get(name, choices[0])).lower()
    if value not in choices:
        first, second = sorted(choices)
        raise WrongQuery(f"{name} must be '{first}' or '{second}'")
    return value


def _integer(query: Any, name: str) -> int | None:
    try:
        return int(query[name]) if name in query else None
    except ValueError as error:
        raise WrongQuery(f"{name} must be an integer") from error


def _positive(query: Any, name: str) -> int | None:
    number = _integer(query, name)
    if number is not None and number <= 0:
        raise WrongQuery(f"{name} must be a positive integer")
    return number


def _created(job: Job) -> float:
    return float(job.get("create_time", 0))


def _duration(job: Job) -> float:
    start, end = job.get("execution_start_time"), job.get("execution_end_time")
    return float(end - start) if start and end else 0.0
