"""In which order a request is looked at: the key, from the head alone; the body's bounds; what it says.

FastAPI reads and parses a body before it asks who sends it: forty strangers with half a body each would hold
a gigabyte of this process, and one with a whole one would keep its event loop busy for seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from .bodies.json_bodies import elements_in, read, validated
from .context import CALLERS

__all__ = ["KeyFirstRoute", "key_first_router"]

FEW_ELEMENTS = 2_000
FEW_BYTES = 64 << 10
"""What is larger is read in a thread."""
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class KeyFirstRoute(APIRoute):
    """A route that asks for the key before it reads the body, and bounds the body before it is validated."""

    def get_route_handler(self) -> Handler:
        """Return FastAPI's handler behind ours."""
        handler = super().get_route_handler()
        asked = [one.call for one in self.dependant.dependencies if one.call in CALLERS]
        field = self.body_field
        kind: Any = None if field is None else field.field_info.annotation
        model = None if field is None else TypeAdapter[Any](kind)

        async def handle(request: Request) -> Response:
            for get_caller in asked:
                assert get_caller is not None
                await get_caller(request)  # kept with the request: FastAPI's own call counts nothing more
            return await handler(request if model is None else await _admitted(request, model))

        return handle


def key_first_router(prefix: str = "", *, tag: str) -> APIRouter:
    """Return a router whose routes look at the key first."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=KeyFirstRoute)


class _Admitted(Request):
    """A request whose body was read and is within its bounds."""

    def __init__(self, request: Request, body: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._content = body
        self._value = value

    async def body(self) -> bytes:
        return self._content

    async def json(self) -> Any:
        return self._value


async def _admitted(request: Request, model: TypeAdapter[Any]) -> Request:
    body = await request.body()
    if not body or not _is_json(request.headers.get("content-type", "")):
        return request
    if len(body) <= FEW_BYTES and elements_in(body, FEW_ELEMENTS) <= FEW_ELEMENTS:
        return _Admitted(request, body, read(body))
    # FastAPI takes what is an instance of the model as it is: nothing is validated twice.
    return _Admitted(request, body, await asyncio.to_thread(lambda: validated(model, read(body))))


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith("application/") and (kind == "application/json" or kind.endswith("+json"))
