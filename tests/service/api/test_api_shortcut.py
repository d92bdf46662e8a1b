"""Routes that are found without their routers answer as they do with them, and links name the right host."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.requests import HTTPConnection

from comfywire.service.api.context import _origin
from comfywire.service.api.routing.shortcut import Shortcut


def app_of(*, has_shortcut: bool) -> FastAPI:
    router = APIRouter(prefix="/things")

    @router.post("", status_code=201)
    async def make(request: Request) -> dict[str, Any]:
        return {"made": await request.json()}

    @router.get("/{name}")
    async def look(name: str, request: Request) -> dict[str, Any]:
        return {
            "name": name,
            "route": request.scope["route"].path,
            "of": str(request.url_for("look", name="x")),
        }

    @router.get("/{name}/parts")
    async def parts(name: str, most: int = 3) -> dict[str, Any]:
        return {"name": name, "most": most}

    app = FastAPI()
    app.include_router(router)
    if has_shortcut:
        app.router.routes.insert(0, Shortcut(router.prefix, router.routes))
    return app


REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "without a parameter": ("POST", "/things", {"json": {"a": 1}}),
    "with one": ("GET", "/things/a%20b", {}),
    "with a query": ("GET", "/things/a/parts?most=5", {}),
    "with a query that is wrong": ("GET", "/things/a/parts?most=many", {}),
    "with a method that none has": ("DELETE", "/things/a", {}),
    "with a slash too many": ("GET", "/things/a/", {}),
    "with no route": ("GET", "/things/a/b/c", {}),
    "of another prefix": ("GET", "/thingsome", {}),
    "of another one": ("GET", "/others", {}),
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("root_path", ["", "/below"])
async def test_a_shortcut_answers_as_the_routers_do(name: str, root_path: str) -> None:
    method, url, more = REQUESTS[name]
    answers = []
    for has_shortcut in (True, False):
        transport = httpx.ASGITransport(app=app_of(has_shortcut=has_shortcut), root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.request(method, url, **more)
        answers.append((answer.status_code, dict(answer.headers), answer.content))

    assert answers[0] == answers[1]


def test_a_shortcut_describes_nothing_twice() -> None:
    assert app_of(has_shortcut=True).openapi() == app_of(has_shortcut=False).openapi()


@pytest.mark.parametrize("scheme", ["http", "https", "ws"])
@pytest.mark.parametrize("host", [None, "gpu.example", "gpu.example:8190", "[::1]:8190", "no host:x"])
@pytest.mark.parametrize("server", [("10.0.0.7", 8190), ("::1", 80), ()])
@pytest.mark.parametrize("root_path", ["", "/below"])
def test_links_name_the_host_as_starlette_does(
    scheme: str, host: str | None, server: Any, root_path: str
) -> None:
    headers = [] if host is None else [(b"host", host.encode())]
    scope = {
        "type": "http",
        "scheme": scheme,
        "server": server or None,
        "headers": headers,
        "root_path": root_path,
        "path": f"{root_path}/api/v2/jobs",
        "query_string": b"limit=3",
    }

    assert _origin(scheme, host, server, root_path) == str(HTTPConnection(scope).base_url)
