"""The shortest way to a handler: for routes that ask for nothing unusual, and requests that are right.

FastAPI finds out anew for each request what a handler depends on, which takes as long as the handler itself.
A handler that wants the request, the service, the caller, texts of the path or the head, and one body, is
called here. FastAPI still describes its route, and still answers what is wrong with a request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.datastructures import DefaultPlaceholder
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from comfywire.service.api.context import CALLERS, core_of, get_core

__all__ = ["NotStraight", "Straight"]

TEXTS = (str, str | None)
UNUSUAL = (
    "query_params",
    "cookie_params",
    "response_param_name",
    "background_tasks_param_name",
    "security_scopes_param_name",
    "http_connection_param_name",
)
"""What a handler may ask FastAPI for, and these do not."""
SHAPES = (
    "response_model_include",
    "response_model_exclude",
    "response_model_exclude_unset",
    "response_model_exclude_defaults",
    "response_model_exclude_none",
)
"""What a route may change of its answers, and these do not."""


class NotStraight(Exception):
    """The request is FastAPI's to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Straight:
    """How a handler is called.

    Attributes:
        call: The handler.
        request: The name of its parameter for the request; None for none.
        core: Of that for the service.
        caller: Of that for the caller.
        path: The names of its texts of the path.
        head: The header of each of its texts of the head, by name.
        body: The name of its parameter for the body.
        model: What the body must be.
        answer: What it returns, where that is no response.
        status: The status of that.

    """

    call: Callable[..., Awaitable[Any]]
    request: str | None
    core: str | None
    caller: str | None
    path: tuple[str, ...]
    head: Mapping[str, str]
    body: str | None
    model: TypeAdapter[Any] | None
    answer: TypeAdapter[Any] | None
    status: int

    @classmethod
    def of(cls, route: APIRoute, model: TypeAdapter[Any] | None) -> Straight | None:
        """Return how to call the handler of a route; None if it asks for something that is not known here."""
        dependant = route.dependant
        asked = {needed.call: needed.name for needed in dependant.dependencies}
        callers = [name for call, name in asked.items() if call in CALLERS]
        if not asked.keys() <= {get_core, *CALLERS} or len(callers) > 1 or not _is_usual(route, model):
            return None
        return cls(
            call=route.endpoint,
            request=dependant.request_param_name,
            core=asked.get(get_core),
            caller=callers[0] if callers else None,
            path=tuple(text.name for text in dependant.path_params),
            head={text.name: text.alias.replace("_", "-") for text in dependant.header_params},
            body=dependant.body_params[0].name if model is not None else None,
            model=model,
            answer=None if route.response_model is None else TypeAdapter[Any](route.response_model),
            status=route.status_code or 200,
        )

    async def handle(self, request: Request, caller: Any) -> Response:
        """Call the handler, and return its answer.

        Raises:
            NotStraight: The body is wrong.

        """
        body = None if self.model is None else self._body(await request.json())
        answer = await self.call(**self._values(request, caller, body))
        if isinstance(answer, Response):
            return answer
        assert self.answer is not None
        content = self.answer.dump_json(self.answer.validate_python(answer), by_alias=True)
        return Response(content, self.status, media_type="application/json")

    def _body(self, value: Any) -> Any:
        assert self.model is not None
        try:
            return self.model.validate_python(value)
        except ValidationError as error:
            raise NotStraight from error

    def _values(self, request: Request, caller: Any, body: Any) -> dict[str, Any]:
        values: dict[str, Any] = {name: request.path_params[name] for name in self.path}
        for name, header in self.head.items():
            if (text := request.headers.get(header)) is not None:
                values[name] = text  # else the handler's own default
        if self.body is not None:
            values[self.body] = body
        if self.request is not None:
            values[self.request] = request
        if self.core is not None:
            values[self.core] = core_of(request)
        if self.caller is not None:
            values[self.caller] = caller
        return values


def _is_usual(route: APIRoute, model: TypeAdapter[Any] | None) -> bool:
    dependant = route.dependant
    return (
        not any(getattr(dependant, unusual, None) for unusual in UNUSUAL)
        and not any(getattr(route, shape, None) for shape in SHAPES)
        and isinstance(route.response_class, DefaultPlaceholder)
        and len(dependant.body_params) == (model is not None)
        and all(_is_text(field.field_info) for field in (*dependant.path_params, *dependant.header_params))
        and _has_an_answer(route)
    )


def _is_text(field: FieldInfo) -> bool:
    """Whether any text does, or none where it is of the head."""
    return field.annotation in TEXTS and not field.metadata and (field.default is None or field.is_required())


def _has_an_answer(route: APIRoute) -> bool:
    """Whether the route says what it answers with: a response, or what one is made of."""
    if route.response_model is not None:
        return True
    returned = get_type_hints(route.endpoint).get("return")
    return isinstance(returned, type) and issubclass(returned, Response)
