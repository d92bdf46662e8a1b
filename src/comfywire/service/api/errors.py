"""Errors as answers, in the envelope of the Comfy API v2: ``{"error": {"code", "message", "details"}}``."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from comfywire.errors import ComfywireError, InvalidParameter, WorkflowError
from comfywire.service.access.callers import Forbidden, Unauthorized
from comfywire.service.access.keys import KeyNotFound
from comfywire.service.access.limits import RateLimited
from comfywire.service.batches import EntryRefused
from comfywire.service.database.outage import AWAY
from comfywire.service.jobs.admission import QueueFull
from comfywire.service.webhooks.messages import InvalidWebhookUrl
from comfywire.service.webhooks.records import NoDelivery

__all__ = [
    "ENVELOPE",
    "Dialects",
    "InvalidRequest",
    "NotFound",
    "answer_errors",
    "envelope",
    "error_response",
]

CODES: Sequence[tuple[type[Exception], int, str]] = (
    (Unauthorized, 401, "unauthorized"),
    (Forbidden, 403, "forbidden"),
    (KeyNotFound, 404, "not_found"),
    (NoDelivery, 404, "not_found"),
    (InvalidWebhookUrl, 422, "invalid_request"),
    (RateLimited, 429, "rate_limited"),
    (QueueFull, 429, "queue_full"),
    (InvalidParameter, 422, "invalid_input"),
    (WorkflowError, 422, "invalid_workflow"),
)
"""Status and code of errors that do not carry their own; the first row whose class fits counts."""
BY_STATUS = {
    400: "invalid_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
}
RETRY_AFTER = {"queue_full": 2.0}
UNEXPECTED = (
    "something went wrong in the service: try again, and tell its operator the request id if it stays"
)
NO_DATABASE = "the database cannot be reached at the moment: try again"
FULL = "the asset store has no room left: delete assets, or tell the service's operator"
ENVELOPE = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "examples": ["not_found"]},
                "message": {"type": "string"},
                "details": {"type": "object", "nullable": True, "additionalProperties": True},
            },
        }
    },
}
"""The JSON schema of every error's body."""


class InvalidRequest(ComfywireError):
    """A request has a value, or values together, that the route does not take."""

    http_status = 422

    def __init__(self, message: str, code: str = "invalid_request") -> None:
        self.code = code
        super().__init__(message)


class NotFound(ComfywireError):
    """There is no such thing, or another key owns it: the answer is the same, and gives nothing away."""

    code = "not_found"
    http_status = 404


