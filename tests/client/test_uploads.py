from __future__ import annotations

import io
import os
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from PIL import Image
from tests.client.graphs import image
from tests.transport.apps import serving

from comfywire import (
    Client,
    InvalidMask,
    InvalidParameter,
    MissingExtra,
    Output,
    ServerError,
    UnexpectedReply,
    UnsafeName,
    Upload,
)
from comfywire.client.files.masks import with_alpha
from comfywire.server import Server


def png(color: str = "red", *, alpha: int = 255) -> bytes:
    buffer = io.BytesIO()
    picture = Image.new("RGBA", (8, 8), color)
    picture.putalpha(alpha)
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def stored(server: Server, upload: Upload) -> bytes:
    return (server.folder / upload.type / upload.subfolder / upload.filename).read_bytes()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a b&c#1 ü.png"
    path.write_bytes(png())
    return path


@pytest.mark.parametrize("kind", ["path", "str", "bytes", "open file", "BytesIO"])
async def test_anything_with_bytes_is_uploaded(server: Server, client: Client, picture: Path, kind):
    with picture.open("rb") as opened:
        source: Any = {
            "path": picture,
            "str": str(picture),
            "bytes": png(),
            "open file": opened,
            "BytesIO": io.BytesIO(png()),
        }[kind]

        upload = await client.upload(source)

        assert kind not in ("open file", "BytesIO") or not source.closed
    assert stored(server, upload) == png()
    by_hash = f"{sha256(png()).hexdigest()[:16]}.png"
    assert str(upload) == (by_hash if kind in ("bytes", "BytesIO") else picture.name)


@pytest.mark.parametrize(
    ("options", "place", "spelled"),
    [
        pytest.param({}, ("x.png", "", "input"), "x.png", id="plain"),
        pytest.param({"subfolder": "a/b"}, ("x.png", "a/b", "input"), "a/b/x.png", id="subfolder"),
        pytest.param({"type": "temp"}, ("x.png", "", "temp"), "x.png [temp]", id="temp"),
        pytest.param(
            {"type": "output", "subfolder": "a"}, ("x.png", "a", "output"), "a/x.png [output]", id="output"
        ),
    ],
)
async def test_an_upload_says_where_it_is_kept(server, client: Client, options, place, spelled):
    upload = await client.upload(png(), name="x.png", **options)

    assert (upload.filename, upload.subfolder, upload.type) == place
    assert str(upload) == spelled
    assert stored(server, upload) == png()


@pytest.mark.parametrize(
    "name",
    ['quo"te.png', "back\\slash.png", "semi;colon.png", "per%41cent.png", "emoji \N{CAMERA}.png", "ü.png"],
)
async def test_marks_in_a_name_arrive_as_they_are(server: Server, client: Client, name):
    upload = await client.upload(png(), name=name)

    assert upload.filename == name
    assert stored(server, upload) == png()


async def test_quotes_beside_a_semicolon_arrive_as_browsers_send_them(server: Server, client: Client):
    """ComfyUI would read the name as several, and answer that it was sent no file."""
    upload = await client.upload(png(), name='x.png"; filename="y')

    assert upload.filename == "x.png%22; filename=%22y"
    assert stored(server, upload) == png()


@pytest.mark.parametrize("name", ["line\nend.png", "return\rend.png", "nul\x00.png"])
async def test_a_name_that_no_form_can_carry_is_the_callers_mistake(client: Client, name):
    with pytest.raises(ValueError, match="name"):
        await client.upload(png(), name=name)


@pytest.mark.parametrize(
    ("name", "options", "spelled"),
    [
        ("assets/cat.png", {}, "assets/cat.png"),
        ("a/b/cat.png", {"subfolder": "mine"}, "mine/a/b/cat.png"),
        ("./cat.png", {"type": "temp"}, "cat.png [temp]"),
    ],
)
async def test_the_folder_of_a_name_is_kept(server: Server, client: Client, name, options, spelled):
    upload = await client.upload(png(), name=name, **options)

    assert str(upload) == spelled
    assert stored(server, upload) == png()


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/x.png", "assets/", "a/.."])
async def test_a_name_that_leads_elsewhere_is_refused(server: Server, client: Client, name):
    with pytest.raises(UnsafeName, match="is no name for an upload"):
        await client.upload(png(), name=name)

    assert server.requests["POST /upload/image"] == 0


async def test_the_same_content_is_kept_once(server: Server, client: Client):
    first = await client.upload(png(), name="x.png")

    assert await client.upload(png(), name="x.png") == first

    assert [path.name for path in (server.folder / "input").iterdir()] == ["x.png"]


