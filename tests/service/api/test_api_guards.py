import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.service.serving import asking

from comfywire.cli.operate.serve import serve
from comfywire.service.assets.store_check import EVERY, StoreCheck

from .conftest import PROMPT, Service, closed, error_of

FOREIGN = {"Origin": "https://evil.example"}


async def test_what_is_not_there_is_told_in_the_envelope(client: httpx.AsyncClient):
    assert error_of(await client.get("/nowhere")) == (404, "not_found")


async def test_a_method_that_an_address_does_not_take_is_told_in_the_envelope(client: httpx.AsyncClient):
    answer = await client.put("/api/v2/jobs")

    assert error_of(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"]


async def test_a_missing_key_is_asked_for(service: Service):
    async with asking(base_url=service.url) as stranger:
        answer = await stranger.get("/api/v2/jobs")

    assert error_of(answer) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def with_input(value: bytes) -> bytes:
    return b'{"workflow": {"1": {"class_type": "A", "inputs": {"x": ' + value + b"}}}}"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"{", id="no-json"),
        pytest.param(b"[" * 100_000, id="nested-without-end"),
        pytest.param(b"\xff\xfe", id="no-utf-8"),
        pytest.param(with_input(b"NaN"), id="not-a-number"),
        pytest.param(with_input(b"1e999"), id="infinite"),
        pytest.param(with_input(b'"\\ud800"'), id="half-a-character"),
        pytest.param(with_input(b"9" * 5000), id="too-many-digits"),
        pytest.param(with_input(b"[" * 200 + b"]" * 200), id="deep"),
    ],
)
async def test_a_body_that_cannot_be_kept_is_refused(client: httpx.AsyncClient, content: bytes):
    answer = await client.post("/api/v2/jobs", content=content, headers={"content-type": "application/json"})

    assert (answer.status_code in (400, 422), answer.json()["error"]["code"]) == (True, "invalid_request")


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(service_with: Any):
    async with service_with(max_body_bytes=1000) as service, service.client() as client:
        answer = await client.post("/api/v2/jobs", content=b" " * 1001)

    assert error_of(answer) == (413, "payload_too_large")


async def test_a_body_that_does_not_say_how_large_it_is_is_counted(service_with: Any):
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 200

    async with service_with(max_body_bytes=1000) as service, service.client() as client:
        headers = {"content-type": "application/json"}
        answer = await client.post("/api/v2/jobs", content=endless(), headers=headers)

    assert error_of(answer) == (413, "payload_too_large")


async def test_an_upload_may_be_larger_than_other_bodies(service_with: Any):
    async with service_with(max_body_bytes=1000) as service, service.client() as client:
        answer = await client.post("/api/v2/assets", files={"file": ("a.png", b"x" * 5000)})

    assert answer.status_code == 201


async def test_a_page_of_another_site_cannot_change_anything(client: httpx.AsyncClient):
    answer = await client.post("/api/v2/jobs", json={"workflow": PROMPT}, headers=FOREIGN)

    assert error_of(answer) == (403, "forbidden")
    assert answer.json()["error"]["message"] == (
        "pages of 'https://evil.example' may not do it: `comfywire serve --cors-origin` allows them"
    )


async def test_a_page_of_our_own_site_may(service: Service, client: httpx.AsyncClient):
    answer = await client.post("/api/v2/jobs", json={"workflow": PROMPT}, headers={"Origin": service.url})

    assert answer.status_code == 201


async def test_no_page_may_read_answers_unless_it_is_named(client: httpx.AsyncClient):
    answer = await client.get("/api/v2/jobs", headers=FOREIGN)

    assert "access-control-allow-origin" not in answer.headers


async def test_a_page_that_is_named_may_read_and_submit(service_with: Any):
    async with service_with(cors_origins=("https://evil.example",)) as service, service.client() as client:
        asked = await client.options(
            "/api/v2/jobs",
            headers={
                **FOREIGN,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "x",
            },
        )
        answer = await client.post("/api/v2/jobs", json={"workflow": PROMPT}, headers=FOREIGN)

    assert (asked.status_code, answer.status_code) == (200, 201)
    assert answer.headers["access-control-allow-origin"] == "https://evil.example"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("localhost", 200, id="this-machine"),
        pytest.param("127.0.0.1:8190", 200, id="an-address"),
        pytest.param("[::1]:8190", 200, id="an-address-of-version-6"),
        pytest.param("evil.example:8190", 403, id="a-name-that-was-bent-to-us"),
    ],
)
async def test_without_keys_only_our_own_names_are_answered(service_with: Any, host: str, status: int):
    async with (
        service_with(keys_required=False) as service,
        asking(base_url=service.url) as client,
    ):
        answer = await client.get("/api/v2/jobs", headers={"Host": host})

    assert answer.status_code == status


JSON = "application/json"


@pytest.mark.parametrize("path", ["/api/v2/jobs", "/api/v2/servers/drain", "/api/v2/workflows/x/jobs"])
@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        pytest.param(
            "application/x-www-form-urlencoded",  # what curl -d says
            b'{"url": "http://x"}',
            "the body is not sent as JSON: add the header Content-Type: application/json",
            id="sent-as-a-form",
        ),
        pytest.param(
            JSON,
            b'{"url" "http://x"}',
            "the body is no JSON (Expecting ':' delimiter, at character 7): correct it",
            id="no-json",
        ),
        pytest.param(
            JSON, b"[1]", "the body is no JSON object: write it in braces", id="json-that-is-no-object"
        ),
        pytest.param(
            JSON,
            b"",
            "the request has no body: send a JSON object, as Content-Type: application/json",
            id="nothing",
        ),
    ],
)
async def test_what_is_wrong_with_a_whole_body_is_told_with_the_next_step(
    service: Service, path: str, kind: str, body: bytes, told: str
):
    async with service.client("admin") as client:
        answer = await client.post(path, content=body, headers={"Content-Type": kind})

    assert error_of(answer) == (422, "invalid_request")
    (error,) = answer.json()["error"]["details"]["errors"]
    assert (answer.json()["error"]["message"], error["message"], error["field"]) == (told, told, "body")


