"""What a stranger can make the server do has an end: in size, in number, and at the edge of its folder."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest
from tests.server.test_files import png, upload
from tests.server.wire import Wire, image

from comfywire.server import Server


async def test_a_request_over_the_limit_of_ones_own_is_refused_and_the_limit_is_said():
    async with Server(max_upload_bytes=1000) as server, Wire(server.url) as wire:
        _, features = await wire.get("/features")
        status, _ = await upload(wire, bytes(2000))

        assert (features["max_upload_size"], status) == (1000, 413)
        assert list((server.folder / "input").iterdir()) == []


async def test_a_frame_over_four_megabytes_ends_its_socket_and_no_other(server: Server, wire: Wire):
    loud, other = await wire.feed(), await wire.feed()

    with contextlib.suppress(ConnectionError):  # it may not even be read to its end
        await loud.ws.send_str("x" * (4 * 1024**2 + 1))

    await server.until(lambda: list(server.life.sockets.by_sid) == [other.client_id])
    await other.until_end(await wire.submit(image(), other))


async def test_a_queue_that_is_full_takes_no_more(server: Server, wire: Wire, monkeypatch):
    monkeypatch.setattr("comfywire.server.http.prompts.MAXIMUM_PENDING", 2)
    server.faults.nodes.hold()
    await server.until_running(await wire.submit(image()))
    for number in (1, 2):
        await wire.submit(image(number))

    status, answer = await wire.post("/prompt", {"prompt": image(3)})

    assert (status, answer["error"]["type"], answer["node_errors"]) == (503, "queue_full", {})
    assert server.life.queue.remaining() == 3


async def test_made_up_routes_are_not_remembered_one_by_one(server: Server, wire: Wire):
    for number in range(5):
        await wire.post(f"/made-up-{number}")
        await wire.get(f"/made-up-{number}")

    assert server.requests == {"POST /{path}": 5, "GET /{path}": 5}


def strays(server: Server) -> set[Path]:
    """What was written where nothing belongs: beside the roots for files, or where a test's name points."""
    roots = {"input", "output", "temp"}
    elsewhere = {path for path in (Path("/tmp/evil"), Path("/tmp/evil.png")) if path.exists()}
    return elsewhere | {
        path for path in server.folder.rglob("*") if path.relative_to(server.folder).parts[0] not in roots
    }


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(("../x.png", ""), id="name"),
        pytest.param(("x.png", "../evil"), id="folder"),
        pytest.param(("../input/x.png", "../evil"), id="folder-and-back"),
        pytest.param(("/tmp/evil.png", ""), id="absolute-name"),
        pytest.param(("x.png", "/tmp/evil"), id="absolute-folder"),
        pytest.param(("..\\x.png", ""), id="backslash"),
    ],
)
@pytest.mark.parametrize("path", ["/upload/image", "/upload/mask"])
async def test_an_upload_writes_nothing_beside_its_root(server: Server, wire: Wire, path, place, caplog):
    name, subfolder = place
    caplog.set_level("CRITICAL", logger="aiohttp.server")
    await upload(wire, png(mode="RGBA", colour=(0, 0, 0, 0)))
    form = aiohttp.FormData(quote_fields=False)  # a name as it is
    form.add_field("image", png(mode="RGBA", colour=(1, 2, 3, 4)), filename=name)
    form.add_field("subfolder", subfolder)
    form.add_field("original_ref", '{"filename": "x.png", "type": "input"}')

    async with wire.session.post(path, data=form) as reply:
        assert reply.status in {200, 400, 500}

    assert strays(server) == set()


@pytest.mark.parametrize("prefix", ["../evil", "../../evil/x", "/tmp/evil/x", "a/../../evil/x", "x\0y"])
@pytest.mark.parametrize("class_type", ["SaveImage", "PreviewImage"])
async def test_a_prefix_writes_nothing_beside_its_root(server: Server, wire: Wire, prefix, class_type):
    prompt = image()
    prompt["2"] = {"class_type": class_type, "inputs": {"images": ["1", 0], "filename_prefix": prefix}}

    await wire.submit(prompt)
    await server.until_idle()

    assert strays(server) == set()


async def test_no_file_outside_is_shown(server: Server, wire: Wire, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    up = "../" * 20
    wishes = [
        {"filename": f"{up}{secret}"},
        {"filename": str(secret)},
        {"filename": "secret.png", "subfolder": f"{up}{tmp_path}"},
        {"filename": "secret.png", "subfolder": str(tmp_path)},
    ]

    statuses = [(await wire.get("/view", params={**wish, "type": "input"}))[0] for wish in wishes]

    assert set(statuses) <= {400, 403, 404}


async def test_many_sockets_at_once_are_served_and_let_go(server: Server, wire: Wire):
    feeds = await asyncio.gather(*(wire.feed() for _ in range(60)))
    await feeds[30].until_end(await wire.submit(image(), feeds[30]))

    await asyncio.gather(*(feed.ws.close() for feed in feeds))

    await server.until(lambda: not server.life.sockets.by_sid)
