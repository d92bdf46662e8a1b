"""ComfyUI's own API: how its routes are declared, who asks on them, and how they tell of errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from comfywire.errors import ComfywireError
from comfywire.service.access.callers import Caller
from comfywire.service.api.admission import read_apart
from comfywire.service.api.context import core_of
from comfywire.service.api.errors import error_response
from comfywire.service.core import Core
from comfywire.service.native.callers import caller_for

__all__ = [
    "BadRequest",
    "Handler",
    "ReadyAnswer",
    "etag_of",
    "json_body",
    "refusal",
    "routes",
    "routes_below_api",
    "sent",
    "words_alone",
    "words_of",
]

Handler: TypeAlias = Callable[[Request, Core, Caller], Awaitable[Response]]


class BadRequest(ComfywireError):
    """A request that a ComfyUI would answer with an error without words.

    Attributes:
        http_status: The status.

    """

    code = "invalid_request"

    def __init__(self, message: str, http_status: int = 400) -> None:
        self.http_status = http_status
        super().__init__(message)


Tell: TypeAlias = Callable[[Exception], Response]


def routes_below_api(path: str, handler: Handler, *methods: str, scope: str = "read") -> list[BaseRoute]:
    """Like :func:`routes`, for what a ComfyUI has below ``/api`` alone."""
    return list(routes(path, handler, *methods, scope=scope)[1:])


def routes(
    path: str, handler: Handler, *methods: str, scope: str = "read", tell: Tell | None = None
) -> list[Route]:
    """Return a route with and without ``/api``, as ComfyUI has it (server.py, add_routes, 0.3.64).

    Args:
        path: Without prefix.
        handler: Gets the request, the service, and the caller once it is known that the caller may.
        methods: GET if none is named.
        scope: What a key must be for, unless it is for ``native``.
        tell: Makes an answer of an error; :func:`refusal` if it is not named.

    """

    async def endpoint(request: Request) -> Response:
        try:
            caller = await caller_for(scope, request)
            core = core_of(request)
            core.hub.note_question(caller.key_id)
            return await handler(request, core, caller)
        except ComfywireError as error:
            return (tell or refusal)(error)

    return [
        Route(f"{prefix}{path}", endpoint, methods=methods or ("GET",), include_in_schema=False)
        for prefix in ("", "/api")
    ]


def words_alone(error: Exception) -> Response:
    """Return an error as node packs tell it: ``error`` is a text, which their programs show."""
    told = refusal(error)
    return JSONResponse({"error": json.loads(bytes(told.body))["error"]["message"]}, told.status_code)


def refusal(error: Exception) -> Response:
    """Return an error as an answer: in ComfyUI's form, with the status and the headers of ours."""
    ours = error_response(error)
    told = json.loads(bytes(ours.body))["error"]
    body = {
        "error": {"type": told["code"], "message": told["message"], "details": "", "extra_info": {}},
        "node_errors": {},
    }
    # 422 is what our own API says of a request that a ComfyUI calls bad.
    status = 400 if ours.status_code == 422 else ours.status_code
    kept = ("allow", "www-authenticate", "retry-after")
    headers = {name: value for name, value in ours.headers.items() if name in kept}
    return JSONResponse(body, status, headers)


@dataclass(frozen=True, slots=True)
class ReadyAnswer:
    """An answer that is kept, ready to be sent; ``packed`` is empty where packing does not pay."""

    plain: bytes
    packed: bytes
    etag: str

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return len(self.plain) + len(self.packed)


def etag_of(body: bytes) -> str:
    """Return the ETag of a body, which is the same packed and plain."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'


def sent(request: Request, answer: ReadyAnswer) -> Response:
    """Return a response with an answer that is kept, or that the client has it already."""
    headers = {"ETag": answer.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if answer.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if answer.packed and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(answer.packed, media_type="application/json", headers=headers)
    return Response(answer.plain, media_type="application/json", headers=headers)


async def json_body(request: Request) -> Any:
    """Return a body as JSON, whatever its Content-Type says, as ComfyUI reads it.

    Raises:
        BadRequest: It is no JSON: a ComfyUI answers that with status 500.
        TooManyElements: It has more values than a workflow of the largest size.

    """
    body = await request.body()
    try:
        return await read_apart(body)
    except ComfywireError:
        raise
    except Exception as error:  # FastAPI's own, of a body that is no JSON
        raise BadRequest("the body is no JSON: send an object") from error


def words_of(body: Any) -> Mapping[str, Any]:
    """Return a body to take keys from: of what is no object, none (``"clear" in body`` is asked there)."""
    return body if isinstance(body, dict) else {}
