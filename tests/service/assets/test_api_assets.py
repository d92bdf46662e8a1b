"""The routes of assets over real sockets, with keys."""

import asyncio
import contextlib
import json
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from blake3 import blake3
from tests.service.serving import asking

from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Blobs
from comfywire.service.database.pool import Database
from comfywire.service.jobs.store import Store

from .conftest import client_of, job, noise, pieces

CONTENT = noise(100_000)
HASH = f"blake3:{blake3(CONTENT).hexdigest()}"
PNG: dict[str, Any] = {"content_type": "image/png", "file_path": "a/photo.png"}


async def upload(
    client: httpx.AsyncClient, content: bytes = CONTENT, name: str = "photo.png", **fields: Any
) -> httpx.Response:
    return await client.post("/api/v2/assets", data=fields, files={"file": (name, content)})


async def uploaded(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await upload(client, **(PNG | fields))
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def incoming(blobs: Blobs) -> list[Path]:
    return list(Path(blobs._root, "incoming").glob("*"))


def form(*parts: tuple[str, bytes], boundary: str = "limit") -> bytes:
    """A form as it is on the wire: parts of headers and body."""
    said = [f"--{boundary}\r\n{head}\r\n\r\n".encode() + body + b"\r\n" for head, body in parts]
    return b"".join(said) + f"--{boundary}--\r\n".encode()


async def post_form(
    client: httpx.AsyncClient, content: Any, kind: str = "multipart/form-data; boundary=limit"
) -> httpx.Response:
    return await client.post("/api/v2/assets", content=content, headers={"Content-Type": kind})


FIELD = 'Content-Disposition: form-data; name="{}"'.format
FILE = 'Content-Disposition: form-data; name="file"; filename="{}"'.format


async def test_an_upload_answers_with_the_asset(client: httpx.AsyncClient) -> None:
    answer = await upload(client, **PNG, expected_hash=HASH, expires_in="7200", tags=["x", "y"])
    asset = answer.json()

    assert answer.status_code == 201
    assert asset["hash"] == HASH
    assert asset["size_bytes"] == 100_000
    assert (asset["content_type"], asset["file_path"]) == ("image/png", "a/photo.png")
    assert (asset["tags"], asset["created_new"], asset["job_id"]) == (["x", "y"], True, None)
    assert asset["created_at"] < asset["url_expires_at"] <= asset["expires_at"]


async def test_the_same_bytes_again_answer_200_and_not_new(client: httpx.AsyncClient) -> None:
    first = await uploaded(client)
    answer = await upload(client, **PNG)

    assert (answer.status_code, answer.json()["created_new"]) == (200, False)
    assert answer.json()["id"] != first["id"]


async def upload_once(
    client: httpx.AsyncClient, key: str, content: bytes = CONTENT, **fields: Any
) -> httpx.Response:
    """An upload under an Idempotency-Key, as comfy-sdk sends it."""
    files = {"file": ("photo.png", content)}
    return await client.post(
        "/api/v2/assets", data=PNG | fields, files=files, headers={"Idempotency-Key": key}
    )


async def test_an_upload_once_more_under_its_idempotency_key_is_the_same_asset(
    client: httpx.AsyncClient,
) -> None:
    first = await upload_once(client, "one", expected_hash=HASH)
    again = await upload_once(client, "one")

    stable = {name: value for name, value in first.json().items() if not name.startswith("url")}
    assert (first.status_code, again.status_code) == (201, 201)
    assert stable.items() <= again.json().items()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


async def test_an_upload_once_more_has_a_url_that_is_good_from_now(
    client: httpx.AsyncClient, database: Database
) -> None:
    await upload_once(client, "one")
    old = """'{"url": "x", "url_expires_at": "2020-01-01T00:00:00Z"}'"""
    await database.do(f"UPDATE idempotency SET response = response || {old}")

    again = await upload_once(client, "one")

    assert (await client.get(again.json()["url"])).content == CONTENT
    assert again.json()["url_expires_at"] > "2026"


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        pytest.param(CONTENT[1:], {}, id="other-bytes"),
        pytest.param(CONTENT, {"file_path": "b/photo.png"}, id="another-path"),
        pytest.param(CONTENT, {"content_type": "image/webp"}, id="another-type"),
        pytest.param(CONTENT, {"tags": ["x"]}, id="tags"),
        pytest.param(CONTENT, {"expires_in": "60"}, id="another-time"),
    ],
)
async def test_an_idempotency_key_of_another_upload_is_refused(
    client: httpx.AsyncClient, content: bytes, fields: dict[str, Any]
) -> None:
    await upload_once(client, "one")

    assert code_of(await upload_once(client, "one", content, **fields)) == (422, "idempotency_key_reuse")


