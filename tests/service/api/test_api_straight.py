"""The shortest way to a handler answers as FastAPI does, and the routes that every job costs go that way."""

from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Header, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, TypeAdapter

from comfywire.service.api import jobs
from comfywire.service.api.admission import KeyFirstRoute, key_first_router
from comfywire.service.api.routing.straight import Straight


class Asked(BaseModel):
    number: int
    words: str = "none"


class Told(BaseModel):
    number: int
    at: str = Field(alias="from")
    share: float = 0.5


async def told(request: Request, place: str, asked: Asked, last_word: Annotated[str | None, Header()] = None):
    if asked.number < 0:
        return Response("no", 418)
    return Told.model_validate(
        {"number": asked.number, "from": f"{place} {asked.words} {last_word} {request.method}"}
    )


async def bare(place: str) -> Told:
    return Told.model_validate({"number": 1, "share": float("nan"), "from": place})


async def lacking(place: str) -> dict[str, Any]:
    return {"place": place}


def app_of(router: APIRouter) -> FastAPI:
    router.add_api_route("/told/{place}", told, methods=["POST"], status_code=201, response_model=Told)
    router.add_api_route("/bare/{place}", bare, methods=["GET"])
    router.add_api_route("/lacking/{place}", lacking, methods=["GET"], response_model=Told)
    app = FastAPI()
    app.include_router(router)
    return app


REQUESTS: dict[str, dict[str, Any]] = {
    "right": {"method": "POST", "url": "/told/here", "json": {"number": 3, "words": "a \u2603"}},
    "with a header": {
        "method": "POST",
        "url": "/told/here",
        "json": {"number": 3},
        "headers": {"Last-Word": "x"},
    },
    "a response": {"method": "POST", "url": "/told/here", "json": {"number": -1}},
    "a number as text": {"method": "POST", "url": "/told/a%20b", "json": {"number": "12"}},
    "a wrong field": {"method": "POST", "url": "/told/here", "json": {"number": "many"}},
    "a missing field": {"method": "POST", "url": "/told/here", "json": {}},
    "a list": {"method": "POST", "url": "/told/here", "json": [1]},
    "no body": {"method": "POST", "url": "/told/here"},
    "another type": {
        "method": "POST",
        "url": "/told/here",
        "content": b'{"number": 3}',
        "headers": {"Content-Type": "text/plain"},
    },
    "without a body": {"method": "GET", "url": "/bare/%E2%98%83"},
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_is_answered_as_fastapi_answers_it(name: str) -> None:
    answers = []
    for router in (key_first_router(tag="ours"), APIRouter(tags=["ours"])):
        transport = httpx.ASGITransport(app=app_of(router))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.request(**REQUESTS[name])
        answers.append((answer.status_code, answer.headers.get("content-type"), answer.content))

    assert answers[0] == answers[1]


async def test_an_answer_that_is_not_what_the_route_promises_is_not_sent() -> None:
    transport = httpx.ASGITransport(app=app_of(key_first_router(tag="ours")), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/lacking/here")

    assert answer.status_code == 500


async def counted(place: int) -> Told:
    return await bare(str(place))


async def chosen(place: str, of: Annotated[str, Query()] = "") -> Told:
    return await bare(place + of)


async def short(place: Annotated[str, Path(max_length=3)]) -> Told:
    return await bare(place)


async def untold(place: str):
    return await bare(place)


@pytest.mark.parametrize("handler", [counted, chosen, short, untold])
def test_a_handler_that_asks_for_more_is_left_to_fastapi(handler: Any) -> None:
    assert Straight.of(KeyFirstRoute("/{place}", handler, methods=["GET"]), None) is None


@pytest.mark.parametrize("name", ["postJobs", "getJob", "cancelJob"])
def test_what_every_job_costs_goes_straight(name: str) -> None:
    (route,) = [
        route for route in jobs.router.routes if isinstance(route, APIRoute) and route.operation_id == name
    ]
    kind: Any = None if route.body_field is None else route.body_field.field_info.annotation
    model = None if kind is None else TypeAdapter[Any](kind)

    assert Straight.of(route, model) is not None