def envelope(code: str, message: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of an error."""
    return {
        "error": {"code": code, "message": message, "details": None if details is None else dict(details)}
    }


def error_response(error: Exception) -> Response:
    """Return the HTTP answer for ``error``."""
    match error:
        case HTTPException():
            code = BY_STATUS.get(error.status_code, f"http_{error.status_code}")
            return _answer(error.status_code, code, _words(error), headers=error.headers)
        case RequestValidationError():
            return _answer(422, *_validation(error))
        case _ if isinstance(error, AWAY):  # outage.py writes it to the log, once for all requests
            return _answer(503, "service_unavailable", NO_DATABASE, retry_after=2.0)
        case ComfywireError() if (listed := _known(error)) is not None:
            status, code = listed
            wait = getattr(error, "retry_after", None) or RETRY_AFTER.get(code)
            headers = getattr(error, "http_headers", None)
            if status == 401:
                headers = {"WWW-Authenticate": "Bearer"}
            details = getattr(error, "details", None)
            return _answer(status, code, str(error), details, headers=headers, retry_after=wait)
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _answer(507, "insufficient_storage", FULL)
        case _:
            return _answer(500, "upstream_error", UNEXPECTED)


class Dialects:
    """In whose shape an error is told: in the envelope, but below the paths of other people's APIs in theirs.

    Args:
        by_prefix: What tells an error below a path, such as ``/v1/``.

    """

    def __init__(self, by_prefix: Mapping[str, Callable[[Exception], Response]] | None = None) -> None:
        self._tellers: list[tuple[Callable[[str], bool], Callable[[Exception], Response]]] = [
            (partial(_is_below, prefix), tell) for prefix, tell in (by_prefix or {}).items()
        ]

    def add(self, is_meant: Callable[[str], bool], tell: Callable[[Exception], Response]) -> None:
        """Have ``tell`` answer the errors at those paths of which ``is_meant`` says so."""
        self._tellers.append((is_meant, tell))

    def told(self, path: str, error: Exception) -> Response:
        """Return the HTTP answer for ``error`` at ``path``."""
        told = next((tell for is_meant, tell in self._tellers if is_meant(path)), error_response)
        return told(error)


def _is_below(prefix: str, path: str) -> bool:
    return path.startswith(prefix)


def answer_errors(app: FastAPI, dialects: Dialects | None = None) -> None:
    """Have ``app`` answer the errors that are expected; guards.py answers the others."""
    shapes = dialects or Dialects()

    async def answer(request: Request, error: Exception) -> Response:
        return shapes.told(request.url.path, error)

    for kind in (
        HTTPException,
        RequestValidationError,
        ComfywireError,
        *AWAY,
    ):
        app.add_exception_handler(kind, answer)


def _known(error: ComfywireError) -> tuple[int, str] | None:
    if isinstance(error, EntryRefused):
        return _known(error.error)
    status, code = getattr(error, "http_status", None), getattr(error, "code", None)
    if isinstance(status, int) and isinstance(code, str):
        return status, code
    return next(((status, code) for kind, status, code in CODES if isinstance(error, kind)), None)


def _answer(
    status: int,
    code: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    retry_after: float | None = None,
) -> Response:
    sent = dict(headers or {})
    if retry_after is not None:
        sent["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return _Told(envelope(code, message, details), status, sent)


class _Told(JSONResponse):
    """JSON that may quote the client's own text, in which half a surrogate pair is written as its escape.

    Starlette's response would fail on such a text: UTF-8 has no bytes for half a pair.
    """

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )


def _words(error: HTTPException) -> str:
    match error.status_code:
        case 404:
            return "there is nothing at this address: /api/v2/openapi.json lists what there is"
        case 405:
            return "this address does not take this method: the Allow header names those that it takes"
        case _:
            return str(error.detail)


def _validation(error: RequestValidationError) -> tuple[str, str, dict[str, Any]]:
    faults = [(_place(fault), _about_body(fault, error.body), fault) for fault in error.errors()]
    metadata = next((place for place, _, _ in faults if place.startswith("body.metadata")), None)
    code = "invalid_request" if metadata is None else "metadata_invalid"
    shown = [
        {"field": place, "reason": fault["type"], "message": words or str(fault["msg"])}
        for place, words, fault in faults[:20]
    ]
    first = next(
        (words or f"{place}: {fault['msg']}" for place, words, fault in faults), "the request is not valid"
    )
    return code, first, {"errors": shown}


def _place(fault: Mapping[str, Any]) -> str:
    # A body that is no JSON has no fields: the last part of its `loc` is a position in the text.
    loc = fault["loc"][:1] if fault["type"] == "json_invalid" else fault["loc"]
    return ".".join(str(part) for part in loc)


def _about_body(fault: Mapping[str, Any], body: object) -> str | None:
    """Return the next step for a body without fields to look into; None where Pydantic's words will do."""
    match fault["type"], fault["loc"]:
        case "json_invalid", ("body", place):
            return f"the body is no JSON ({fault['ctx']['error']}, at character {place}): correct it"
        case "missing", ("body",):
            return "the request has no body: send a JSON object, as Content-Type: application/json"
        case "model_attributes_type", ("body",) if isinstance(body, bytes):
            return "the body is not sent as JSON: add the header Content-Type: application/json"
        case "model_attributes_type", ("body",):
            return "the body is no JSON object: write it in braces"
    return None
