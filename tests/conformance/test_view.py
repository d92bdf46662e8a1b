"""GET /view: bytes, ranges, previews, channels, and what is refused."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from tests.conformance.conftest import Place
from tests.conformance.graphs import FOLDER
from tests.conformance.test_uploads import pixels, png, upload
from tests.server.wire import Wire

NAME = "view.png"


@pytest.fixture
async def content(wire: Wire) -> bytes:
    """A picture with alpha, which lies in the input folder as ``FOLDER/view.png``."""
    made = png("RGBA")
    assert (await upload(wire, made, NAME, overwrite="true"))[0] == 200
    return made


async def view(wire: Wire, headers: dict[str, str] | None = None, **query: str) -> Any:
    asked = {"filename": NAME, "subfolder": FOLDER, "type": "input", **query}
    async with wire.session.get("/view", params=asked, headers=headers) as reply:
        return reply, await reply.read()


async def test_a_file_is_sent_as_it_is(wire: Wire, content):
    reply, body = await view(wire)

    assert (reply.status, body) == (200, content)
    assert reply.headers["Content-Type"] == "image/png"
    assert reply.headers["Content-Disposition"] == f'filename="{NAME}"'
    assert reply.headers["Content-Length"] == str(len(content))
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert "ETag" in reply.headers
    assert "Last-Modified" in reply.headers


@pytest.mark.parametrize(
    ("asked", "told", "part"),
    [
        ("bytes=0-9", "bytes 0-9/{size}", slice(0, 10)),
        ("bytes=10-", "bytes 10-{last}/{size}", slice(10, None)),
        ("bytes=-5", "bytes {fifth}-{last}/{size}", slice(-5, None)),
    ],
)
async def test_a_range_is_a_206(wire: Wire, content, asked, told, part):
    reply, body = await view(wire, {"Range": asked})

    size = len(content)
    assert (reply.status, body) == (206, content[part])
    assert reply.headers["Content-Range"] == told.format(size=size, last=size - 1, fifth=size - 5)


async def test_a_range_past_the_end_is_a_416(wire: Wire, content):
    assert (await view(wire, {"Range": f"bytes={len(content)}-"}))[0].status == 416


async def test_a_file_that_has_not_changed_is_a_304(wire: Wire, content):
    etag = (await view(wire))[0].headers["ETag"]

    reply, body = await view(wire, {"If-None-Match": etag})

    assert (reply.status, body) == (304, b"")


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [("webp;90", "webp"), ("webp", "webp"), ("jpeg;75", "jpeg"), ("png", "webp"), ("jpeg;x", "jpeg")],
)
async def test_a_preview_is_made_in_the_wanted_format(wire: Wire, content, wanted, kind):
    reply, body = await view(wire, preview=wanted)

    assert (reply.status, reply.content_type) == (200, f"image/{kind}")
    assert reply.headers["Content-Disposition"] == f'filename="{NAME}"'
    with Image.open(io.BytesIO(body)) as image:
        assert (image.format, image.size) == (kind.upper(), (8, 4))
        assert image.mode == ("RGB" if kind == "jpeg" else "RGBA")


async def test_a_preview_of_something_else_is_a_500(wire: Wire, caplog):
    caplog.set_level("CRITICAL", logger="aiohttp.server")
    await upload(wire, b"no picture", "view.txt", overwrite="true")

    reply, body = await view(wire, filename="view.txt", preview="webp")

    assert (reply.status, reply.content_type) == (500, "text/plain")
    assert b"Server got itself in trouble" in body


async def test_channel_rgb_is_the_picture_without_alpha(wire: Wire, content):
    reply, body = await view(wire, channel="rgb")

    assert (reply.status, reply.content_type) == (200, "image/png")
    assert Image.open(io.BytesIO(body)).mode == "RGB"
    assert pixels(body) == pixels(content)


async def test_channel_a_is_its_alpha_alone(wire: Wire, content):
    reply, body = await view(wire, channel="a")

    alpha = Image.open(io.BytesIO(content)).getchannel("A")
    made = Image.open(io.BytesIO(body))
    assert (reply.status, reply.content_type, made.mode) == (200, "image/png", "RGBA")
    assert made.getchannel("A").tobytes() == alpha.tobytes()


@pytest.mark.parametrize("channel", ["rgba", "other"])
async def test_any_other_channel_is_the_file_itself(wire: Wire, content, channel):
    assert (await view(wire, channel=channel))[1] == content


async def test_a_name_may_say_its_folder_itself(wire: Wire, content):
    assert (await view(wire, filename=f"{NAME} [input]", type="output"))[1] == content


async def test_folders_in_the_name_are_ignored(wire: Wire, content):
    assert (await view(wire, filename=f"anywhere/{NAME}"))[1] == content


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param({}, 404, id="no-filename"),
        pytest.param({"filename": ""}, 400, id="empty"),
        pytest.param({"filename": "/etc/passwd"}, 400, id="absolute"),
        pytest.param({"filename": "../x.png"}, 400, id="upwards"),
        pytest.param({"filename": "a..b.png"}, 400, id="two-dots"),
        pytest.param({"filename": "x.png", "type": "models"}, 400, id="unknown-type"),
        pytest.param({"filename": "x.png", "subfolder": ".."}, 403, id="subfolder-upwards"),
        pytest.param({"filename": "x.png", "subfolder": "/etc"}, 403, id="subfolder-absolute"),
        pytest.param({"filename": "not there.png"}, 404, id="missing"),
        pytest.param({"filename": "x.png", "subfolder": "not there"}, 404, id="missing-folder"),
        pytest.param({"filename": "blake3:00"}, 404, id="unknown-hash"),
        pytest.param({"filename": FOLDER, "type": "input"}, 404, id="a-folder"),
    ],
)
async def test_what_cannot_be_seen_is_refused_without_words(wire: Wire, content, query, status):
    assert await wire.get("/view", params=query) == (status, b"")


@pytest.mark.parametrize("name", ["view.html", "view.css"])
async def test_what_a_browser_would_run_is_sent_as_bytes(wire: Wire, name):
    await upload(wire, b"x", name, overwrite="true")

    reply, _ = await view(wire, filename=name)

    assert reply.headers["Content-Type"] == "application/octet-stream"


async def test_a_script_is_sent_as_bytes_by_new_servers_only(place: Place, wire: Wire):
    await upload(wire, b"x", "view.js", overwrite="true")

    reply, _ = await view(wire, filename="view.js")

    script = "application/javascript; charset=utf-8"
    assert reply.headers["Content-Type"] == ("application/octet-stream" if place.is_new else script)


async def test_new_servers_keep_browsers_from_guessing_and_from_drawing_svg(place: Place, wire: Wire):
    await upload(wire, b"<svg/>", "view.svg", overwrite="true")

    plain, _ = await view(wire, filename="view.svg")
    image, _ = await view(wire, {"Sec-Fetch-Dest": "image"}, filename="view.svg")

    disposition = 'filename="view.svg"'
    if not place.is_new:
        assert plain.headers["Content-Type"] == "image/svg+xml"
        return
    assert plain.headers["Content-Type"] == "application/octet-stream"
    assert plain.headers["Content-Disposition"] == f"attachment; {disposition}"
    assert image.headers["Content-Type"] == "image/svg+xml"
    assert image.headers["Content-Disposition"] == disposition
    assert {one.headers["X-Content-Type-Options"] for one in (plain, image)} == {"nosniff"}
    assert {one.headers["Vary"] for one in (plain, image)} == {"Sec-Fetch-Dest"}
    assert {one.headers["Cache-Control"] for one in (plain, image)} == {"no-store"}
