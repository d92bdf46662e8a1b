"""Errors as the Comfy Router answers them: ``{"detail", "error_type"}``, the type as a header, too.

The types, and which status each comes with, are those of the contract that comfy-sdk 0.5.0 is published with
(spec/router-openapi.yaml, ``x-comfy-error-types``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import JSONResponse, Response

from comfywire.errors import ComfywireError
from comfywire.service.api.errors import error_response
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.workflows.registered import UnknownWorkflow

__all__ = ["GoesOn", "JobEnded", "NoRequest", "UnknownModel", "error_type_of", "router_response"]

HEADER = "X-Comfy-Error-Type"
TYPES: Mapping[str, str] = {
    "unauthorized": "unauthorized",
    "forbidden": "forbidden",
    "rate_limited": "rate_limited",
    "queue_full": "queue_backlog_full",
    "idempotency_key_in_use": "concurrency_limit_exceeded",
    "service_unavailable": "service_unavailable",
}
"""The Router's type for a code of ours; other codes are inputs that cannot be, or faults of the service."""
CONFLICTS = {"idempotency_key_reuse"}
"""Codes that are 409 there: 422 would say that the inputs are wrong."""


class UnknownModel(ComfywireError):
    """No registered workflow is meant by a model's id."""

    http_status = 404
    code = error_type = "model_not_found"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"there is no model {model[:100]!r}: a model is local/NAME of a registered workflow, "
            "and GET /v2/models lists them"
        )


class NoRequest(ComfywireError):
    """No request of this model has this id, or it is another key's."""

    http_status = 404
    code = error_type = "request_not_found"

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"there is no request {request_id[:80]!r} of this model: submit it, or look under its own model"
        )


class GoesOn(ComfywireError):
    """A job takes longer than an answer waits; the same request with the same key waits on."""

    http_status = 504
    code = error_type = "deadline_exceeded"
    retry_after = 1.0

    def __init__(self, job: JobRecord) -> None:
        super().__init__(
            f"job {job.id} is {job.state.value} and goes on: send the same request with the same "
            "Idempotency-Key for its result, or GET "
            f"/api/v2/jobs/{job.id}"
        )


class JobEnded(ComfywireError):
    """A job ended without a result."""

    # Clients repeat a request by themselves after 5xx: a job that failed would run again.
    http_status = 424

    def __init__(self, job: JobRecord) -> None:
        error = job.error or {}
        self.code = self.error_type = error_type_of(job) or "provider_error"
        super().__init__(f"job {job.id} {job.state.value}: {error.get('message') or 'nothing says why'}")


def error_type_of(job: JobRecord) -> str | None:
    """Return how a job ended, in the Router's words; None for one that goes on, or succeeded."""
    match job.state:
        case JobState.FAILED:
            return "provider_error"
        case JobState.CANCELED:
            return "cancelled"
        case JobState.EXPIRED:
            return "queue_timeout"
        case _:
            return None


def router_response(error: Exception) -> Response:
    """Return the HTTP answer for ``error``."""
    if isinstance(error, UnknownWorkflow):
        error = UnknownModel(f"local/{error.name}")
    told = error_response(error)
    ours = json.loads(bytes(told.body))["error"]
    status = 409 if ours["code"] in CONFLICTS else told.status_code
    kind = getattr(error, "error_type", None) or TYPES.get(ours["code"])
    kind = kind or ("internal_error" if status >= 500 else "invalid_input")
    kept = {name: told.headers[name] for name in ("retry-after", "www-authenticate") if name in told.headers}
    return JSONResponse({"detail": ours["message"], "error_type": kind}, status, {HEADER: kind, **kept})
