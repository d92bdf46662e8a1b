"""/settings, /userdata and /internal on the service: each key has its own, within bounds.

tests/conformance/test_userdata.py holds the same routes to ComfyUI's rules.
"""

import asyncio
from typing import Any

import httpx
import pytest
from tests.service.native.conftest import Service

from comfywire.service.native.editor import kept


async def write(client: httpx.AsyncClient, name: str, content: bytes = b"x", **query: str) -> httpx.Response:
    return await client.post(f"/api/userdata/{name.replace('/', '%2F')}", content=content, params=query)


async def test_two_keys_keep_their_own_files_and_settings(
    service: Service, client: httpx.AsyncClient
) -> None:
    async with service.client(name="another") as other:
        for one, content in ((client, b"mine"), (other, b"theirs")):
            assert (await write(one, "workflows/a.json", content)).json() == "workflows/a.json"
            assert (await one.post("/settings/Comfy.Color", json=content.decode())).status_code == 200
        await write(client, "workflows/b.json")

        assert (await client.get("/userdata/workflows%2Fa.json")).content == b"mine"
        assert (await other.get("/userdata/workflows%2Fa.json")).content == b"theirs"
        assert (await other.get("/userdata/workflows%2Fb.json")).status_code == 404
        assert (await other.delete("/userdata/workflows%2Fb.json")).status_code == 404
        assert (await other.get("/userdata?dir=workflows")).json() == ["a.json"]
        assert (await client.get("/settings")).json() == {"Comfy.Color": "mine"}
        assert (await other.get("/settings")).json() == {"Comfy.Color": "theirs"}


async def test_settings_that_are_set_at_once_are_all_kept(client: httpx.AsyncClient) -> None:
    await asyncio.gather(*(client.post(f"/settings/s{n}", json=n) for n in range(8)))

    assert (await client.get("/settings")).json() == {f"s{n}": n for n in range(8)}


async def test_settings_that_cannot_be_kept_are_refused_and_change_nothing(client: httpx.AsyncClient) -> None:
    await client.post("/settings", json={"kept": True})
    large = b'{"a": "%s"}' % (b"x" * (1 << 20))

    for body in (b"[]", b"1", b"{", b'{"a": "\\u0000"}', b'{"a": NaN}', large):
        answer = await client.post("/settings", content=body)

        assert answer.status_code == (413 if body is large else 400)
        assert answer.json()["error"]["message"]
    assert (await client.get("/settings")).json() == {"kept": True}


async def test_settings_are_bounded_together(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "LARGEST_SETTINGS", 100)
    first = await client.post("/settings/a", json="x" * 60)
    second = await client.post("/settings/b", json="x" * 60)

    assert (first.status_code, second.status_code) == (200, 413)
    assert list((await client.get("/settings")).json()) == ["a"]


BOUNDS = {
    "LARGEST_FILE": (3, [("a", b"123")], ("b", b"1234")),
    "MOST_FILES": (2, [("a", b"1"), ("b", b"1"), ("b", b"2")], ("c", b"1")),
    "MOST_BYTES": (4, [("a", b"123"), ("a", b"1"), ("b", b"123")], ("c", b"1")),
}


async def test_files_are_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for bound, (most, fits, too_much) in BOUNDS.items():
        async with service.client(name=bound) as client:
            with monkeypatch.context() as patched:
                patched.setattr(kept, bound, most)
                assert [(await write(client, *each)).status_code for each in fits] == [200] * len(fits)
                refused = await write(client, *too_much)

            assert refused.status_code == 413
            assert "delete some" in refused.json()["error"]["message"]
            assert sorted((await client.get("/userdata?dir=.")).json()) == sorted({name for name, _ in fits})


NAMES = {
    "": 400,
    "a.json/b": 400,
    "folder": 400,
    "folder/./c.json": 200,
    "folder/../d.json": 200,
    "../user/e.json": 200,
    "/etc/passwd": 403,
    "../users/f": 403,
    "x%2500y": 400,
    "x" * 256: 400,
    "Grüße ü.json": 200,
}


async def test_names_are_those_that_files_can_have(client: httpx.AsyncClient) -> None:
    await write(client, "folder/b.json")
    for name, status in NAMES.items():
        await write(client, "a.json")

        assert (await write(client, name)).status_code == status, name
        moved = await client.post(f"/userdata/a.json/move/{name.replace('/', '%2F')}")
        assert moved.status_code == status, name


async def test_a_path_whose_slashes_are_not_written_as_one_part_is_not_found(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.post("/userdata/a/b.json", content=b"x")).status_code == 404
    assert (await client.get("/v2/userdata")).json() == []


async def test_a_file_is_moved_over_another_and_onto_itself(client: httpx.AsyncClient) -> None:
    await write(client, "a", b"a")
    await write(client, "b", b"b")

    assert (await client.post("/userdata/a/move/a")).status_code == 200
    assert (await client.post("/userdata/a/move/b?full_info=true")).json()["path"] == "b"
    assert (await client.get("/userdata?dir=.")).json() == ["b"]
    assert (await client.get("/userdata/b")).content == b"a"


async def test_no_file_runs_in_a_browser_but_the_editors_own_style(client: httpx.AsyncClient) -> None:
    told: dict[str, Any] = {}
    for name in ("user.css", "sub/user.css", "a.svg", "a.html", "a.js", "a.json"):
        await write(client, name)
        answer = await client.get(f"/userdata/{name.replace('/', '%2F')}")
        assert answer.headers["x-content-type-options"] == "nosniff"
        told[name] = (answer.headers["content-type"], answer.headers["content-disposition"])

    harmless = ("application/octet-stream", "attachment")
    assert told == {
        "user.css": ("text/css", "inline"),
        "a.json": ("application/json", "attachment"),
        **dict.fromkeys(("sub/user.css", "a.svg", "a.html", "a.js"), harmless),
    }


async def test_a_key_that_only_reads_changes_nothing(service: Service) -> None:
    async with service.client("read", name="reader") as reader:
        assert (await write(reader, "a")).status_code == 403
        assert (await reader.post("/settings/a", json=1)).status_code == 403
        assert (await reader.delete("/userdata/a")).status_code == 403
        assert (await reader.get("/settings")).json() == {}


async def test_internal_routes_tell_of_the_callers_uploads_and_of_no_machine(
    client: httpx.AsyncClient,
) -> None:
    await client.post("/upload/image", files={"image": ("a.png", b"x")})
    await client.post("/upload/image", files={"image": ("b.png", b"x")}, data={"subfolder": "deep"})

    told = {
        path: (await client.get(f"/internal/{path}")).json()
        for path in ("files/input", "files/output", "logs", "logs/raw", "folder_paths")
    }

    assert told == {
        "files/input": ["a.png [input]"],
        "files/output": [],
        "logs": "",
        "logs/raw": {"entries": [], "size": {"cols": 80, "rows": 24}},
        "folder_paths": {},
    }
    assert (await client.get("/internal/files/models")).status_code == 400
    assert (await client.patch("/internal/logs/subscribe", json={})).status_code == 200
    assert (await client.get("/api/internal/logs")).status_code == 404