async def test_what_a_refusal_advises_lets_the_same_request_in(service_with: Any):
    host = {"Host": "comfy.lan"}
    async with (
        service_with(keys_required=False) as service,
        asking(base_url=service.url) as client,
    ):
        refused = (await client.get("/api/v2/jobs", headers=host)).json()["error"]["message"]
    async with (
        service_with(keys_required=False, base_url="http://comfy.lan") as service,
        asking(base_url=service.url) as client,
    ):
        named = await client.get("/api/v2/jobs", headers=host)
    async with service_with(keys_required=True) as service, service.client() as client:
        keyed = await client.get("/api/v2/jobs", headers=host)

    assert refused == (
        "without keys, this service answers to its own addresses only, not 'comfy.lan': "
        "`comfywire serve --base-url` gives it another, and with --keys it answers to any"
    )
    assert (named.status_code, keyed.status_code) == (200, 200)
    assert {"--base-url", "--keys", "--cors-origin"} <= {
        name for option in serve.params for name in option.opts
    }


async def test_every_answer_has_an_id_to_quote(client: httpx.AsyncClient):
    ids = {(await client.get(path)).headers["x-comfy-request-id"] for path in ("/healthz", "/nowhere")}

    assert len(ids) == 2


async def test_the_process_is_alive_and_ready(client: httpx.AsyncClient):
    paths = ("/healthz", "/readyz", "/api/v2/health")

    assert [(await client.get(path)).json() for path in paths] == [
        {"status": "ok"},
        {"status": "ready"},
        {"status": "healthy"},  # comfy-api-proxy's word
    ]


async def test_a_process_with_another_schema_is_not_ready(service: Service, client: httpx.AsyncClient):
    async with changed(
        service, "UPDATE versions SET name = 'x'||name", "UPDATE versions SET name = substr(name, 2)"
    ):
        answer = await client.get("/readyz")

    assert error_of(answer) == (503, "not_ready")
    assert "db upgrade" in answer.json()["error"]["message"]


async def test_a_process_without_its_asset_store_is_not_ready(service: Service, client: httpx.AsyncClient):
    folder = service.core.settings.data / "assets"
    time = SimpleNamespace(now=0.0)
    async with StoreCheck(service.core.assets.blobs, clock=lambda: time.now) as check:
        service.app.state.core = replace(service.core, store_check=check)
        ready = await client.get("/readyz")
        shutil.rmtree(folder)
        folder.touch()
        time.now += EVERY
        while (answer := await client.get("/readyz")).status_code == 200:
            pass

    assert ready.status_code == 200
    assert error_of(answer) == (503, "not_ready")
    assert "asset store" in answer.json()["error"]["message"]
    assert str(folder) not in answer.text, "no key is asked for"


async def test_a_database_that_is_away_is_told_as_something_that_passes(
    service: Service, client: httpx.AsyncClient, database_url: str
):
    await client.get("/api/v2/jobs")  # the key is known from here on
    async with closed(database_url):
        answers = [await client.get(path) for path in ("/api/v2/jobs", "/readyz", "/healthz")]

    assert error_of(answers[0]) == (503, "service_unavailable")
    assert int(answers[0].headers["retry-after"]) >= 1
    assert error_of(answers[1]) == (503, "not_ready")
    assert answers[2].status_code == 200


async def test_what_nobody_expected_is_told_without_details(service: Service, client: httpx.AsyncClient):
    rename = "ALTER TABLE jobs RENAME COLUMN {} TO {}"
    async with changed(service, rename.format("labels", "lost"), rename.format("lost", "labels")):
        answer = await client.get("/api/v2/jobs")

    assert error_of(answer) == (500, "upstream_error")
    assert "labels" not in answer.text


async def test_the_document_is_openapi_of_this_service(client: httpx.AsyncClient):
    document = (await client.get("/api/v2/openapi.json")).json()

    assert document["info"]["title"] == "Comfywire"
    assert {"postJobs", "getJob", "cancelJob", "getJobEvents", "getJobWorkflow"} <= {
        operation["operationId"] for path in document["paths"].values() for operation in path.values()
    }
    assert "Idempotency-Key".lower() in json.dumps(document).lower()


@contextlib.asynccontextmanager
async def changed(service: Service, change: str, back: str) -> AsyncIterator[None]:
    """A database that is not as it should be, for a while: other tests use it, too."""
    await service.core.database.do(change)
    try:
        yield
    finally:
        await service.core.database.do(back)


async def test_the_signed_urls_of_a_revoked_key_open_nothing_more(service: Service) -> None:
    async with service.client(name="leaving") as client:
        asset = (await client.post("/api/v2/assets", files={"file": ("a.png", b"bytes")})).json()
        async with asking() as stranger:
            assert (await stranger.get(asset["url"])).content == b"bytes"

        await service.core.access.revoke((await service.core.access.find("leaving")).id)

        async with asking() as stranger:
            assert (await stranger.get(asset["url"])).status_code in (401, 403, 410)
            assert (await stranger.head(asset["url"])).status_code in (401, 403, 410)
