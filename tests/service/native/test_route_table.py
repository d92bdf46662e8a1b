"""Routes that are found by their whole path: the same answers, sooner."""

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route, Router
from tests.service.serving import asking, serving

from comfywire.service.native.route_table import RouteTable


def route(path: str, name: str, *methods: str) -> Route:
    async def answer(request: Request) -> Response:
        return PlainTextResponse(f"{name} {dict(request.path_params)}")

    return Route(path, answer, methods=methods or ("GET",), name=name)


ROUTES = [route("/a", "read"), route("/a", "write", "POST"), route("/a/{x}", "one"), route("/b", "other")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/a"),
        ("HEAD", "/a"),
        ("POST", "/a"),
        ("PUT", "/a"),
        ("GET", "/a/1"),
        ("GET", "/b"),
        ("GET", "/c"),
    ],
)
async def test_answers_are_those_of_the_routes_themselves(method, path):
    async with (
        serving(Router(ROUTES)) as url,
        serving(Router([RouteTable(ROUTES), *ROUTES])) as other,
        asking() as http,
    ):
        plain, found = [await http.request(method, base + path) for base in (url, other)]

    assert (found.status_code, found.text) == (plain.status_code, plain.text)


def test_a_whole_path_is_found_in_the_table():
    scope = {"type": "http", "method": "GET", "path": "/b", "root_path": ""}

    match, found = RouteTable(ROUTES).matches(scope)

    assert (match, found["comfywire.route"]) == (Match.FULL, ROUTES[3])


def test_a_table_makes_no_addresses():
    router = Router([RouteTable(ROUTES), *ROUTES])

    assert router.url_path_for("one", x="1") == "/a/1"
