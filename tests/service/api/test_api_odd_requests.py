"""Requests that no honest client sends: each has a clear answer, and the connection stays of use."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.service.serving import asking

from comfywire.service.webhooks.messages import InvalidWebhookUrl, must_be_webhook_url

from .conftest import PROMPT, Service, error_of
from .test_api_isolation import VALUES

JSON = {"content-type": "application/json"}
HALF = "half \ud800 of a pair"
BAD_HOSTS = ["[::1", "[", "a:b", "a:999999", "user@a", 'a"b', "a b", "[::1]x", "[1::::2]", "<a>"]


async def statuses(service: Service, *heads: str) -> list[str]:
    """What is answered to raw requests on one connection, one after another."""
    address = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    found = []
    for head in heads:
        writer.write(head.encode())
        async with asyncio.timeout(60):
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = answer.partition("content-length: ")[2].partition("\r")[0]
            await reader.readexactly(int(length or 0))
        found.append(answer.split(" ", 2)[1])
    writer.close()
    return found


@pytest.mark.parametrize("keys_required", [True, False])
async def test_a_malformed_host_is_told_so_and_the_connection_stays_of_use(
    service_with: Any, keys_required: bool, caplog: pytest.LogCaptureFixture
):
    heads = [f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n" for host in (*BAD_HOSTS, "localhost")]

    async with service_with(keys_required=keys_required) as service:
        assert await statuses(service, *heads, *heads) == [*["400"] * len(BAD_HOSTS), "200"] * 2

    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("origin", ["http://[::1", "http://[", "null", "//", "", "http://a:b", "\u00e9"])
async def test_a_malformed_origin_is_a_foreign_one(service: Service, client: httpx.AsyncClient, origin: str):
    headers = {b"Origin": origin.encode("latin-1")}

    answer = await client.post("/api/v2/jobs", json={"workflow": PROMPT}, headers=headers)  # type: ignore[arg-type]

    assert error_of(answer) == (403, "forbidden")
    assert (await client.get("/api/v2/jobs")).status_code == 200


async def test_what_nobody_expected_is_a_500_and_the_connection_stays_of_use(
    service: Service, caplog: pytest.LogCaptureFixture
):
    async def broken() -> None:
        raise RuntimeError("nobody expected this")

    service.app.add_api_route("/broken", broken)
    bad, good = (f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in ("/broken", "/healthz"))

    assert await statuses(service, bad, good, bad, good) == ["500", "200", "500", "200"]
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert told == ["GET /broken failed"] * 2


def bodies_with_half_a_pair(service: Service) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A body for each property of each route's body that may be a text, and for names."""
    document = service.app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None:
                continue
            options = [content["schema"], *content["schema"].get("anyOf", [])]
            names = {one["$ref"].rsplit("/", 1)[-1] for one in options if "$ref" in one}
            place = method.upper(), path.format(**{**VALUES, "job_id": "0" * 32, "batch_id": "0" * 32})
            schemas = [document["components"]["schemas"][name] for name in names]  # none: any object
            for known in {name: 1 for schema in schemas for name in schema["properties"]} or {"prompt": 1}:
                for value in (HALF, [HALF], {HALF: 1}, {"a": HALF}, {"a": {"class_type": HALF}}):
                    yield *place, {"workflow": PROMPT, "hash": "a", "url": "a", known: value}
            yield *place, {HALF: 1}


async def test_half_a_surrogate_pair_is_refused_wherever_a_text_may_stand(service: Service):
    asked = list(bodies_with_half_a_pair(service))

    async with service.client("submit", "read", "admin") as client:
        answers = [
            (await client.request(method, path, content=json.dumps(body), headers=JSON), body)
            for method, path, body in asked
        ]

    assert len(asked) > 150
    assert [(answer.text, body) for answer, body in answers if not 400 <= answer.status_code < 500] == []
    told = [answer.json() for answer, _ in answers]  # the Comfy Router's API has "detail"
    assert all(one["detail"] if "detail" in one else one["error"]["message"] for one in told)


@pytest.mark.parametrize(
    "url", ["http://xn--/", "http://xn--a/", "http://a..b/", f"http://{'a' * 64}.example/", "http://.../"]
)
def test_a_webhook_to_a_host_that_cannot_be_is_refused_when_it_is_asked_for(url: str):
    with pytest.raises(InvalidWebhookUrl, match="no URL"):
        must_be_webhook_url(url)


@pytest.mark.parametrize(
    "url", ["http://a_b.example/", "https://b\u00fccher.example/x", "http://[::1]:8/", "http://a./"]
)
def test_a_webhook_to_a_host_of_any_honest_form_is_taken(url: str):
    must_be_webhook_url(url)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file system that is always full")
async def test_a_full_disk_is_told_as_such(service: Service):
    def write() -> None:  # in a thread, as FastAPI has it
        with Path("/dev/full").open("wb") as file:
            file.write(b"no room")

    service.app.add_api_route("/write", write)

    async with asking(base_url=service.url) as client:
        assert error_of(await client.get("/write")) == (507, "insufficient_storage")
