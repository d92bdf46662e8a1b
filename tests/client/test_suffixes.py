"""Bytes that come without a name are kept under the suffix of what they are."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import av
import pytest
from PIL import Image

from comfywire import Client
from comfywire.client.files.suffixes import suffix_of
from comfywire.server import Server


def picture(kind: str) -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(encoded, kind)
    return encoded.getvalue()


def recording(kind: str, codec: str, *, is_sound: bool = False) -> bytes:
    encoded = io.BytesIO()
    with av.open(encoded, "w", format=kind) as container:
        if is_sound:
            sound: Any = container.add_stream(codec, rate=48000)
            frame = emptied(av.AudioFrame(format="s16", layout="stereo", samples=1024))
            frame.rate = 48000
            for packet in [
                *sound.encode(av.AudioResampler(sound.format, "stereo", 48000).resample(frame)[0])
            ]:
                container.mux(packet)
            container.mux(list(sound.encode(None)))
        else:
            film: Any = container.add_stream(codec, rate=8)
            film.width = film.height = 32
            film.pix_fmt = "yuv420p"
            frame = emptied(av.VideoFrame(32, 32, "yuv420p"))
            container.mux([*film.encode(frame), *film.encode(None)])
    return encoded.getvalue()


def emptied(frame: Any) -> Any:
    """Without the memory that it was made of: one of 300 such sounds as MP3 passed for a film (VVC)."""
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("PNG", ".png"),
        ("JPEG", ".jpg"),
        ("GIF", ".gif"),
        ("BMP", ".bmp"),
        ("TIFF", ".tiff"),
        ("WEBP", ".webp"),
        ("AVIF", ".avif"),
        ("ICO", ".ico"),
    ],
)
def test_a_picture_is_known(kind: str, suffix: str):
    assert suffix_of(picture(kind)[:4096]) == suffix


@pytest.mark.parametrize(
    ("make", "suffix"),
    [
        pytest.param(lambda: recording("mp4", "mpeg4"), ".mp4", id="mp4"),
        pytest.param(lambda: recording("mov", "mpeg4"), ".mov", id="mov"),
        pytest.param(lambda: recording("matroska", "mpeg4"), ".mkv", id="mkv"),
        pytest.param(lambda: recording("webm", "libvpx-vp9"), ".webm", id="webm"),
        pytest.param(lambda: recording("avi", "mpeg4"), ".avi", id="avi"),
        pytest.param(lambda: recording("mpegts", "mpeg2video"), ".ts", id="ts"),
        pytest.param(lambda: recording("flv", "flv"), ".flv", id="flv"),
        pytest.param(lambda: recording("mp3", "libmp3lame", is_sound=True), ".mp3", id="mp3"),
        pytest.param(lambda: recording("ipod", "aac", is_sound=True), ".m4a", id="m4a"),
        pytest.param(lambda: recording("adts", "aac", is_sound=True), ".aac", id="aac"),
        pytest.param(lambda: recording("flac", "flac", is_sound=True), ".flac", id="flac"),
        pytest.param(lambda: recording("wav", "pcm_s16le", is_sound=True), ".wav", id="wav"),
        pytest.param(lambda: recording("ogg", "libopus", is_sound=True), ".opus", id="opus"),
        pytest.param(lambda: recording("aiff", "pcm_s16be", is_sound=True), ".aiff", id="aiff"),
    ],
)
def test_a_recording_is_known(make: Callable[[], bytes], suffix: str):
    assert suffix_of(make()[:4096]) == suffix


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"ID3\x04\0", ".mp3"),
        (b"OggS" + bytes(24) + b"\x01vorbis", ".ogg"),
        (b"OggS" + bytes(24) + b"\x80theora", ".ogv"),
        (b"glTF\2\0\0\0", ".glb"),
        (b"ply\nformat ascii 1.0\n", ".ply"),
        (b"Kaydara FBX Binary  \0", ".fbx"),
        (b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="x">', ".svg"),
        (b"\0\0\0\x14ftypheic", ".heic"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", ".mov"),
        (b"RIFF\0\0\0\0junk", ".bin"),
        (b"<html>", ".bin"),
        (b"what", ".bin"),
        (b"", ".bin"),
    ],
)
def test_other_files_are_known_by_their_beginning(head: bytes, suffix: str):
    assert suffix_of(head) == suffix


@pytest.mark.parametrize("profile", ["0.3.64", "0.33.0"])
async def test_a_video_that_is_given_as_bytes_is_kept_as_one(profile: Any):
    graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "x.mp4"}},
        "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    async with Server(profile=profile) as server, Client(server.url) as client:
        result = await client.run(graph, inputs={"LoadVideo.file": recording("mp4", "mpeg4")})

    assert result.inputs["LoadVideo.file"].endswith(".mp4")
    assert result.outputs
