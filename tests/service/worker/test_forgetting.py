"""Files that ComfyUI made tell of the prompt as it was asked for."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from comfywire.service.jobs.output_folders import without_folders
from comfywire.service.worker import forgetting
from comfywire.service.worker.forgetting import AT_AN_END, TAGS, forget_folders, forget_in_text, ogg_checksum
from comfywire.workflow import Workflow

FOLDER = "cw0123456789abcdef0123456789abcd"
PREFIX = 'a "b"\\\u732b/x'


def prompt(prefix: str) -> dict[str, Any]:
    inputs = {"images": ["1", 0], "filename_prefix": prefix, "note": "last"}
    return {"2": {"class_type": "SaveImage", "inputs": inputs}}


def png(path: Path, text: str) -> None:
    about = PngImagePlugin.PngInfo()
    about.add_text("prompt", text)
    about.add_text("workflow", "{}")
    Image.new("RGB", (8, 8), "red").save(path, pnginfo=about)


def webp(path: Path, text: str) -> None:
    exif = Image.new("RGB", (8, 8)).getexif()
    exif[0x0110] = f"prompt:{text}"
    Image.new("RGB", (8, 8), "red").save(path, exif=exif)


def latent(path: Path, text: str) -> None:
    header = json.dumps(
        {"__metadata__": {"prompt": text}, "t": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)


def apng(path: Path, text: str) -> None:
    """As SaveAnimatedPNG has it (nodes_images.py, 0.3.64)."""
    about = PngImagePlugin.PngInfo()
    about.add(b"comf", b"prompt\0" + text.encode("latin-1"), after_idat=True)
    Image.new("RGB", (8, 8), "red").save(path, pnginfo=about)


def sound(path: Path, text: str) -> None:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        container.metadata["prompt"] = text
        stream = container.add_stream("flac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4608), "int16"), format="s16", layout="mono")
        frame.sample_rate = 44100
        container.mux([*stream.encode(frame), *stream.encode(None)])


def film(path: Path, text: str) -> None:
    av = pytest.importorskip("av")
    options = {"movflags": "use_metadata_tags"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        container.metadata["prompt"] = text
        stream = container.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 16
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), "uint8"), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])


@pytest.mark.parametrize(
    ("name", "write"),
    [
        pytest.param("x.png", png, id="png"),
        pytest.param("y.png", apng, id="apng"),
        pytest.param("x.webp", webp, id="webp"),
        pytest.param("x.latent", latent, id="latent"),
        pytest.param("x.flac", sound, id="flac"),
        pytest.param("x.ogg", sound, id="ogg"),
        pytest.param("x.mp4", film, id="mp4"),
        pytest.param("x.mkv", film, id="mkv"),
    ],
)
@pytest.mark.parametrize("prefix", ["x", PREFIX, "", "a\\"], ids=["plain", "escaped", "empty", "at-its-end"])
def test_the_prompt_in_a_file_has_no_folder(tmp_path: Path, name: str, write: Any, prefix: str):
    path = tmp_path / name
    write(path, json.dumps(prompt(f"{FOLDER}/{prefix}")))
    size = path.stat().st_size

    forget_folders(path)

    assert Workflow.load(path).prompt == prompt(prefix)
    assert FOLDER.encode() not in path.read_bytes()
    assert path.stat().st_size == size


@pytest.mark.parametrize("write", [png, apng])
def test_a_png_is_still_a_good_one(tmp_path: Path, write: Any):
    path = tmp_path / "x.png"
    write(path, json.dumps(prompt(f"{FOLDER}/x")))

    forget_folders(path)

    content = path.read_bytes()
    assert checksums_of_png(content)
    assert all(zlib.crc32(chunk) == checksum for chunk, checksum in checksums_of_png(content))


def checksums_of_png(content: bytes) -> list[tuple[bytes, int]]:
    found, place = [], 8
    while place < len(content):
        after = place + 8 + int.from_bytes(content[place : place + 4])
        found.append((content[place + 4 : after], int.from_bytes(content[after : after + 4])))
        place = after + 4
    return found


@pytest.mark.parametrize("is_patched", [False, True], ids=["as-ffmpeg-writes-it", "without-the-folder"])
def test_an_oggs_pages_have_their_checksums(tmp_path: Path, is_patched: bool):
    path = tmp_path / "x.ogg"
    sound(path, json.dumps(prompt(f"{FOLDER}/x")))

    if is_patched:
        forget_folders(path)

    content, place, wrong = path.read_bytes(), 0, []
    while place < len(content):
        lengths = content[place + 27 : place + 27 + content[place + 26]]
        page = content[place : place + 27 + len(lengths) + sum(lengths)]
        bare = page[:22] + bytes(4) + page[26:]
        wrong += [] if ogg_checksum(bare).to_bytes(4, "little") == page[22:26] else [place]
        place += len(page)
    assert wrong == []


@pytest.mark.parametrize("is_patched", [False, True], ids=["as-ffmpeg-writes-it", "without-the-folder"])
def test_the_tags_of_matroska_have_their_checksum(tmp_path: Path, is_patched: bool):
    path = tmp_path / "x.mkv"
    film(path, json.dumps(prompt(f"{FOLDER}/x")))

    if is_patched:
        forget_folders(path)

    content = path.read_bytes()
    place = content.rindex(TAGS) + 4
    width = 9 - content[place].bit_length()
    size = int.from_bytes(content[place : place + width]) & ((1 << 7 * width) - 1)
    tags = content[place + width : place + width + size]
    assert tags[:2] == b"\xbf\x84"
    assert zlib.crc32(tags[6:]).to_bytes(4, "little") == tags[2:6]


def test_metadata_at_the_end_of_a_large_file_is_found(tmp_path: Path):
    path = tmp_path / "x.mp4"
    text = json.dumps(prompt(f"{FOLDER}/x")).encode()
    with path.open("wb") as file:
        file.truncate(3 * AT_AN_END)
        file.seek(0, 2)
        file.write(text)

    forget_folders(path)

    with path.open("rb") as file:
        file.seek(-len(text), 2)
        assert json.loads(file.read()) == prompt("x")


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xfftEXt", b"nothing"]
)
def test_a_file_without_it_stays_as_it_is(tmp_path: Path, content: bytes):
    path = tmp_path / "x.png"
    path.write_bytes(content)

    forget_folders(path)

    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"OggS" + b"\0" * 22 + b"%s", id="ogg-without-a-page"),
        pytest.param(b"OggS%s", id="ogg-without-a-head"),
        pytest.param(b"\x1aE\xdf\xa3%s" + TAGS, id="tags-without-a-size"),
        pytest.param(b"\x1aE\xdf\xa3" + TAGS + b"\x88\xbf\x84%s", id="tags-that-are-cut-short"),
        pytest.param(
            b"\x1aE\xdf\xa3" + TAGS + b"\x01" + b"\xff" * 7 + b"\xbf\x84%s", id="tags-without-an-end"
        ),
        pytest.param(b"\x89PNG\r\n\x1a\n\xff\xff\xff\xfftEXt%s", id="a-chunk-without-an-end"),
    ],
)
def test_a_file_that_lies_about_its_form_is_kept_as_long_as_it_is(tmp_path: Path, content: bytes):
    path = tmp_path / "x"
    path.write_bytes(content.replace(b"%s", f'"{FOLDER}/x"'.encode()))
    size = path.stat().st_size

    forget_folders(path)

    assert path.stat().st_size == size
    assert FOLDER.encode() not in path.read_bytes()


@pytest.mark.parametrize("before", range(0, 120, 7))
def test_a_text_forgets_it_over_the_edges_of_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
):
    monkeypatch.setattr(forgetting, "PIECE", 50)
    path = tmp_path / "x.txt"
    text = "." * before + f"{FOLDER}/a {FOLDER}\\\\b {FOLDER}{FOLDER}/c {FOLDER[:-1]} cw{FOLDER}"
    path.write_text(text)

    forget_in_text(path)

    assert path.read_text() == without_folders(text)
    assert [one.name for one in tmp_path.iterdir()] == ["x.txt"]


def test_a_text_forgets_it_everywhere(tmp_path: Path):
    path = tmp_path / "x.txt"
    path.write_bytes(f"/srv/output/{FOLDER}/\u732b.png\r\n{FOLDER}".encode() + b"\xff")

    forget_in_text(path)

    assert path.read_bytes() == "/srv/output/\u732b.png\r\n".encode() + b"\xff"
