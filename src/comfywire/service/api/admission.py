"""The order in which a request is looked at: its key, from the head alone; its body's bounds; its body.

FastAPI by itself reads and parses a body before the route's dependencies look at the key. Forty strangers
with half a body each would then hold a gigabyte of this process's memory, and one stranger with a whole large
body would keep its event loop busy for seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from .bodies.json_bodies import elements_in, read, validated
from .context import CALLERS
from .routing.straight import NotStraight, Straight

__all__ = ["KeyFirstRoute", "key_first_router", "read_apart"]

FEW_ELEMENTS = 2_000
FEW_BYTES = 64 << 10
"""Values and bytes of a body that the event loop parses itself; larger bodies are parsed in a thread."""
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class KeyFirstRoute(APIRoute):
    """A route that asks for the key before it reads the body, and bounds the body before it is validated."""

    def get_route_handler(self) -> Handler:
        """Return a handler that looks at the key and the body's bounds, and then calls FastAPI's own."""
        handler = super().get_route_handler()
        wanted = [needed.call for needed in self.dependant.dependencies if needed.call in CALLERS]
        field = self.body_field
        kind: Any = None if field is None else field.field_info.annotation
        model = None if field is None else TypeAdapter[Any](kind)

        straight = Straight.of(self, model)

        async def handle(request: Request) -> Response:
            # Before the body: a request that is refused for its key costs this process no bytes of it. The
            # caller is kept in the request's state, so that FastAPI's own call does not count it again.
            caller: Any = None
            for get_caller in wanted:
                assert get_caller is not None
                caller = await get_caller(request)
            asked = request if model is None else await _admitted(request, model)
            if straight is not None and (model is None or isinstance(asked, _Admitted)):
                with contextlib.suppress(NotStraight):
                    return await straight.handle(asked, caller)
            return await handler(asked)

        return handle


def key_first_router(prefix: str = "", *, tag: str) -> APIRouter:
    """Return a router whose routes look at the key before they read a body."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=KeyFirstRoute)


class _Admitted(Request):
    """A request whose body was read, found within its bounds, and parsed."""

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
    if _is_small(body):
        return _Admitted(request, body, read(body))
    # FastAPI takes an instance of the model as it is, so that a body validated in the thread is not validated
    # once more on the event loop.
    return _Admitted(request, body, await asyncio.to_thread(lambda: validated(model, read(body))))


async def read_apart(body: bytes) -> Any:
    """Return the value that a body has as JSON, within its bounds; a large one is parsed in a thread.

    Raises:
        TooManyElements, RequestValidationError, InvalidRequest: As :func:`.bodies.json_bodies.read` does.

    """
    return read(body) if _is_small(body) else await asyncio.to_thread(read, body)


def _is_small(body: bytes) -> bool:
    return len(body) <= FEW_BYTES and elements_in(body, FEW_ELEMENTS) <= FEW_ELEMENTS


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith("application/") and (kind == "application/json" or kind.endswith("+json"))