async def test_other_content_under_a_taken_name_is_numbered(server: Server, client: Client):
    await client.upload(png("red"), name="x.png")

    upload = await client.upload(png("blue"), name="x.png")

    assert upload.filename == "x (1).png"
    assert stored(server, upload) == png("blue")


async def test_a_name_is_overwritten_when_that_is_asked_for(server: Server, client: Client):
    await client.upload(png("red"), name="x.png")

    upload = await client.upload(png("blue"), name="x.png", overwrite=True)

    assert upload.filename == "x.png"
    assert stored(server, upload) == png("blue")


async def test_any_file_is_uploaded(server: Server, client: Client, tmp_path: Path):
    (tmp_path / "sound.flac").write_bytes(b"fLaC")

    upload = await client.upload(tmp_path / "sound.flac")

    assert (str(upload), stored(server, upload)) == ("sound.flac", b"fLaC")


async def test_an_empty_file_is_uploaded(server: Server, client: Client):
    assert stored(server, await client.upload(b"", name="x.bin")) == b""


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        pytest.param(b"\xff\xd8\xff\xe0", ".jpg", id="jpeg"),
        pytest.param(b"RIFF\0\0\0\0WEBP", ".webp", id="webp"),
        pytest.param(b"RIFF\0\0\0\0WAVE", ".wav", id="wav"),
        pytest.param(b"RIFF\0\0\0\0junk", ".bin", id="unknown-riff"),
        pytest.param(b"what", ".bin", id="unknown"),
    ],
)
async def test_bytes_without_a_name_get_the_extension_of_what_they_are(client: Client, content, suffix):
    assert Path(str(await client.upload(content))).suffix == suffix


