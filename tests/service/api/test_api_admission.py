"""What is looked at before a body is: the key, and how much there is of it."""

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest

from comfywire.service.api.bodies.json_bodies import MOST_ELEMENTS, elements_in

from .conftest import Service, error_of
from .test_api_isolation import ADMINS, LOOKING, PUBLIC, VALUES

JSON = {"content-type": "application/json"}
TOO_MANY = MOST_ELEMENTS + 1


def with_bodies(service: Service) -> list[tuple[str, str]]:
    """Every route that takes a body from those who have a key."""
    paths = service.app.openapi()["paths"].items()
    return [
        (method.upper(), path.format(**{**VALUES, "job_id": "0" * 32, "batch_id": "0" * 32}))
        for path, operations in paths
        for method, operation in operations.items()
        if "requestBody" in operation and path not in PUBLIC
    ]  # fmt: skip


async def first_line(url: str, method: str, path: str, secret: str | None) -> str:
    """What is answered to a request whose body never comes."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    key = "" if secret is None else f"Authorization: Bearer {secret}\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n{key}"
    writer.write(f"{head}Content-Length: 1000000\r\n\r\n".encode() + b" " * 1000)
    try:
        async with asyncio.timeout(60):
            line = await reader.readline()
    finally:
        writer.close()
    return line.decode().split(" ", 2)[1]


async def test_on_every_route_a_stranger_is_refused_before_the_body_has_come(service: Service):
    """Also where none is expected: on downloads, on streams of events."""
    paths = service.app.openapi()["paths"].items()
    guarded = [
        (
            method.upper(),
            path.format(**{**VALUES, "job_id": "0" * 32, "batch_id": "0" * 32, "asset_id": "0" * 32}),
        )
        for path, operations in paths
        for method in operations
        if path not in PUBLIC
    ]

    answers = {route: await first_line(service.url, *route, None) for route in guarded}

    assert len(guarded) > 35
    assert {route for route, status in answers.items() if status != "401"} == set()


async def test_a_stranger_is_refused_before_the_body_has_come(service: Service):
    answers = {route: await first_line(service.url, *route, None) for route in with_bodies(service)}

    assert len(answers) >= 9
    assert {route for route, status in answers.items() if status != "401"} == set()


async def test_a_key_that_may_not_is_refused_before_the_body_has_come(service: Service):
    _, secret = await service.core.access.create("reader", ["read"])

    answers = {
        route: await first_line(service.url, *route, secret)
        for route in with_bodies(service)
        if route not in LOOKING
    }

    assert {route for route, status in answers.items() if status != "403"} == set()


async def test_the_operators_routes_refuse_others_before_the_body_has_come(
    service: Service,
):
    _, secret = await service.core.access.create("submitter", ["submit"])
    theirs = [
        route for route in with_bodies(service) if route[1].startswith(tuple(a.split("{")[0] for a in ADMINS))
    ]

    answers = {route: await first_line(service.url, *route, secret) for route in theirs}

    assert len(theirs) >= 3
    assert set(answers.values()) == {"403"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/v2/jobs"), ("PUT", "/api/v2/workflows/x"), ("POST", "/api/v2/assets/from-hash")],
)
@pytest.mark.parametrize("element", [b"[]", b"{}", b'"a"', b"0"])
async def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(
    service: Service, method: str, path: str, element: bytes
):
    content = b'{"workflow": [' + b",".join([element] * TOO_MANY) + b"]"  # no JSON: nobody came so far

    async with service.client("submit", "read", "admin") as client:
        answer = await client.request(method, path, content=content, headers=JSON)

    assert error_of(answer) == (413, "payload_too_large")
    assert str(MOST_ELEMENTS) in answer.json()["error"]["message"]


FACES = ["/prompt", "/api/queue", "/mcp", "/v1/images/generations", "/v1/images/edits", "/v1/videos"]
"""Where the other APIs in front of the service take JSON."""


@pytest.mark.parametrize("path", FACES)
async def test_other_apis_refuse_a_stranger_before_the_body_has_come(service: Service, path: str):
    assert await first_line(service.url, "POST", path, None) == "401"


@pytest.mark.parametrize("path", FACES)
async def test_other_apis_bound_a_body_before_they_parse_it(service: Service, path: str):
    many = b"[" + b",".join([b"0"] * TOO_MANY) + b"]"
    deep = b"[" * 1_000 + b"]" * 1_000
    async with service.client("submit", "read", "native") as client:
        answers = [await client.post(path, content=content, headers=JSON) for content in (many, deep)]

    assert answers[0].status_code == 413
    assert answers[1].status_code in (400, 422)
    assert "levels deep" in answers[1].text


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(",".join(f'"a{i}": 0' for i in range(5_000)), id="names-that-are-none-of-ours"),
        pytest.param('"metadata": {' + ",".join(f'"a{i}": 0' for i in range(5_000)) + "}", id="labels"),
        pytest.param('"targets": [' + ",".join(["0"] * 5_000) + "]", id="targets"),
        pytest.param('"tags": [' + ",".join(['""'] * 5_000) + "]", id="tags"),
    ],
)
async def test_of_a_body_that_is_wrong_in_thousands_of_places_their_number_is_said(
    client: httpx.AsyncClient, content: str
):
    answer = await client.post("/api/v2/jobs", content=f'{{"workflow": {{}}, {content}}}', headers=JSON)

    assert answer.status_code == 422
    assert len(answer.text) < 10_000
    assert answer.json()["error"]["message"]


async def test_of_a_body_that_is_wrong_in_many_places_the_first_twenty_are_said(client: httpx.AsyncClient):
    body = {"workflow": {}, **{f"a{number}": list(range(10)) for number in range(300)}}

    error = (await client.post("/api/v2/jobs", json=body)).json()["error"]

    assert [one["field"] for one in error["details"]["errors"]] == [f"body.a{number}" for number in range(20)]


@pytest.mark.parametrize("levels", [120, 500, 100_000])
@pytest.mark.parametrize("pair", ["[]", "{}"])
async def test_a_body_that_is_nested_too_deeply_is_refused(client: httpx.AsyncClient, pair: str, levels: int):
    opening = pair[0] if pair == "[]" else '{"a":'
    content = '{"x": ' + opening * levels + "1" + pair[1] * levels + "}"

    answer = await client.post("/api/v2/jobs", content=content, headers=JSON)

    assert error_of(answer) == (422, "invalid_request")
    assert "nested" in answer.json()["error"]["message"]


async def test_a_large_workflow_is_taken_as_ever(client: httpx.AsyncClient):
    nodes = {
        str(number): {"class_type": "A", "inputs": {"text": "a, b, [c], {d}" * 10, "x": [str(number + 1), 0]}}
        for number in range(1_000)
    }
    nodes["1000"] = {"class_type": "A", "inputs": {}}

    answer = await client.post("/api/v2/jobs", json={"workflow": nodes})

    assert answer.status_code == 201, answer.text
    assert (await client.get(answer.json()["urls"]["workflow"])).json()["workflow"] == nodes


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"{}", 2),
        (b"[1, 2, 3]", 4),
        (b'{"a": [1, {"b": 2}], "c": 3}', 6),
        (b'["a, b, [c], {d}"]', 2),
        (b'["\\", \\\\", ","]', 3),
        (b'["never, ever, closed, [', 2),
    ],
)
def test_values_are_counted_and_what_strings_hold_is_not(body: bytes, count: int):
    assert elements_in(body, count) == count


def test_long_strings_are_no_values():
    assert elements_in(b'["' + b"," * 1_000_000 + b'"]', 100) == 2


def test_the_counting_stops_at_the_bound():
    assert elements_in(b"[" + b"0," * 1_000_000, 100) == 101
