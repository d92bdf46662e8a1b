"""Errors as OpenAI's API answers them: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from starlette.responses import JSONResponse, Response

from comfywire.errors import ComfywireError
from comfywire.service.api.errors import error_response
from comfywire.service.workflows.registered import UnknownWorkflow

__all__ = ["BadRequest", "JobEnded", "JobGoesOn", "UnknownModel", "openai_error", "openai_response"]

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""The ``type`` of an error by its status; other statuses below 500 are requests that cannot be honoured."""
CODES = {"unauthorized": "invalid_api_key", "rate_limited": "rate_limit_exceeded"}
"""OpenAI's word for a code of ours, where clients look for it."""


class BadRequest(ComfywireError):
    """A request that says what no picture of this model can honour.

    Attributes:
        param: The field that says so.

    """

    http_status = 400
    code = "invalid_value"

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        self.param = param
        self.code = code or self.code
        super().__init__(message)


class UnknownModel(ComfywireError):
    """No registered workflow has this name or alias."""

    http_status = 404
    code = "model_not_found"
    param = "model"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model {model[:100]!r} does not exist: no registered workflow has this name or alias. "
            "GET /v1/models lists those that do"
        )


class JobEnded(ComfywireError):
    """A job that was to make pictures ended without."""

    # Clients repeat a request by themselves after 408, 409, 429 and 5xx: a job that failed would run again.
    http_status = 424

    def __init__(self, message: str, code: str) -> None:
        self.code = code
        super().__init__(message)


class JobGoesOn(JobEnded):
    """A job goes on, and this answer waits no longer: after an hour, or because this process stops."""

    def __init__(self, job_id: UUID) -> None:
        super().__init__(
            f"job {job_id} goes on, and this answer waits no longer: GET /api/v2/jobs/{job_id} has its end",
            "job_goes_on",
        )


def openai_error(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, body and headers for ``error``."""
    if isinstance(error, UnknownWorkflow):
        error = UnknownModel(error.name)
    told = error_response(error)
    ours = json.loads(bytes(told.body))["error"]
    status = 400 if told.status_code == 422 else told.status_code
    kind = "server_error" if status >= 500 else TYPES.get(status, "invalid_request_error")
    param = getattr(error, "param", None) or _param(ours.get("details"))
    code = CODES.get(ours["code"], ours["code"])
    body = {"message": ours["message"], "type": kind, "param": param, "code": code}
    headers = {
        name: value for name, value in told.headers.items() if name in ("retry-after", "www-authenticate")
    }
    return status, {"error": body}, headers


def openai_response(error: Exception) -> Response:
    """Return the HTTP answer for ``error``, whoever found it: a route, the guard, or the router."""
    status, body, headers = openai_error(error)
    return JSONResponse(body, status, headers)


def _param(details: Any) -> str | None:
    """Return the field of a body that was found wrong before anybody looked at what it means."""
    match details:
        case {"errors": [{"field": str(field)}, *_]}:
            return field.removeprefix("body.")
        case _:
            return None
