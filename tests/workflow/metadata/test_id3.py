import io
import zlib

import pytest

from comfywire.workflow.metadata.bounded import BoundedFile, MalformedFile
from comfywire.workflow.metadata.id3 import read_mp3


def syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def frame(body: bytes, *, kind: bytes = b"TXXX", version: int = 4, flags: int = 0) -> bytes:
    if version == 2:
        return kind + len(body).to_bytes(3, "big") + body
    size = syncsafe(len(body)) if version == 4 else len(body).to_bytes(4, "big")
    return kind + size + bytes([0, flags]) + body


def tag(*frames: bytes, version: int = 4, flags: int = 0) -> bytes:
    body = b"".join(frames)
    return b"ID3" + bytes([version, 0, flags]) + syncsafe(len(body)) + body


def read(content: bytes) -> list[tuple[str, str]]:
    return list(read_mp3(BoundedFile(io.BytesIO(content))))


WIDE = b"\1" + "prompt\0".encode("utf-16") + "{}".encode("utf-16")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(tag(frame(b"\3prompt\0{}")), id="version-4"),
        pytest.param(tag(frame(b"\3prompt\0{}\0")), id="with-a-nul-behind-it"),
        pytest.param(tag(frame(b"\0prompt\0{}", version=3), version=3), id="version-3"),
        pytest.param(tag(frame(b"\0prompt\0{}", kind=b"TXX", version=2), version=2), id="version-2"),
        pytest.param(tag(frame(WIDE)), id="utf-16"),
        pytest.param(tag(frame(b"\2" + "prompt\0{}".encode("utf-16-be"))), id="utf-16-without-a-mark"),
        pytest.param(tag(frame(b"\3title", kind=b"TIT2"), frame(b"\3prompt\0{}")), id="behind-another-frame"),
        pytest.param(tag(frame(b"\3prompt\0{}"), bytes(100)), id="before-padding"),
        pytest.param(tag(syncsafe(6) + b"\1\0", frame(b"\3prompt\0{}"), flags=0x40), id="an-extended-header"),
        pytest.param(
            tag(b"\0\0\0\6" + bytes(6), frame(b"\0prompt\0{}", version=3), version=3, flags=0x40),
            id="an-extended-header-in-version-3",
        ),
        pytest.param(tag(frame(bytes(4) + b"\3prompt\0{}", flags=0x01)), id="a-length-before-the-text"),
        pytest.param(tag(frame(bytes(4) + zlib.compress(b"\3prompt\0{}"), flags=0x09)), id="compressed"),
        pytest.param(
            tag(frame(bytes(4) + zlib.compress(b"\0prompt\0{}"), version=3, flags=0x80), version=3),
            id="compressed-in-version-3",
        ),
    ],
)
def test_a_text_is_found(content):
    assert read(content) == [("prompt", "{}")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(tag(frame(b"\0a\0\xff\0\xe0", flags=0x02)), id="a-frame"),
        pytest.param(
            tag(
                frame(b"\0a\0\xff\0\xe0", version=3)[:7] + b"\5" + b"\0\0\0a\0\xff\0\xe0",
                version=3,
                flags=0x80,
            ),
            id="a-tag",
        ),
    ],
)
def test_bytes_put_in_against_false_synchronisation_are_taken_out(content):
    assert read(content) == [("a", "ÿà")]


def test_a_comment_is_found():
    assert read(tag(frame(b"\3engabout\0words", kind=b"COMM"))) == [("comment", "words")]


def test_an_mp3_without_a_tag_has_no_texts():
    assert read(b"\xff\xfb\x90\x44" + bytes(100)) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"ID3", id="nothing-but-a-name"),
        pytest.param(b"ID3\x09\0\0" + bytes(4), id="a-version-that-does-not-exist"),
        pytest.param(tag(frame(b"\3prompt\0{}"))[:-1], id="a-tag-that-breaks-off"),
        pytest.param(tag(b"TXXX" + syncsafe(1000) + b"\0\0short"), id="a-frame-larger-than-its-tag"),
        pytest.param(tag(frame(b"words", flags=0x08)), id="a-text-that-is-not-compressed"),
    ],
)
def test_a_damaged_tag_is_refused(content):
    with pytest.raises(MalformedFile):
        read(content)


def test_a_frame_without_an_end_of_its_key_has_no_text():
    assert read(tag(frame(b"\3key"), frame(b"\2\1\0"), frame(b""))) == [
        ("key", ""),
        ("Ā", ""),
        ("", ""),
    ]
