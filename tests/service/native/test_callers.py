"""Keys, as programs for ComfyUI can send them, or cannot."""

import base64
import logging
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import websockets
from starlette.requests import HTTPConnection
from tests.service.native.conftest import Service, submitted
from tests.service.relay.streams import stream
from tests.service.serving import asking

from comfywire.service.access.callers import Caller
from comfywire.service.native.callers import KEY_ID, PREFIX_KEY, caller_of


@pytest.fixture
async def bare(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a key."""
    async with asking(base_url=service.url, timeout=60) as client:
        yield client


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


async def test_without_a_key_nothing_is_told(bare: httpx.AsyncClient) -> None:
    for path in ("/prompt", "/queue", "/history", "/object_info", "/api/system_stats"):
        answer = await bare.get(path)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "unauthorized")


async def test_a_key_comes_in_any_of_these_ways(service: Service, bare: httpx.AsyncClient) -> None:
    key = await service.key()

    answers = [
        await bare.get("/queue", headers={"Authorization": f"Bearer {key}"}),
        await bare.get("/queue", headers=basic("me", key)),
        await bare.get("/queue", headers=basic(key, "")),
        await bare.get("/queue", params={"token": key}),
        await bare.get(f"/k/{key}/queue"),
        await bare.get(f"/k/{key}/api/queue"),
        await bare.get(f"/k/{key}/editor/api/queue"),
    ]

    assert [answer.status_code for answer in answers] == [200] * len(answers)


async def test_an_empty_bearer_is_no_key(service: Service, bare: httpx.AsyncClient) -> None:
    """Open WebUI sends one."""
    key = await service.key()

    assert (await bare.get(f"/k/{key}/queue", headers={"Authorization": "Bearer"})).status_code == 200
    assert (await bare.get("/queue", headers={"Authorization": "Bearer"})).status_code == 401


@pytest.mark.parametrize("scopes", [("submit", "read"), ("admin",), ("native", "read")])
async def test_a_key_for_more_than_this_face_is_refused_in_a_path(
    service: Service, bare: httpx.AsyncClient, scopes: tuple[str, ...]
) -> None:
    answer = await bare.get(f"/k/{await service.key(*scopes)}/queue")

    assert answer.status_code == 403
    assert "--scope native" in answer.json()["error"]["message"]


async def test_a_token_in_the_query_does_no_more_than_this_face_lets_anybody_do(
    service: Service, bare: httpx.AsyncClient
) -> None:
    key = await service.key("admin")

    assert (await bare.post("/free", params={"token": key}, json={})).status_code == 403
    assert (await bare.get("/api/v2/jobs", params={"token": key})).status_code == 401


async def test_a_key_in_a_path_opens_nothing_of_our_own_api(
    service: Service, bare: httpx.AsyncClient
) -> None:
    assert (await bare.get(f"/k/{await service.key()}/api/v2/jobs")).status_code == 401


async def test_a_key_in_a_path_is_in_no_log_and_no_answer(
    service: Service, bare: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "comfywire")
    caplog.set_level(logging.DEBUG, "uvicorn")
    key = await service.key()

    for path in ("nothing-here", "prompt", "history?max_items=x", "api/v2/jobs", ""):
        answer = await bare.get(f"/k/{key}/{path}")
        assert key not in answer.text + str(answer.headers)

    assert key not in caplog.text


async def test_a_revoked_key_opens_nothing_in_a_path(service: Service, bare: httpx.AsyncClient) -> None:
    record, key = await service.core.access.create("gone", ("native",))
    assert (await bare.get(f"/k/{key}/queue")).status_code == 200

    await service.core.access.revoke(record.id)

    assert (await bare.get(f"/k/{key}/queue")).status_code == 401


async def test_a_reader_may_look_and_not_submit(service: Service) -> None:
    async with service.client("read") as reader:
        assert (await reader.get("/queue")).status_code == 200
        assert (await reader.post("/prompt", json={"prompt": {}})).status_code == 403


async def test_where_no_keys_are_required_none_is_needed(service_with: Any) -> None:
    async with service_with(keys_required=False) as service, asking(base_url=service.url) as client:
        assert (await client.get("/queue")).status_code == 200
        assert (await client.get("/k/anything/queue")).status_code == 200
        assert await submitted(client)


async def signed_in(service: Service, client: httpx.AsyncClient, *scopes: str) -> httpx.Response:
    answer = await client.post("/api/v2/session", json={"key": await service.key(*scopes)})
    assert answer.status_code == 200, answer.text
    return answer


async def test_signing_in_sets_a_cookie_for_page_and_editor(
    service: Service, bare: httpx.AsyncClient
) -> None:
    answer = await signed_in(service, bare, "submit", "read")

    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("comfywire_session=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    assert (await bare.get("/api/v2/jobs")).status_code == 200
    assert (await bare.get("/queue")).status_code == 200
    assert (await bare.get("/api/v2/session")).json()["scopes"] == ["read", "submit"]


async def test_the_cookie_is_for_https_alone_where_the_service_is(service_with: Any) -> None:
    async with (
        service_with(base_url="https://gpu.example") as service,
        asking(base_url=service.url) as client,
    ):
        assert "secure" in (await signed_in(service, client)).headers["set-cookie"].lower()


async def test_a_cookie_changes_something_only_from_a_page_of_ours(
    service: Service, bare: httpx.AsyncClient
) -> None:
    await signed_in(service, bare, "submit", "read")
    own = {"Origin": service.url}

    assert (await bare.post("/queue", json={"clear": True})).status_code == 401
    assert (await bare.post("/queue", json={"clear": True}, headers=own)).status_code == 200
    assert (await bare.post("/api/v2/jobs", json={})).status_code == 401
    foreign = await bare.post("/queue", json={"clear": True}, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403


@pytest.mark.parametrize(
    ("origin", "by_cookie", "by_prefix"),
    [("own", 101, 101), (None, 401, 101), ("https://evil.example", 403, 403)],
)
async def test_a_socket_by_cookie_or_prefix_is_for_pages_of_ours_and_a_prefix_for_programs(
    service: Service, bare: httpx.AsyncClient, origin: str | None, by_cookie: int, by_prefix: int
) -> None:
    await signed_in(service, bare, "submit", "read")
    cookie = {"Cookie": f"comfywire_session={bare.cookies['comfywire_session']}"}
    said = service.url if origin == "own" else origin

    assert await status_of_socket(service, "/ws", said, cookie) == by_cookie
    assert await status_of_socket(service, f"/k/{await service.key('native')}/ws", said, {}) == by_prefix


async def status_of_socket(
    service: Service, path: str, origin: str | None, headers: Mapping[str, str]
) -> int:
    try:
        async with stream(service.url, "me", path=path, origin=origin, additional_headers=headers):
            return 101
    except websockets.InvalidStatus as refused:
        return refused.response.status_code


async def test_signing_out_ends_the_session_and_not_the_key(
    service: Service, bare: httpx.AsyncClient
) -> None:
    await signed_in(service, bare)
    token = bare.cookies["comfywire_session"]

    assert (await bare.delete("/api/v2/session")).status_code == 204

    assert "comfywire_session" not in bare.cookies
    bare.cookies.set("comfywire_session", token)
    assert (await bare.get("/queue")).status_code == 401


async def test_a_session_ends_with_its_key(service: Service, bare: httpx.AsyncClient) -> None:
    record, key = await service.core.access.create("gone", ("native",))
    await bare.post("/api/v2/session", json={"key": key})
    assert (await bare.get("/queue")).status_code == 200

    await service.core.access.revoke(record.id)

    assert (await bare.get("/queue")).status_code == 401


async def test_the_database_has_no_cookie_that_opens(service: Service, bare: httpx.AsyncClient) -> None:
    await signed_in(service, bare)
    kept = await service.core.database.one("SELECT hash FROM sessions")

    assert kept is not None
    assert bare.cookies["comfywire_session"].encode() not in bytes(kept["hash"])


async def test_a_wrong_key_signs_nobody_in(bare: httpx.AsyncClient) -> None:
    answer = await bare.post("/api/v2/session", json={"key": "cw_wrong"})

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


NEEDS_NO_KEY = re.compile(r"/healthz|/readyz|/api/v2/(health|session|signed/.*|shared/.*)")


async def test_a_key_for_this_face_opens_nothing_of_the_others(
    service: Service, bare: httpx.AsyncClient
) -> None:
    headers = {"Authorization": f"Bearer {await service.key('native')}"}
    paths = service.app.openapi()["paths"]
    asked = [(method, path) for path, methods in paths.items() for method in methods]
    closed = [(method, path) for method, path in asked if not NEEDS_NO_KEY.fullmatch(path)]
    statuses = {}
    for method, path in closed:
        address = re.sub(r"\{[^}]+\}", str(uuid.uuid4()), path)
        answer = await bare.request(method, address, headers=headers, json={})
        statuses[f"{method} {path}"] = answer.status_code

    headers["Accept"] = "application/json, text/event-stream"
    asks = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    statuses["post /mcp"] = (await bare.post("/mcp", headers=headers, json=asks)).status_code

    assert len(statuses) > 50
    assert {name: status for name, status in statuses.items() if status != 403} == {}


@pytest.mark.parametrize("way", ["token", "path", "one key's address"])
async def test_whoever_is_narrowed_to_this_face_keeps_everything_else_of_the_key(
    service: Service, way: str
) -> None:
    limits = {"rate_per_minute": 5000, "run_timeout": 77.0, "webhook_url": "https://hooks.example/all"}
    record, key = await service.core.access.create("told", ("native",), **limits)  # type: ignore[arg-type]
    scope: dict[str, Any] = {"type": "http", "app": service.app, "headers": [], "query_string": b""}
    if way == "token":
        scope["query_string"] = f"token={key}".encode()
    elif way == "path":
        scope[PREFIX_KEY] = key
    else:
        scope[KEY_ID] = record.id
    caller = await caller_of(HTTPConnection(scope))

    assert caller == Caller(record.id, "told", frozenset({"native"}), **limits)  # type: ignore[arg-type]
