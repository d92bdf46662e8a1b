"""Who may do what with registered workflows, and who sees the figures."""

import json
from typing import Any

import httpx
import pytest
from tests.service.flows.conftest import DRAW
from tests.service.serving import application, asking, serving

from comfywire.service.core import open_core
from comfywire.service.settings import Settings


@pytest.fixture
async def asked(database_url, tmp_path):
    """Ask as the owner of a key with some scopes, or of none, and return the answer."""
    settings = Settings(data=tmp_path, database_url=database_url, keys_required=True)
    async with open_core(settings) as core, serving(application(core)) as url:

        async def asked(scopes: list[str], method: str, path: str, body: object = None) -> httpx.Response:
            headers = {}
            if scopes:
                _, secret = await core.access.create("key", scopes)
                headers["Authorization"] = f"Bearer {secret}"
            async with asking(base_url=url, trust_env=False, headers=headers) as client:
                return await client.request(method, path, json=body)

        yield asked


@pytest.fixture
def ask(asked):
    """Ask as before, and return the status."""

    async def ask(*about: Any) -> int:
        return (await asked(*about)).status_code

    return ask


ROUTES = [
    ("GET", "/api/v2/workflows", "read", None),
    ("GET", "/api/v2/workflows/draw", "read", None),
    ("GET", "/api/v2/workflows/draw/versions", "read", None),
    ("POST", "/api/v2/workflows/draw/jobs", "submit", {}),
    ("PUT", "/api/v2/workflows/draw", "admin", {"workflow": DRAW}),
    ("DELETE", "/api/v2/workflows/draw", "admin", None),
    ("GET", "/metrics", "admin", None),
]


@pytest.mark.parametrize(("method", "path", "scope", "body"), ROUTES, ids=lambda part: str(part)[:40])
async def test_a_route_asks_for_its_scope(ask, method, path, scope, body):
    await ask(["admin"], "PUT", "/api/v2/workflows/draw", {"workflow": DRAW})
    others = [other for other in ("read", "submit") if other != scope]

    assert await ask(others, method, path, body) == 403
    assert await ask([scope], method, path, body) in (200, 201, 204)


async def test_a_workflow_may_be_run_by_keys_that_did_not_register_it(ask):
    await ask(["admin"], "PUT", "/api/v2/workflows/draw", {"workflow": DRAW})

    assert await ask(["submit"], "POST", "/api/v2/workflows/draw/jobs", {}) == 201


@pytest.mark.parametrize(
    ("scopes", "is_shown"), [(["read"], True), (["admin"], True), (["submit"], False), ([], False)]
)
async def test_the_document_shows_workflows_to_those_who_may_list_them(asked, scopes, is_shown):
    await asked(["admin"], "PUT", "/api/v2/workflows/draw-x7", {"workflow": DRAW})

    document = (await asked(scopes, "GET", "/api/v2/openapi.json")).json()

    assert ("/api/v2/workflows/draw-x7/jobs" in document["paths"]) is is_shown
    assert ("draw-x7" in json.dumps(document)) is is_shown
    assert "/api/v2/workflows/{name}/jobs" in document["paths"]