async def test_uploads_at_the_same_time_under_one_idempotency_key_make_one_asset(
    client: httpx.AsyncClient,
) -> None:
    answers = await asyncio.gather(*(upload_once(client, "one") for _ in range(5)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_an_upload_that_was_refused_leaves_its_idempotency_key_free(client: httpx.AsyncClient) -> None:
    wrong = await upload_once(client, "one", expected_hash="blake3:" + "0" * 64)
    right = await upload_once(client, "one", expected_hash=HASH)

    assert (wrong.status_code, right.status_code) == (409, 201)


async def test_an_idempotency_key_that_is_none_is_refused(client: httpx.AsyncClient) -> None:
    assert code_of(await upload_once(client, "x" * 256)) == (422, "invalid_request")


async def test_the_file_may_come_before_the_fields(client: httpx.AsyncClient) -> None:
    body = form(
        (FIELD("tags"), b"x"),
        (FILE("own.bin") + "\r\nContent-Type: text/plain", CONTENT),
        (FIELD("tags"), b"y"),
        (FIELD("unknown"), b"is ignored"),
        (FIELD("content_type"), b"image/png"),
        (FIELD("file_path"), b"b.png"),
        (FIELD("expected_hash"), HASH.encode()),
    )

    asset = (await post_form(client, body)).json()

    assert (asset["tags"], asset["content_type"], asset["file_path"]) == (["x", "y"], "image/png", "b.png")
    assert asset["hash"] == HASH


async def test_the_file_speaks_for_itself_where_no_field_does(client: httpx.AsyncClient) -> None:
    body = form((FILE("C:\\pictures\\ü.png") + "\r\nContent-Type: image/png", CONTENT))

    asset = (await post_form(client, body)).json()

    assert (asset["file_path"], asset["content_type"]) == ("ü.png", "image/png")


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_form_in_small_pieces_is_the_same(client: httpx.AsyncClient, size: int) -> None:
    content = b"\r\n--limi" * 50 + b"\r\n--\r\n"
    body = form((FIELD("content_type"), b"image/png"), (FILE("a"), content), (FIELD("tags"), b"x"))

    asset = (await post_form(client, pieces(body, size))).json()

    assert asset["hash"] == f"blake3:{blake3(content).hexdigest()}"
    assert (asset["content_type"], asset["tags"]) == ("image/png", ["x"])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(form((FIELD("tags"), b"x")), None, id="no-file"),
        pytest.param(form((FILE("a"), b"1"), (FILE("b"), b"2")), None, id="two-files"),
        pytest.param(form((FILE("a"), b"1"))[:-5], None, id="cut-off-at-the-end"),
        pytest.param(form((FILE("a"), b"1" * 100))[:120], None, id="cut-off-in-the-file"),
        pytest.param(
            form((FILE("a"), b"1"))[: -len("--\r\n")] + b"\r\nContent-Dis", None, id="cut-off-in-a-header"
        ),
        pytest.param(b"", None, id="empty"),
        pytest.param(b"what", None, id="no-form"),
        pytest.param(form(("X-Head: none", b"1")), None, id="a-part-without-a-name"),
        pytest.param(b"--limit\r\n" + b"A: b\r\n" * 100_000, None, id="headers-without-end"),
        pytest.param(b"--limit\r\nA: " + b"b" * 1_000_000, None, id="a-header-without-end"),
        pytest.param(b"{}", "application/json", id="json"),
        pytest.param(form((FILE("a"), b"1")), "multipart/form-data", id="no-boundary"),
        pytest.param(
            form((FILE("a"), b"1")), "multipart/form-data; boundary=" + "x" * 999, id="long-boundary"
        ),
        pytest.param(form((FIELD("tags"), b"\xff"), (FILE("a"), b"1")), None, id="not-utf-8"),
        pytest.param(form((FIELD("tags"), b"x" * 70_000), (FILE("a"), b"1")), None, id="a-huge-field"),
        pytest.param(form(*[(FIELD("tags"), b"x")] * 101, (FILE("a"), b"1")), None, id="very-many-fields"),
        pytest.param(form((FILE("a"), b"1"), (FIELD("expires_in"), b"59")), None, id="expires-too-soon"),
        pytest.param(form((FILE("a"), b"1"), (FIELD("expires_in"), b"604801")), None, id="expires-too-late"),
        pytest.param(form((FILE("a"), b"1"), (FIELD("expires_in"), b"soon")), None, id="expires-in-words"),
        pytest.param(form((FILE("a"), b"1"), (FIELD("content_type"), b"x")), None, id="no-content-type"),
        pytest.param(form((FILE("a"), b"1"), (FIELD("file_path"), b"../a")), None, id="a-path-upwards"),
    ],
)
async def test_a_wrong_form_is_refused_and_leaves_nothing(
    client: httpx.AsyncClient, blobs: Blobs, body: bytes, kind: str | None
) -> None:
    answer = await post_form(client, body, kind or "multipart/form-data; boundary=limit")

    assert code_of(answer) == (422, "invalid_request")
    assert incoming(blobs) == []


