"""What stands before the routes refuses on ComfyUI's own paths in ComfyUI's shape, and elsewhere in ours."""

from typing import Any

import pytest
from tests.service.serving import asking

LARGE = b'{"prompt": "' + b"x" * 3000 + b'"}'


@pytest.fixture
def little(service_with: Any) -> Any:
    return service_with(max_body_bytes=2000)


REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("POST", "/prompt", {"content": LARGE}, 413, "payload_too_large"),
    ("GET", "/queue?a=%00", {}, 400, "invalid_request"),
    ("POST", "/interrupt", {"headers": {"Origin": "http://x.example"}}, 403, "forbidden"),
    ("GET", "/prompt", {"headers": {"Host": "a b"}}, 400, "invalid_request"),
    ("PUT", "/upload/image", {}, 405, "method_not_allowed"),
    ("GET", "/view/x/y", {}, 404, "not_found"),
    ("PUT", "/v2/userdata", {}, 405, "method_not_allowed"),
]
"""Requests, and how each is refused."""


@pytest.mark.parametrize("prefix", ["", "/api", "/k/KEY", "/editor/api"])
async def test_a_program_for_comfyui_is_refused_in_its_own_words(little: Any, prefix: str) -> None:
    async with little as service, asking(base_url=service.url) as client:
        before = prefix.replace("KEY", await service.key("native"))
        answers = [await client.request(method, before + path, **more) for method, path, more, *_ in REFUSED]

    told = [answer.json() for answer in answers]
    assert [
        (answer.status_code, one["error"]["type"]) for answer, one in zip(answers, told, strict=True)
    ] == [(status, code) for *_, status, code in REFUSED]
    assert all(one["error"]["message"] and one["node_errors"] == {} for one in told)
    assert all("x-comfy-request-id" in answer.headers for answer in answers)


async def test_our_own_api_keeps_its_envelope(little: Any) -> None:
    async with little as service, service.client("submit") as client:
        answers = [
            await client.post("/api/v2/jobs", content=LARGE),
            await client.get("/api/v2/servers?a=%00"),
            await client.get("/nowhere"),
        ]

    assert [answer.json()["error"]["code"] for answer in answers] == [
        "payload_too_large",
        "invalid_request",
        "not_found",
    ]


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_a_picture_for_krita_may_be_larger_than_a_workflow(little: Any, prefix: str) -> None:
    async with little as service, service.client() as client:
        put = await client.put(f"{prefix}/api/etn/image/mine.png", content=LARGE)
        got = await client.get("/api/etn/image/mine.png")

    assert (put.status_code, got.content) == (201, LARGE)
