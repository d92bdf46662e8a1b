"""Keys and webhooks over HTTP, on a real socket. Errors of ours become statuses in the whole application."""

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from tests.service.receiver import receiver
from tests.service.serving import asking, serving
from tests.service.webhooks.test_delivery import ended

from comfywire.errors import ComfywireError
from comfywire.service.access.callers import LOCAL, Forbidden, Unauthorized
from comfywire.service.access.keys import Access, KeyNotFound
from comfywire.service.access.limits import RateLimits
from comfywire.service.api import keys, webhooks
from comfywire.service.database.pool import Database
from comfywire.service.jobs.store import Store
from comfywire.service.sealing import Sealer
from comfywire.service.settings import Settings
from comfywire.service.webhooks.delivery import Webhooks
from comfywire.service.webhooks.messages import InvalidWebhookUrl
from comfywire.service.webhooks.records import NoDelivery

STATUSES = {Unauthorized: 401, Forbidden: 403, KeyNotFound: 404, NoDelivery: 404, InvalidWebhookUrl: 422}


async def answer(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"message": str(error)}, STATUSES[type(error)])


async def refuse(_: Request, error: Exception) -> JSONResponse:
    """Without what was sent, as FastAPI's own would have it: that may be what no JSON can say."""
    return JSONResponse({"message": type(error).__name__}, 422)


@pytest.fixture
def core(database: Database, tmp_path: Path) -> Any:
    settings = Settings(data=tmp_path, allow_private_urls=True)
    return SimpleNamespace(
        settings=settings,
        access=Access(database),
        limits=RateLimits(database),
        webhooks=Webhooks(database, settings, Sealer("the secret of these tests")),
    )


@pytest.fixture
async def url(core: Any) -> AsyncIterator[str]:
    app = FastAPI()
    app.state.core = core
    app.include_router(keys.router)
    app.include_router(webhooks.router)
    app.add_exception_handler(ComfywireError, answer)
    app.add_exception_handler(RequestValidationError, refuse)
    async with serving(app) as own:
        yield own + "/api/v2"


async def client(core: Any, url: str, *scopes: str) -> httpx.AsyncClient:
    """A client with a key of its own."""
    _, secret = await core.access.create("a test", scopes)
    return asking(base_url=url, headers={"authorization": f"Bearer {secret}"})


@pytest.fixture
async def admin(core: Any, url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with await client(core, url, "admin") as own:
        yield own


@pytest.fixture
async def user(core: Any, url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with await client(core, url, "submit", "read") as own:
        yield own


async def test_a_made_key_opens(admin: httpx.AsyncClient, url: str) -> None:
    made = await admin.post("/keys", json={"name": "shop", "scopes": ["submit"], "max_queued": 5})

    assert made.status_code == 201
    key = made.json()
    assert (key["name"], key["scopes"], key["max_queued"]) == ("shop", ["submit"], 5)
    used = await admin.get("/webhooks/secret", headers={"authorization": f"Bearer {key['secret']}"})
    assert used.status_code == 200


async def test_no_listing_shows_a_secret(admin: httpx.AsyncClient) -> None:
    secret = (await admin.post("/keys", json={"name": "shop"})).json()["secret"]

    listed = await admin.get("/keys")

    key = listed.json()["keys"][-1]
    one = await admin.get(f"/keys/{key['id']}")
    assert one.json() == key
    assert key["prefix"] == secret[:8]
    assert secret[8:] not in listed.text
    assert "hash" not in listed.text


async def test_a_rotated_key_opens_with_the_new_secret(admin: httpx.AsyncClient, url: str) -> None:
    key = (await admin.post("/keys", json={"name": "shop"})).json()

    rotated = (await admin.post(f"/keys/{key['id']}/rotate")).json()

    statuses = [
        (await admin.get("/webhooks/secret", headers={"authorization": f"Bearer {secret}"})).status_code
        for secret in (key["secret"], rotated["secret"])
    ]
    assert statuses == [401, 200]


async def test_a_revoked_key_opens_nothing(admin: httpx.AsyncClient) -> None:
    key = (await admin.post("/keys", json={"name": "shop"})).json()
    headers = {"authorization": f"Bearer {key['secret']}"}
    assert (await admin.get("/webhooks/secret", headers=headers)).status_code == 200

    revoked = await admin.delete(f"/keys/{key['id']}")

    assert revoked.json()["revoked_at"] is not None
    assert (await admin.get("/webhooks/secret", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "a\x00b"},
        {"name": "a\nb"},
        {"name": "\ud800"},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["all"]},
        {"name": "x", "expires_in": 0},
        {"name": "x", "expires_in": 1e300},
        {"name": "x", "max_queued": 0},
        {"name": "x", "rate_per_minute": 10**10},
        {"name": "x", "secret": "mine"},
        {"name": "x", "webhook_url": "ftp://x"},
    ],
)
async def test_what_makes_no_key_is_refused(admin: httpx.AsyncClient, body: dict[str, Any]) -> None:
    sent = await admin.post("/keys", content=json.dumps(body), headers={"content-type": "application/json"})

    assert sent.status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/keys"),
        ("GET", "/keys"),
        ("GET", f"/keys/{LOCAL}"),
        ("POST", f"/keys/{LOCAL}/rotate"),
        ("DELETE", f"/keys/{LOCAL}"),
        ("PATCH", f"/keys/{LOCAL}"),
    ],
)
async def test_keys_are_for_admins_alone(user: httpx.AsyncClient, url: str, method: str, path: str) -> None:
    body = {"name": "x"} if method == "POST" and path == "/keys" else None

    assert (await user.request(method, path, json=body)).status_code == 403
    async with asking(base_url=url) as nobody:
        assert (await nobody.request(method, path, json=body)).status_code == 401


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/rotate"), ("DELETE", "")])
async def test_a_key_that_is_not_there_is_not_found(admin: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await admin.request(method, f"/keys/{uuid.uuid4()}{path}")).status_code == 404


