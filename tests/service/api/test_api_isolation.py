"""Two keys cannot see each other: tried on every route that the service has."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import websockets
from tests.service.serving import asking

from .conftest import PROMPT, Service, submitted

PUBLIC = {
    "/healthz": "says only that the process lives",
    "/api/v2/health": "says only that the process lives",
    "/readyz": "says only that the database and the asset store answer",
    "/metrics": "guarded by its own setting, if there is one",
    "/api/v2/signed/{asset_id}": "the signature is the key",
    "/api/v2/session": "there a caller becomes one with a key, and sees nothing but its name",
    "/api/v2/shared/{token}": "the token is the key",
    "/api/v2/shared/{token}/outputs.zip": "the token is the key",
}
LOOKING = {("POST", "/api/v2/workflows/inspect"): "it says what is in a file, and keeps nothing"}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/v2/jobs"): {"workflow": PROMPT},
    ("POST", "/api/v2/batches"): {"workflow": PROMPT, "inputs": [{}]},
    ("POST", "/api/v2/assets/from-hash"): {"hash": "blake3:" + "0" * 64},
    ("POST", "/api/v2/keys"): {"name": "x"},
    ("PATCH", "/api/v2/keys/{key_id}"): {"webhook_url": None},
    ("POST", "/api/v2/webhooks/redeliver"): {"since": "2026-01-01T00:00:00Z"},
    ("PUT", "/api/v2/workflows/{name}"): {"workflow": PROMPT},
    ("POST", "/api/v2/servers/{action}"): {"url": "http://x"},
    ("PATCH", "/api/v2/jobs/{job_id}"): {"metadata": {}},
    ("POST", "/api/v2/queue/front"): {"key_id": "0" * 32, "priority": 0},
    ("POST", "/api/v2/servers"): {"url": "http://127.0.0.1:1"},
}
ADMINS = (
    "/api/v2/keys",
    "/api/v2/servers/{action}",
    "/api/v2/queue/{action}",
    "/api/v2/queue/waiting",
    "/api/v2/queue/front",
)
VALUES = {
    "action": "pause",
    "hash": "blake3:" + "0" * 64,
    "name": "x",
    "delivery_id": "0" * 32,
    "model": "x",
    "key_id": "0" * 32,
    "preset": "x",
    "provider": "local",
    "request_id": "0" * 32,
    "video_id": "0" * 32,
}


@dataclass(frozen=True)
class Route:
    """One thing that can be asked for."""

    method: str
    path: str

    async def ask(self, client: httpx.AsyncClient, **ids: str) -> httpx.Response:
        body = BODIES.get((self.method, self.path), {} if self.method in ("POST", "PUT") else None)
        ids = {"job_id": "x", "asset_id": "x", "batch_id": "x", **ids}
        path = self.path.format(**{**VALUES, **ids, "video_id": ids["job_id"], "request_id": ids["job_id"]})
        return await client.request(self.method, path, json=body)


def routes(service: Service) -> list[Route]:
    return [
        Route(method.upper(), path)
        for path, operations in service.app.openapi()["paths"].items()
        for method in operations
        if path not in PUBLIC
    ]


@pytest.fixture
async def owned(client: httpx.AsyncClient) -> dict[str, str]:
    """The ids of everything that somebody has."""
    asset = await client.post("/api/v2/assets", files={"file": ("secret-name.png", b"bytes")})
    job = await submitted(client, metadata={"secret": "label"}, webhook_url="https://example.com")
    batch = await client.post("/api/v2/batches", json={"workflow": PROMPT, "inputs": [{}]})
    return {"job_id": job["id"], "asset_id": asset.json()["id"], "batch_id": batch.json()["id"]}


def test_the_routes_are_all_known(service: Service):
    known = {route.path for route in routes(service)}

    assert {"/api/v2/jobs/{job_id}/events", "/api/v2/assets/{asset_id}/content", "/api/v2/queue"} <= known
    assert len(known) >= 20


async def test_no_route_answers_without_a_key(service: Service, owned: dict[str, str]):
    async with asking(base_url=service.url) as stranger:
        answers = {route: (await route.ask(stranger, **owned)).status_code for route in routes(service)}

    assert {route for route, status in answers.items() if status != 401} == set()


async def test_no_route_shows_or_changes_what_another_key_has(
    service: Service, client: httpx.AsyncClient, owned: dict[str, str]
):
    own = ("{job_id}", "{asset_id}", "{batch_id}", "{video_id}", "{request_id}")
    theirs = [route for route in routes(service) if any(name in route.path for name in own)]

    async with service.client("submit", "read", "admin", name="another") as other:
        answers = {route: (await route.ask(other, **owned)).status_code for route in theirs}

    assert len(theirs) >= 10
    assert {route for route, status in answers.items() if status != 404} == set()
    job = (await client.get(f"/api/v2/jobs/{owned['job_id']}")).json()
    assert job["status"] == "queued"
    assert (await client.get(f"/api/v2/assets/{owned['asset_id']}")).status_code == 200


async def test_no_list_names_what_another_key_has(service: Service, owned: dict[str, str]):
    lists = [route for route in routes(service) if route.method == "GET" and "{" not in route.path]

    async with service.client("submit", "read", "admin", name="another") as other:
        text = "".join([(await route.ask(other)).text for route in lists])

    assert len(lists) >= 4
    assert [word for word in (*owned.values(), "secret-name", "label") if word in text] == []


async def test_a_key_for_submitting_administers_nothing(service: Service, client: httpx.AsyncClient):
    theirs = [route for route in routes(service) if route.path.startswith(ADMINS)]

    answers = {route: (await route.ask(client)).status_code for route in theirs}

    assert len(theirs) >= 5
    assert {route for route, status in answers.items() if status != 403} == set()


async def test_a_key_for_reading_changes_nothing(service: Service, owned: dict[str, str]):
    async with service.client("read", name="reader") as reader:
        changing = [
            route
            for route in routes(service)
            if route.method not in ("GET", "HEAD") and (route.method, route.path) not in LOOKING
        ]

        answers = {route: (await route.ask(reader, **owned)).status_code for route in changing}

    assert {route for route, status in answers.items() if status != 403} == set()


async def test_a_key_for_submitting_alone_reads_nothing(service: Service, owned: dict[str, str]):
    async with service.client("submit", name="submitter") as submitter:
        reading = [route for route in routes(service) if route.method in ("GET", "HEAD")]

        answers = {route: (await route.ask(submitter, **owned)).status_code for route in reading}

    allowed = {route for route, status in answers.items() if status != 403}
    assert {route.path for route in allowed} <= {"/api/v2/webhooks/secret"}


async def test_a_key_for_comfyuis_own_api_opens_none_of_these(service: Service, owned: dict[str, str]):
    async with service.client("native", name="native") as native:
        answers = {route: (await route.ask(native, **owned)).status_code for route in routes(service)}

    assert {route for route, status in answers.items() if status != 403} == set()


async def test_the_web_socket_of_another_keys_job_is_not_found(service: Service, owned: dict[str, str]):
    _, secret = await service.core.access.create("another", ["read"])
    address = f"{service.url.replace('http', 'ws', 1)}/api/v2/jobs/{owned['job_id']}/ws"

    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(address, additional_headers={"Authorization": f"Bearer {secret}"})

    assert refused.value.response.status_code == 404
