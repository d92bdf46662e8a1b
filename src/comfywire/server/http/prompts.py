"""Routes about prompts: /prompt, /queue, /history, /interrupt, /free (server.py, 0.3.64)."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import web

from comfywire.server.execution.prompt_queue import MAXIMUM_PENDING, SECRETS
from comfywire.server.http.jobs_view import is_canonical_uuid
from comfywire.server.validation.validator import Validation, validate_prompt

if TYPE_CHECKING:
    from comfywire.server.prompt_server import PromptServer

__all__ = ["PromptRoutes"]


class PromptRoutes:
    """What clients do with prompts."""

    def __init__(self, server: PromptServer) -> None:
        self._server = server

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, without prefix."""
        return [
            web.get("/prompt", self.get_prompt),
            web.post("/prompt", self.post_prompt),
            web.get("/queue", self.get_queue),
            web.post("/queue", self.post_queue),
            web.get("/history", self.get_history),
            web.get("/history/{prompt_id}", self.get_history_entry),
            web.post("/history", self.post_history),
            web.post("/interrupt", self.post_interrupt),
            web.post("/free", self.post_free),
        ]

    async def get_prompt(self, request: web.Request) -> web.Response:
        """Say how many prompts run or wait."""
        del request
        return web.json_response(self._server.queue_info())

    async def post_prompt(self, request: web.Request) -> web.Response:
        """Validate and queue a prompt; a wrong type anywhere but in the graph's values is a 500."""
        body = await request.json()
        number = self._number(body)
        if "prompt" not in body:
            return _rejected(NO_PROMPT)
        prompt = body["prompt"]
        is_new = self._server.options.is_new
        prompt_id = _new_id(body.get("prompt_id")) if is_new else str(body.get("prompt_id", uuid.uuid4()))
        if prompt_id is None:
            return _rejected(WRONG_ID)
        validation = await validate_prompt(
            prompt,
            self._server.classes,
            targets=body.get("partial_execution_targets"),
            is_new=is_new,
        )
        extra_data = body.get("extra_data", {})
        if "client_id" in body:
            extra_data["client_id"] = body["client_id"]
        if is_new and "comfy_usage_source" not in extra_data and request.headers.get("Comfy-Usage-Source"):
            extra_data["comfy_usage_source"] = request.headers["Comfy-Usage-Source"]
        if validation.error is not None:
            return _rejected(validation)
        if len(self._server.queue.pending) >= MAXIMUM_PENDING:
            return _rejected(QUEUE_FULL, status=503)
        secrets: dict[str, Any] = {}
        if is_new:
            # Aside: the queue does not show them, and the nodes get them (server.py, post_prompt, 0.33.0).
            secrets = {name: extra_data.pop(name) for name in SECRETS if name in extra_data}
            extra_data["create_time"] = int(time.time() * 1000)
        self._server.queue.put((number, prompt_id, prompt, extra_data, validation.outputs), secrets)
        return web.json_response(
            {"prompt_id": prompt_id, "number": number, "node_errors": validation.node_errors}
        )

    def _number(self, body: Any) -> float:
        """Return the place in the queue; a prompt that is refused later uses one up all the same."""
        if "number" in body:
            return float(body["number"])
        number = self._server.number
        self._server.number += 1
        return -number if _fields(body).get("front") else number

    async def get_queue(self, request: web.Request) -> web.Response:
        """List the running and the pending prompts, these in the order of the heap."""
        del request
        running, pending = self._server.queue.snapshot()
        return web.json_response({"queue_running": running, "queue_pending": pending})

    async def post_queue(self, request: web.Request) -> web.Response:
        """Delete pending prompts; the answer is the same whether or not there were any."""
        body = _fields(await request.json())
        if body.get("clear"):
            self._server.queue.wipe()
        for prompt_id in body.get("delete", ()):
            self._server.queue.delete(prompt_id)
        return web.Response()

    async def get_history(self, request: web.Request) -> web.Response:
        """List finished prompts."""
        max_items = request.query.get("max_items")
        offset = int(request.query.get("offset", -1))
        page = self._server.queue.history_page(None if max_items is None else int(max_items), offset)
        return web.json_response(self._shown(page))

    async def get_history_entry(self, request: web.Request) -> web.Response:
        """Return one finished prompt, or ``{}``."""
        entry = self._server.queue.history_of(request.match_info["prompt_id"])
        return web.json_response(self._shown(entry))

    def _shown(self, page: dict[str, Any]) -> dict[str, Any]:
        hidden = self._server.faults.history
        return {prompt_id: entry for prompt_id, entry in page.items() if not hidden.is_hidden(prompt_id)}

    async def post_history(self, request: web.Request) -> web.Response:
        """Forget finished prompts."""
        body = _fields(await request.json())
        if body.get("clear"):
            self._server.queue.forget()
        for prompt_id in body.get("delete", ()):
            self._server.queue.forget(prompt_id)
        return web.Response()

    async def post_interrupt(self, request: web.Request) -> web.Response:
        """Interrupt the prompt that is named if it runs, or whatever runs."""
        try:
            body = await request.json()
        except json.JSONDecodeError:
            body = {}
        prompt_id = body.get("prompt_id")
        if not prompt_id or self._server.queue.is_running(prompt_id):
            self._server.interruption.interrupt()
        return web.Response()

    async def post_free(self, request: web.Request) -> web.Response:
        """Leave wishes for the worker, which reads them when it is between prompts."""
        body = await request.json()
        for name in ("unload_models", "free_memory"):
            if body.get(name, False):
                self._server.queue.set_flag(name, body[name])
        return web.Response()


def _fields(body: Any) -> Any:
    """Return a body to take keys from: ComfyUI asks ``"clear" in body``, and a list or a text has none."""
    return {} if isinstance(body, list | str) else body


NO_PROMPT = Validation(
    {
        "type": "no_prompt",
        "message": "No prompt provided",
        "details": "No prompt provided",
        "extra_info": {},
    }
)


WRONG_ID = Validation(
    {
        "type": "invalid_prompt_id",
        "message": "prompt_id must be a valid UUID",
        "details": "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
        "omit it to let the server generate one",
        "extra_info": {},
    }
)


def _new_id(wanted: object) -> str | None:
    """Return the id that a newer server gives or takes; None for one that it refuses."""
    if wanted is None:
        return str(uuid.uuid4())
    return str(wanted) if is_canonical_uuid(wanted) else None


QUEUE_FULL = Validation(
    {
        "type": "queue_full",
        "message": "The queue is full",
        "details": f"{MAXIMUM_PENDING} prompts wait; let some end, or clear the queue with POST /queue",
        "extra_info": {},
    }
)


def _rejected(validation: Validation, *, status: int = 400) -> web.Response:
    return web.json_response(
        {"error": validation.error, "node_errors": validation.node_errors}, status=status
    )