async def test_another_hash_than_expected_is_a_conflict(client: httpx.AsyncClient, blobs: Blobs) -> None:
    answer = await upload(client, expected_hash="blake3:" + "0" * 64)

    assert code_of(answer) == (409, "hash_mismatch")
    assert incoming(blobs) == []


async def test_an_upload_that_says_it_is_too_large_is_refused_before_it_is_sent(
    client: httpx.AsyncClient, service: SimpleNamespace
) -> None:
    reader, writer = await opened(service, client, length=90_000_000)

    answer = await reader.readuntil(b"\r\n")
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413 ")


async def opened(
    service: SimpleNamespace, client: httpx.AsyncClient, length: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which the head of an upload was sent."""
    host, _, port = service.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /api/v2/assets HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['authorization']}\r\n"
        f"Content-Type: multipart/form-data; boundary=limit\r\nContent-Length: {length}\r\n\r\n".encode()
    )
    return reader, writer


async def test_an_upload_that_turns_out_too_large_is_refused(
    client: httpx.AsyncClient, service: SimpleNamespace, blobs: Blobs
) -> None:
    service.app.state.core.settings = SimpleNamespace(max_upload_bytes=99_999, base_url=None)

    answer = await post_form(client, pieces(form((FILE("a"), CONTENT))))

    assert code_of(answer) == (413, "payload_too_large")
    assert incoming(blobs) == []


async def test_fields_without_end_are_refused(client: httpx.AsyncClient, service: SimpleNamespace) -> None:
    service.app.state.core.settings = SimpleNamespace(max_upload_bytes=1000, base_url=None)
    skipped = [(FIELD("tags"), b"x" * 60_000)] * 20

    answer = await post_form(client, pieces(form(*skipped, (FILE("a"), b"1"))))

    assert code_of(answer) == (413, "payload_too_large")


async def test_a_client_that_goes_away_leaves_nothing(
    service: SimpleNamespace, client: httpx.AsyncClient, blobs: Blobs
) -> None:
    _, writer = await opened(service, client, length=3_000_000)
    writer.write(form((FILE("a"), noise(3_000_000)))[:2_500_000])
    await until(lambda: incoming(blobs) != [])

    writer.close()

    await until(lambda: incoming(blobs) == [])


async def until(is_so: Any) -> None:
    while not is_so():  # noqa: ASYNC110 - files tell nobody
        await asyncio.sleep(0.005)


async def test_a_hash_that_one_has_is_an_asset_without_sending_it(client: httpx.AsyncClient) -> None:
    first = await uploaded(client)
    there = await client.head(f"/api/v2/assets/by-hash/{HASH}")
    minted = await client.post("/api/v2/assets/from-hash", json={"hash": HASH, "file_path": "b.png"})
    again = await client.post("/api/v2/assets/from-hash", json={"hash": HASH, "file_path": "b.png"})

    assert there.status_code == 200
    assert (minted.status_code, minted.json()["created_new"]) == (201, False)
    assert minted.json()["id"] != first["id"]
    assert (again.status_code, again.json()["id"]) == (200, minted.json()["id"])


async def test_a_hash_that_another_has_is_unknown(
    client: httpx.AsyncClient, service: SimpleNamespace
) -> None:
    await uploaded(client)

    async with client_of(service, "other", ["submit", "read"]) as other:
        assert (await other.head(f"/api/v2/assets/by-hash/{HASH}")).status_code == 404
        answer = await other.post("/api/v2/assets/from-hash", json={"hash": HASH})

    assert code_of(answer) == (404, "blob_not_found")


@pytest.mark.parametrize("seconds", [59, 604_801])
async def test_from_hash_holds_to_the_same_bounds(client: httpx.AsyncClient, seconds: int) -> None:
    answer = await client.post("/api/v2/assets/from-hash", json={"hash": HASH, "expires_in": seconds})

    assert answer.status_code == 422


async def test_an_asset_is_told_about_with_a_url_that_needs_no_key(
    client: httpx.AsyncClient, service: SimpleNamespace
) -> None:
    created = await uploaded(client)
    found = (await client.get(f"/api/v2/assets/{created['id']}")).json()

    async with asking() as stranger:
        content = await stranger.get(found["url"])
        head = await stranger.head(found["url"])
        forged = await stranger.get(found["url"][:-1] + ("A" if found["url"][-1] != "A" else "B"))
        other = await stranger.get(found["url"].replace(created["id"], str(uuid4())))

    assert found["url"].startswith(f"{service.url}/api/v2/signed/{created['id']}?")
    assert content.content == CONTENT
    assert (head.status_code, head.content) == (200, b"")
    assert [answer.status_code for answer in (forged, other)] == [403, 403]
    assert "created_new" not in found


ROUTES = [
    ("GET", "/api/v2/assets/{}"),
    ("GET", "/api/v2/assets/{}/content"),
    ("HEAD", "/api/v2/assets/{}/content"),
    ("DELETE", "/api/v2/assets/{}"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_another_keys_asset_is_as_unknown_as_none(
    client: httpx.AsyncClient, service: SimpleNamespace, method: str, path: str
) -> None:
    mine = (await uploaded(client))["id"]

    async with client_of(service, "other", ["submit", "read"]) as other:
        answers = [
            await other.request(method, path.format(name)) for name in (mine, uuid4(), "no-id", "%00", "é")
        ]

    assert {answer.status_code for answer in answers} == {404}
    assert (await client.get(f"/api/v2/assets/{mine}")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [*ROUTES, ("POST", "/api/v2/assets"), ("HEAD", "/api/v2/assets/by-hash/{}")]
)
async def test_without_a_key_nothing_is_said(
    client: httpx.AsyncClient, service: SimpleNamespace, method: str, path: str
) -> None:
    mine = (await uploaded(client))["id"]

    async with asking(base_url=service.url) as stranger:
        assert (await stranger.request(method, path.format(mine))).status_code == 401


@pytest.mark.parametrize(
    ("scope", "refused"),
    [("read", {"POST", "DELETE"}), ("submit", {"GET", "HEAD"})],
)
async def test_a_key_does_what_it_is_for(service: SimpleNamespace, scope: str, refused: set[str]) -> None:
    async with client_of(service, "one", [scope]) as client:
        answers = {
            (method, path): (await client.request(method, path.format(uuid4()))).status_code
            for method, path in [*ROUTES, ("POST", "/api/v2/assets"), ("HEAD", "/api/v2/assets/by-hash/{}")]
        }

    assert {method for (method, _), status in answers.items() if status in (401, 403)} == refused


async def test_a_deleted_asset_is_gone(client: httpx.AsyncClient) -> None:
    path = f"/api/v2/assets/{(await uploaded(client))['id']}"

    first, second = await client.delete(path), await client.delete(path)

    assert (first.status_code, first.content) == (204, b"")
    assert code_of(second) == (404, "not_found")


async def test_an_asset_in_use_cannot_be_deleted(
    client: httpx.AsyncClient, assets: Assets, store: Store
) -> None:
    created = await uploaded(client)
    key_id = (await assets.get(created["id"])).key_id  # type: ignore[union-attr]
    await store.submit(job(key_id, inputs=[created["id"]]))

    assert code_of(await client.delete(f"/api/v2/assets/{created['id']}")) == (409, "asset_in_use")


async def content(client: httpx.AsyncClient, asset: dict[str, Any], **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.get(f"/api/v2/assets/{asset['id']}/content", headers=named)


async def test_content_is_whole_and_says_what_it_is(client: httpx.AsyncClient) -> None:
    answer = await content(client, await uploaded(client))

    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-length"] == "100000"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["etag"] == f'"{HASH.removeprefix("blake3:")}"'


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=99990-", 99_990, 99_999), ("bytes=-5", 99_995, 99_999)],
)
async def test_a_range_is_answered_in_part(
    client: httpx.AsyncClient, wanted: str, first: int, last: int
) -> None:
    answer = await content(client, await uploaded(client), range=wanted)

    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/100000"
    assert answer.headers["content-length"] == str(last - first + 1)


async def test_a_range_behind_the_end_is_not_satisfiable(client: httpx.AsyncClient) -> None:
    answer = await content(client, await uploaded(client), range="bytes=100000-")

    assert code_of(answer) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == "bytes */100000"


async def test_a_download_is_resumed_only_with_the_same_content(client: httpx.AsyncClient) -> None:
    asset = await uploaded(client)
    etag = f'"{HASH.removeprefix("blake3:")}"'

    same = await content(client, asset, range="bytes=5-", if_range=etag)
    other = await content(client, asset, range="bytes=5-", if_range='"other"')

    assert (same.status_code, same.content) == (206, CONTENT[5:])
    assert (other.status_code, other.content) == (200, CONTENT)


@pytest.mark.parametrize("names", ['"{}"', 'W/"{}"', '"x", "{}"', "*"])
async def test_content_that_the_client_has_is_not_sent_again(client: httpx.AsyncClient, names: str) -> None:
    asset = await uploaded(client)

    answer = await content(client, asset, if_none_match=names.format(HASH.removeprefix("blake3:")))

    assert (answer.status_code, answer.content) == (304, b"")


async def test_other_content_is_sent(client: httpx.AsyncClient) -> None:
    answer = await content(client, await uploaded(client), if_none_match='"other"')

    assert answer.content == CONTENT


@pytest.mark.parametrize("wanted", [None, "bytes=0-9"])
async def test_a_head_says_what_a_get_would(client: httpx.AsyncClient, wanted: str | None) -> None:
    path = f"/api/v2/assets/{(await uploaded(client))['id']}/content"
    headers = {} if wanted is None else {"Range": wanted}

    got = await client.get(path, headers=headers)
    head = await client.head(path, headers=headers)

    assert (head.status_code, head.content) == (got.status_code, b"")
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        ("a/b.png", "image/png", "inline; filename=\"b.png\"; filename*=UTF-8''b.png"),
        ("b.svg", "image/svg+xml", "attachment; filename=\"b.svg\"; filename*=UTF-8''b.svg"),
        ("b.html", "text/html", "attachment; filename=\"b.html\"; filename*=UTF-8''b.html"),
        (
            'q"; x="y.png',
            "image/png",
            "inline; filename=\"q__ x__y.png\"; filename*=UTF-8''q%22%3B%20x%3D%22y.png",
        ),
        (
            "\u00fc \u20ac.png",
            "image/png",
            "inline; filename=\"_ _.png\"; filename*=UTF-8''%C3%BC%20%E2%82%AC.png",
        ),
        ("a\\b.wav", "audio/wav", "inline; filename=\"b.wav\"; filename*=UTF-8''b.wav"),
    ],
)
async def test_content_is_named_safely(
    client: httpx.AsyncClient, path: str, kind: str, expected: str
) -> None:
    asset = await uploaded(client, file_path=path, content_type=kind)

    answer = await content(client, asset)

    assert answer.headers["content-disposition"] == expected
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_bytes_that_the_store_lost_are_not_found(client: httpx.AsyncClient, assets: Assets) -> None:
    asset = await uploaded(client)
    await assets.blobs.delete(HASH.removeprefix("blake3:"))

    assert code_of(await content(client, asset)) == (404, "not_found")


async def test_a_download_that_is_broken_off_closes_its_file(client: httpx.AsyncClient, blobs: Blobs) -> None:
    asset = (await post_form(client, form((FILE("large"), noise(20_000_000))))).json()

    async with client.stream("GET", f"/api/v2/assets/{asset['id']}/content") as answer:
        await anext(answer.aiter_raw())
        assert open_files(blobs) != []

    await until(lambda: open_files(blobs) == [])


def open_files(blobs: Blobs) -> list[Path]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(link.readlink())
    return [path for path in found if path.is_relative_to(blobs._root)]


async def test_a_large_file_passes_both_ways_without_being_whole_in_memory(
    client: httpx.AsyncClient,
) -> None:
    size = 64 << 20
    piece = noise(1 << 16)

    async def body() -> AsyncIterator[bytes]:
        begin, end = form((FILE("large"), b"|")).split(b"|")
        yield begin
        for _ in range(size // len(piece)):
            yield piece
        yield end

    tracemalloc.start()
    try:
        asset = (await post_form(client, body())).json()
        read = 0
        async with client.stream("GET", f"/api/v2/assets/{asset['id']}/content") as answer:
            async for chunk in answer.aiter_raw():
                read += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (asset["size_bytes"], read) == (size, size)
    assert peak < 12 << 20


async def test_the_document_says_how_to_upload(service: SimpleNamespace) -> None:
    operation = service.app.openapi()["paths"]["/api/v2/assets"]["post"]
    schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]

    assert set(schema["properties"]) == {
        "file",
        "content_type",
        "file_path",
        "expected_hash",
        "tags",
        "expires_in",
    }
    assert json.dumps(service.app.openapi())


@pytest.mark.parametrize(
    "path", ["models/checkpoints/a.safetensors", "./models/a.png", "Models\\a", "models/a"]
)
async def test_an_asset_that_would_be_a_model_is_refused_in_words(
    client: httpx.AsyncClient, path: str
) -> None:
    uploading = await client.post("/api/v2/assets", files={"file": ("a", b"1")}, data={"file_path": path})
    known = await uploaded(client)
    naming = await client.post("/api/v2/assets/from-hash", json={"hash": known["hash"], "file_path": path})

    for answer in (uploading, naming):
        assert answer.status_code == 422
        assert "put models into the ComfyUI" in answer.json()["error"]["message"]


async def test_a_file_called_models_is_no_model(client: httpx.AsyncClient) -> None:
    assert (await uploaded(client, file_path="a/models/b.png"))["file_path"] == "a/models/b.png"
