"""What a server keeps for its user: settings, and files such as the editor's workflows."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from tests.conformance.conftest import Place
from tests.conformance.graphs import FOLDER
from tests.server.wire import Wire
from yarl import URL


@pytest.fixture
async def folder(wire: Wire) -> str:
    """A folder of the user's that no earlier run has used."""
    _, users = await wire.get("/users")
    if not isinstance(users, dict) or "migrated" not in users:
        pytest.skip("this server has several users, or none")
    return f"{FOLDER}/{uuid.uuid4().hex}"


def at(name: str) -> str:
    """The route of a file, whose name is one part of it."""
    return f"/userdata/{name.replace('/', '%2F')}"


async def request(wire: Wire, method: str, path: str, **options: Any) -> tuple[int, bytes]:
    async with wire.session.request(method, URL(path, encoded=True), **options) as reply:
        return reply.status, await reply.read()


async def write(wire: Wire, name: str, content: bytes = b"x", query: str = "") -> tuple[int, bytes]:
    return await request(wire, "POST", at(name) + query, data=content)


@pytest.mark.usefixtures("folder")
async def test_there_is_one_user_whose_data_are_on_the_server(wire: Wire):
    _, users = await wire.get("/users")

    assert (users["storage"], type(users["migrated"])) == ("server", bool)


async def test_a_file_is_kept_and_found_under_its_name(wire: Wire, folder):
    name = f"{folder}/flow.json"

    written = await write(wire, name, b'{"a": 1}')

    assert written == (200, f'"{name}"'.encode())
    assert await request(wire, "GET", at(name)) == (200, b'{"a": 1}')


async def test_files_are_downloaded_and_not_shown_by_new_servers(place: Place, wire: Wire, folder):
    await write(wire, f"{folder}/page.html", b"<script>")

    async with wire.session.get(URL(at(f"{folder}/page.html"), encoded=True)) as reply:
        kind, disposition = reply.headers["Content-Type"], reply.headers.get("Content-Disposition")

    new = ("application/octet-stream", "attachment")
    assert (kind, disposition) == (new if place.is_new else ("text/html", None))


async def test_a_file_is_overwritten_unless_that_is_refused(wire: Wire, folder):
    name = f"{folder}/flow.json"
    await write(wire, name, b"old")

    assert await write(wire, name, b"new", "?overwrite=false") == (409, b"File already exists")
    assert (await request(wire, "GET", at(name)))[1] == b"old"
    assert (await write(wire, name, b"new"))[0] == 200
    assert (await request(wire, "GET", at(name)))[1] == b"new"


async def test_full_info_tells_size_and_times(place: Place, wire: Wire, folder):
    await write(wire, f"{folder}/a.json", b"12345")

    _, (info,) = await wire.get("/userdata", params={"dir": folder, "full_info": "true"})

    assert (info["path"], info["size"]) == ("a.json", 5)
    assert set(info) == {"path", "size", "modified", "created"}
    assert type(info["modified"]) is (int if place.is_new else float)


async def test_files_are_listed_alone_in_depth_or_in_parts(wire: Wire, folder):
    for name in ("a.json", "b.json", "sub/c.json", ".hidden"):
        await write(wire, f"{folder}/{name}")

    async def listed(**more: str) -> Any:
        return (await wire.get("/userdata", params={"dir": folder, **more}))[1]

    assert sorted(await listed()) == ["a.json", "b.json"]
    assert sorted(await listed(recurse="true")) == ["a.json", "b.json", "sub/c.json"]
    assert ["sub/c.json", "sub", "c.json"] in await listed(recurse="true", split="true")


async def test_the_second_list_has_folders_first(wire: Wire, folder):
    for name in ("B.json", "a.json", "sub/c.json"):
        await write(wire, f"{folder}/{name}")

    _, entries = await wire.get("/v2/userdata", params={"path": folder})

    assert [(entry["type"], entry["name"], entry["path"]) for entry in entries] == [
        ("directory", "sub", f"{folder}/sub"),
        ("file", "a.json", f"{folder}/a.json"),
        ("file", "B.json", f"{folder}/B.json"),
        ("file", "c.json", f"{folder}/sub/c.json"),
    ]
    assert set(entries[0]) == {"name", "path", "type"}
    assert set(entries[1]) == {"name", "path", "type", "size", "modified"}


async def test_a_file_can_be_moved_and_deleted(wire: Wire, folder):
    old, new = f"{folder}/old.json", f"{folder}/deeper/new.json"
    await write(wire, old)
    to = at(new).removeprefix("/userdata/")

    assert await request(wire, "POST", f"{at(old)}/move/{to}") == (200, f'"{new}"'.encode())
    assert (await request(wire, "GET", at(old)))[0] == 404
    await write(wire, old)
    assert await request(wire, "POST", f"{at(old)}/move/{to}?overwrite=false") == (
        409,
        b"File already exists",
    )
    assert await request(wire, "DELETE", at(new)) == (204, b"")
    assert (await request(wire, "DELETE", at(new)))[0] == 404


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/userdata", 400),
        ("GET", "/userdata?dir=..", 403),
        ("GET", "/userdata?dir=no/such", 404),
        ("GET", "/v2/userdata?path=..", 400),
        ("GET", "/v2/userdata?path=no/such", 404),
        ("GET", "/userdata/..%2Fx", 403),
        ("POST", "/userdata/..%2Fx", 403),
        ("DELETE", "/userdata/..%2F..%2Fx", 403),
        ("GET", "/userdata/%252e%252e%2Fx", 403),
        ("GET", "/userdata/nosuch", 404),
        ("POST", "/userdata/nosuch/move/y", 404),
    ],
)
async def test_what_is_not_there_or_not_the_users_is_refused(wire: Wire, method, path, status):
    assert (await request(wire, method, path))[0] == status


@pytest.mark.usefixtures("folder")
async def test_settings_are_kept_one_by_one_and_together(wire: Wire):
    one, other = f"{FOLDER}.one", f"{FOLDER}.other"

    assert await wire.post(f"/settings/{one}", {"deep": [1, None]}) == (200, b"")
    assert await wire.post("/settings", {other: True}) == (200, b"")

    assert await wire.get(f"/settings/{one}") == (200, {"deep": [1, None]})
    settings = (await wire.get("/settings"))[1]
    assert {name: settings[name] for name in (one, other)} == {one: {"deep": [1, None]}, other: True}


@pytest.mark.usefixtures("folder")
async def test_a_setting_that_is_not_set_is_null(wire: Wire):
    assert await wire.get("/settings/nosuch") == (200, None)