def pixel(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    value = picture.getpixel((x, y))
    assert isinstance(value, tuple)
    return value


async def test_a_pillow_picture_is_uploaded_as_png(server: Server, client: Client):
    picture: Any = Image.new("RGB", (3, 2), "red")
    upload = await client.upload(picture)

    with Image.open(io.BytesIO(stored(server, upload))) as kept:
        assert (kept.format, kept.size) == ("PNG", (3, 2))


async def test_a_file_without_a_name_of_its_own_is_uploaded(server: Server, client: Client):
    with tempfile.SpooledTemporaryFile() as spooled:
        spooled.write(b"abc")
        spooled.seek(0)

        upload = await client.upload(spooled)  # type: ignore[arg-type] # typeshed does not call it a BinaryIO

    assert (str(upload), stored(server, upload)) == (f"{sha256(b'abc').hexdigest()[:16]}.bin", b"abc")


class Measured(io.BytesIO):
    """A file that notes how much of it is read at a time."""

    name = "large.bin"
    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
        self.largest = max(self.largest, len(chunk))
        return chunk


async def test_a_large_file_is_streamed(server: Server, client: Client):
    source = Measured(os.urandom(20 << 20))

    upload = await client.upload(source)

    assert stored(server, upload) == source.getvalue()
    assert 0 < source.largest <= 1 << 20


async def test_a_file_that_was_read_in_part_is_uploaded_from_there(server: Server, client: Client):
    source = io.BytesIO(b"0123456789")
    source.seek(4)

    assert stored(server, await client.upload(source)) == b"456789"


@pytest.mark.parametrize(
    ("source", "error"),
    [("nowhere.png", FileNotFoundError), (".", IsADirectoryError)],
    ids=["missing", "folder"],
)
async def test_a_path_that_cannot_be_read_is_an_error_of_the_disk(client: Client, source, error):
    with pytest.raises(error):
        await client.upload(source)


@pytest.mark.parametrize(
    "options", [{"subfolder": "../../.."}, {"type": "elsewhere"}], ids=["up", "no-such-root"]
)
async def test_a_place_that_the_server_refuses_is_its_error(client: Client, options):
    with pytest.raises(ServerError, match="POST /upload/image was answered"):
        await client.upload(png(), name="x.png", **options)


@pytest.mark.parametrize("reply", [{}, [], {"name": 5}, "x.png", None])
async def test_an_upload_that_is_not_answered_with_a_name_is_an_unexpected_reply(reply):
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(reply)

    async with serving(answer) as url, Client(url) as client:
        with pytest.raises(UnexpectedReply, match="not answered with a name"):
            await client.upload(b"x", name="x")


# Masks


async def test_a_mask_becomes_the_alpha_channel_of_a_copy(server: Server, client: Client):
    original = await client.upload(png("red"), name="x.png")

    upload = await client.upload_mask(png("white", alpha=7), original, name="masked.png")

    with Image.open(io.BytesIO(stored(server, upload))) as merged:
        assert merged.getpixel((0, 0)) == (255, 0, 0, 7)
    assert str(upload) == "masked.png"
    assert stored(server, original) == png("red")


async def test_an_output_can_be_masked(server: Server, client: Client):
    output: Output = (await client.run(image(0x00FF00))).outputs[0]

    upload = await client.upload_mask(png(alpha=9), output, name="masked.png")

    with Image.open(io.BytesIO(stored(server, upload))) as merged:
        assert merged.getpixel((0, 0)) == (0, 255, 0, 9)


@pytest.mark.parametrize("name", ["gone.png", "../x.png", "a b&c#1.png"])
async def test_a_mask_that_the_server_swallowed_is_an_error(client: Client, name):
    with pytest.raises(UnexpectedReply, match=r"was accepted but masked\.png was not made: is"):
        await client.upload_mask(png(), Upload(name), name="masked.png")


async def test_a_server_that_is_broken_is_not_taken_for_a_swallowed_mask(server: Server, client: Client):
    original = await client.upload(png(), name="x.png")
    server.faults.replies.fail("HEAD /view", 502)

    with pytest.raises(ServerError, match="502"):
        await client.upload_mask(png(), original, name="masked.png")


def grey(levels: list[int], mode: str = "L") -> Image.Image:
    """A picture of 8 x 8 whose left and right halves have these levels."""
    picture = Image.new("L", (8, 8), levels[0])
    picture.paste(levels[1], (4, 0, 8, 8))
    return picture.convert(mode)


def encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "mask",
    [
        grey([255, 0]),
        grey([255, 0], "RGB"),
        grey([255, 0], "1"),
        grey([255, 0], "P"),
        encoded(grey([255, 0]), "JPEG"),
        encoded(grey([255, 0]), "BMP"),
        encoded(Image.fromarray(np.array([[65535] * 4 + [0] * 4] * 8, np.uint16)), "PNG"),
        np.array([[True] * 4 + [False] * 4] * 8),
    ],
    ids=["grey", "colours", "bits", "palette", "JPEG", "BMP", "16-bits", "array"],
)
async def test_white_is_masked_where_a_mask_has_no_alpha(server: Server, client: Client, mask):
    original = await client.upload(png("red"), name="x.png")

    upload = await client.upload_mask(mask, original, name="masked.png")

    with Image.open(io.BytesIO(stored(server, upload))) as merged:
        masked, free = pixel(merged, 0, 0), pixel(merged, 7, 7)
    assert masked[:3] == free[:3] == (255, 0, 0)
    assert (masked[3] // 2, free[3] // 2) == (0, 127)  # JPEG is out by one


def deep(levels: list[int], kind: str = "PNG") -> bytes:
    """A picture of 8 x 8 with 16 bits, whose left and right halves have these levels."""
    row = [levels[0]] * 4 + [levels[1]] * 4
    return encoded(Image.fromarray(np.array([row] * 8, np.uint16)), kind)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (deep([32768, 0]), [128, 255]),
        (deep([257 * 200, 257 * 100], "TIFF"), [55, 155]),
        (deep([0, 0]), [255, 255]),
        (encoded(grey([255, 0], "RGBA"), "PNG"), [0, 255]),
        (encoded(grey([255, 0], "LA"), "PNG"), [0, 255]),
        (encoded(grey([200, 0], "RGBA"), "TIFF"), [55, 255]),
        (encoded(grey([0, 0], "RGBA"), "PNG"), [255, 255]),
    ],
    ids=["half", "TIFF", "black", "opaque", "opaque-grey", "opaque-TIFF", "opaque-black"],
)
def test_brightness_is_read_by_the_depth_and_where_alpha_says_nothing(mask: bytes, expected: list[int]):
    with Image.open(io.BytesIO(with_alpha(mask, (8, 8), token="t"))) as made:
        assert [pixel(made, 0, 0)[3], pixel(made, 7, 7)[3]] == expected


def test_a_mask_too_dark_to_mask_anything_is_refused():
    with pytest.raises(InvalidMask, match="mask nothing: its brightest point is 200 of 65535; make white"):
        with_alpha(deep([200, 0]), (8, 8), token="t")