async def test_a_keys_own_webhook_address_is_set_and_removed(admin: httpx.AsyncClient) -> None:
    hook, other = "https://example.com/hook", "https://example.com/other"
    key = (await admin.post("/keys", json={"name": "shop", "webhook_url": hook})).json()
    assert (key["webhook_url"], key["webhook_disabled_at"]) == (hook, None)

    for url in (other, None):
        changed = await admin.patch(f"/keys/{key['id']}", json={"webhook_url": url})
        assert (changed.status_code, changed.json()["webhook_url"]) == (200, url)
    refused = [
        await admin.patch(f"/keys/{key['id']}", json={"webhook_url": "ftp://x"}),
        await admin.patch(f"/keys/{key['id']}", json={}),
        await admin.patch(f"/keys/{uuid.uuid4()}", json={"webhook_url": hook}),
    ]
    assert [answer.status_code for answer in refused] == [422, 422, 404]


async def test_a_key_lists_its_own_addresses_that_fail(
    core: Any, user: httpx.AsyncClient, url: str, store: Store
) -> None:
    (mine,) = [key for key in await core.access.list() if key.name == "a test"]
    async with receiver(answers=[500]) as receiving:
        await ended(store, mine.id, receiving.url + "?token=x")
        await core.webhooks.deliver_due()

        (found,) = (await user.get("/webhooks/addresses")).json()["addresses"]
        assert (found["address"], found["disabled_at"]) == (receiving.url, None)
        async with await client(core, url, "read") as other:
            assert (await other.get("/webhooks/addresses")).json() == {"addresses": []}


async def test_a_webhook_secret_is_the_keys_own_and_stays(
    user: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    one, again = await user.get("/webhooks/secret"), await user.get("/webhooks/secret")

    assert one.json() == again.json()
    assert one.json()["secret"].startswith("whsec_")
    assert (await admin.get("/webhooks/secret")).json() != one.json()


async def test_a_webhook_secret_is_changed_on_demand(user: httpx.AsyncClient) -> None:
    old = (await user.get("/webhooks/secret")).json()

    new = (await user.post("/webhooks/secret/rotate", json={"grace": 60})).json()

    assert new != old
    assert (await user.get("/webhooks/secret")).json() == new


async def test_a_key_for_reading_alone_sees_no_webhook_secret(core: Any, url: str) -> None:
    async with await client(core, url, "read") as reader:
        assert (await reader.get("/webhooks/secret")).status_code == 403
        assert (await reader.post("/webhooks/secret/rotate")).status_code == 403


async def test_a_jobs_deliveries_are_listed_and_sent_again(
    user: httpx.AsyncClient, core: Any, store: Store
) -> None:
    key_id = (await core.access.list())[-1].id
    async with receiver(answers=[410, 200]) as receiving:
        job = await ended(store, key_id, receiving.url)
        await core.webhooks.deliver_due()
        path = f"/jobs/{job.id}/deliveries"
        (gone,) = (await user.get(path)).json()["deliveries"]
        assert (gone["type"], gone["state"], gone["log"][0]["status"]) == ("job.succeeded", "given_up", 410)

        again = await user.post(f"{path}/{gone['id']}/redeliver")

        assert (again.status_code, again.json()["state"]) == (202, "waiting")
        await core.webhooks.deliver_due()
        (delivered,) = (await user.get(path)).json()["deliveries"]
    assert delivered["state"] == "delivered"
    assert [attempt["number"] for attempt in delivered["log"]] == [1, 2]


async def test_another_keys_deliveries_are_not_found(
    user: httpx.AsyncClient, admin: httpx.AsyncClient, core: Any, store: Store
) -> None:
    mine = next(key for key in await core.access.list() if "admin" in key.scopes)
    job = await ended(store, mine.id, "http://127.0.0.1:9/")
    path = f"/jobs/{job.id}/deliveries"
    (delivery,) = (await admin.get(path)).json()["deliveries"]

    assert (await user.get(path)).status_code == 404
    assert (await user.post(f"{path}/{delivery['id']}/redeliver")).status_code == 404
