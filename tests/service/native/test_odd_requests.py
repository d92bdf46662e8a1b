"""Requests that no honest program sends: none is a 500, and none spoils the answers to the next."""

import itertools
import json
import logging
from typing import Any

import httpx
import pytest

from .conftest import PROMPT

NAMES = [
    "",
    "%00",
    "-1",
    "1e999",
    "9" * 30,
    "..",
    "%2e%2e%2f",
    "%ed%a0%80",
    "%ff",
    "%5c",
    "a%20%5boutput%5d",
    "a" * 999,
]
QUERIES = [
    "/history?max_items=%s",
    "/history?max_items=2&offset=%s",
    "/api/jobs?limit=%s",
    "/api/jobs?offset=%s",
    "/api/jobs?status=%s",
    "/api/jobs?sort_by=%s",
    "/api/jobs?workflow_id=%s",
    "/view?filename=%s",
    "/view?filename=a.png&type=%s",
    "/view?filename=a.png&subfolder=%s",
    "/view?filename=a.png&preview=%s",
    "/history/%s",
    "/api/jobs/%s",
    "/object_info/%s",
    "/models/%s",
    "/k/%s/queue",
    "/api/v2/jobs/%s",
    "/api/v2/assets?name=%s",
    "/v1/models/%s",
]
VALUES = [
    *("null", "true", "-1", "1.5", "1e400", "NaN", "Infinity", "9" * 400, '"inf"', '"\\u0000"', '"\\ud800"'),
    *("[]", "[[]]", "[null]", '["\\u0000"]', "{}", '{"a": NaN}'),
]
BODIES = {
    "/prompt": [
        "prompt",
        "prompt_id",
        "number",
        "front",
        "extra_data",
        "client_id",
        "partial_execution_targets",
    ],
    "/queue": ["clear", "delete"],
    "/history": ["clear", "delete"],
    "/interrupt": ["prompt_id", "client_id"],
    "/free": ["unload_models"],
    "/api/jobs/cancel": ["job_ids"],
}


def bodies(path: str) -> list[bytes]:
    """A body for each key and odd value, and the odd values as bodies; of a prompt the rest is good."""
    good = {"prompt": json.dumps(PROMPT)} if path == "/prompt" else {}
    objects = [good | {key: value} for key, value in itertools.product(BODIES[path], VALUES)]
    written = ["{" + ", ".join(f'"{key}": {value}' for key, value in one.items()) + "}" for one in objects]
    return [body.encode() for body in [*written, *VALUES, "", "{"]]


@pytest.mark.parametrize("path", BODIES)
async def test_no_body_is_a_500(
    client: httpx.AsyncClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = {body: (await client.post(path, content=body)).status_code for body in bodies(path)}

    assert {body: status for body, status in statuses.items() if status >= 500} == {}
    assert tracebacks(caplog) == []
    for listing in ("/queue", "/history", "/api/jobs", "/api/v2/jobs"):
        assert (await client.get(listing)).status_code in (200, 403)


async def test_no_original_of_a_mask_is_a_500(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    said = [
        {name: word} for name in ("filename", "subfolder", "type") for word in ("a\0", "\ud800", {"a": "\0"})
    ]
    statuses = [
        (
            await client.post(
                "/upload/mask",
                data={"original_ref": json.dumps({"filename": "a.png"} | one)},
                files={"image": ("m.png", b"x", "image/png")},
            )
        ).status_code
        for one in said
    ]

    assert statuses == [400] * len(said)
    assert tracebacks(caplog) == []


@pytest.mark.parametrize("address", QUERIES)
async def test_no_address_is_a_500(
    client: httpx.AsyncClient, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = {name: (await client.get(address % name)).status_code for name in NAMES}

    assert {name: status for name, status in statuses.items() if status >= 500} == {}
    assert statuses["%00"] in (400, 401)  # of a key in the path
    assert tracebacks(caplog) == []


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