async def test_a_colour_that_is_transparent_is_alpha(server: Server, client: Client):
    original = await client.upload(png("red"), name="x.png")
    palette = grey([255, 0], "P")
    buffer = io.BytesIO()
    palette.save(buffer, "PNG", transparency=palette.getpixel((7, 7)))

    upload = await client.upload_mask(buffer.getvalue(), original, name="masked.png")

    with Image.open(io.BytesIO(stored(server, upload))) as merged:
        assert (pixel(merged, 0, 0)[3], pixel(merged, 7, 7)[3]) == (255, 0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
async def test_a_mask_of_another_size_is_refused(server: Server, client: Client, kind):
    original = await client.upload(encoded(Image.new("RGB", (9, 8)), kind), name=f"x.{kind.lower()}")

    with pytest.raises(InvalidParameter, match="the mask is 8 x 8 pixels, and what it is for 9 x 8"):
        await client.upload_mask(png(alpha=3), original)

    assert server.requests["POST /upload/mask"] == 0


async def test_what_is_no_picture_is_no_mask(client: Client):
    with pytest.raises(InvalidParameter, match="no picture"):
        await client.upload_mask(b"what", await client.upload(png(), name="x.png"))


@pytest.mark.parametrize("name", [None, "mask.png"])
async def test_a_mask_that_was_uploaded_before_is_not_returned(server, client: Client, tmp_path: Path, name):
    path = tmp_path / "mask.png"
    path.write_bytes(png("white", alpha=7))
    original = await client.upload(png("red"), name="x.png")
    await client.upload(path)

    made = [await client.upload_mask(path, original, name=name) for _ in range(2)]

    for upload in made:
        with Image.open(io.BytesIO(stored(server, upload))) as merged:
            assert merged.getpixel((0, 0)) == (255, 0, 0, 7)


async def test_without_pillow_a_mask_needs_its_alpha(client: Client, monkeypatch: pytest.MonkeyPatch):
    original = await client.upload(png("red"), name="x.png")
    black_and_white = encoded(grey([255, 0]), "PNG")
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(MissingExtra, match=r"alpha channel.*\[show\]"):
        await client.upload_mask(black_and_white, original)


# Uploads as inputs of a workflow


LOADER: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


@pytest.mark.parametrize("kind", ["path", "str", "bytes", "open file"])
async def test_an_input_that_takes_an_upload_is_uploaded(server, client: Client, picture: Path, kind):
    with picture.open("rb") as opened:
        sources = {"path": picture, "str": str(picture), "bytes": png(), "open file": opened}

        result = await client.run(LOADER, inputs={"LoadImage.image": sources[kind]})

    with Image.open(io.BytesIO(await result.outputs[0].read())) as shown:
        assert shown.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    assert LOADER["1"]["inputs"]["image"] == "example.png"


async def test_an_upload_made_before_is_used_by_its_name(client: Client):
    upload = await client.upload(png("blue"), name="x.png", subfolder="a")

    result = await client.run(LOADER, inputs={"1.image": str(upload)})

    assert len(result.outputs) == 1


async def test_the_same_input_is_sent_once(server: Server, client: Client, picture: Path):
    for _ in range(3):
        await client.run(LOADER, inputs={"LoadImage.image": picture})

    assert server.requests["POST /upload/image"] == 1


async def test_an_open_file_is_an_input_from_where_it_stands(server: Server, client: Client):
    source = io.BytesIO(b"skipped" + png("lime"))
    source.seek(7)

    result = await client.run(LOADER, inputs={"LoadImage.image": source})

    with Image.open(io.BytesIO(await result.outputs[0].read())) as shown:
        assert shown.convert("RGB").getpixel((0, 0)) == (0, 255, 0)


async def test_an_upload_tells_how_far_it_is(client: Client, tmp_path: Path):
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(5 << 20))
    told: list[tuple[int, int]] = []

    await client.upload(large, on_progress=lambda sent, total: told.append((sent, total)))

    assert told == sorted(told)
    assert len(told) > 5
    assert told[-1] == (5 << 20, 5 << 20)


async def test_files_for_inputs_go_where_the_client_wants_them(server: Server, tmp_path: Path):
    picture = tmp_path / "a.png"
    async with Client(server.url, upload_subfolder="mine") as client:
        await (await client.run(image())).outputs[0].save(picture)
        graph = {
            "1": {"class_type": "LoadImage", "inputs": {"image": "nothing.png"}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
        await client.run(graph, inputs={"image": picture})

    name = f"{sha256(picture.read_bytes()).hexdigest()}.png"
    assert (server.folder / "input" / "mine" / name).exists()
