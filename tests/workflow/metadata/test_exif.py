import struct

import pytest

from comfywire.workflow.metadata.bounded import MalformedFile
from comfywire.workflow.metadata.exif import parse_exif


def tiff(*entries: tuple[int, int, bytes], order: str = "<", prefix: bytes = b"") -> bytes:
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    table, contents = struct.pack(order + "H", len(entries)), b""
    start = 8 + 2 + 12 * len(entries) + 4
    for tag, kind, content in entries:
        table += struct.pack(order + "HHI", tag, kind, len(content) // (4 if kind == 4 else 1))
        if len(content) <= 4:
            table += content.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", start + len(contents))
            contents += content
    return prefix + head + table + bytes(4) + contents


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"], ids=["plain", "prefixed"])
def test_texts_are_found_in_either_byte_order(order, prefix):
    block = tiff((0x0110, 2, b"prompt:{}\0"), (0x010F, 2, b"workflow: []\0"), order=order, prefix=prefix)

    assert list(parse_exif(block)) == [("prompt", "{}"), ("workflow", "[]")]


@pytest.mark.parametrize(
    ("tag", "kind", "content", "text"),
    [
        pytest.param(0x010E, 2, b"Workflow:{}", ("Workflow", "{}"), id="a-key-in-the-text"),
        pytest.param(
            0x010E, 2, b"a picture: of a cat", ("ImageDescription", "a picture: of a cat"), id="no-json"
        ),
        pytest.param(0x010E, 2, b"{}\0", ("ImageDescription", "{}"), id="a-text-of-four-bytes-or-less"),
        pytest.param(0xABCD, 2, b"words\0", ("0xABCD", "words"), id="a-tag-without-a-name"),
        pytest.param(0x9286, 7, b"ASCII\0\0\0words", ("UserComment", "words"), id="an-ascii-comment"),
        pytest.param(
            0x9286, 7, b"UNICODE\0" + "č".encode("utf-16-le"), ("UserComment", "č"), id="a-wide-comment"
        ),
        pytest.param(0x9286, 7, b"UNICODE\0" + "č".encode("utf-16"), ("UserComment", "č"), id="with-a-mark"),
        pytest.param(
            0x9286, 7, b"UNICODE\0" + "{}".encode("utf-16-be"), ("UserComment", "{}"), id="as-piexif-does"
        ),
        pytest.param(
            0x9286, 7, b"words without a charset", ("UserComment", "words without a charset"), id="bare"
        ),
        pytest.param(
            0x9C9C, 1, "words".encode("utf-16-le"), ("XPComment", "words"), id="a-comment-of-windows"
        ),
        pytest.param(
            0x0110, 2, b"a" + b" " * 100_000, ("Model", "a" + " " * 100_000), id="blanks-without-end"
        ),
    ],
)
def test_a_tag_gives_its_text(tag, kind, content, text):
    assert list(parse_exif(tiff((tag, kind, content)))) == [text]


def test_the_directory_below_is_read():
    below = tiff((0x9286, 7, b"ASCII\0\0\0words"))
    moved = bytearray(below[8:])
    block = tiff((0x8769, 4, struct.pack("<I", 26)))
    moved[10:14] = struct.pack("<I", 26 + 18)

    assert list(parse_exif(block + bytes(moved))) == [("UserComment", "words")]


def test_a_directory_that_points_to_itself_is_read_once_more_only():
    block = tiff((0x8769, 4, struct.pack("<I", 8)), (0x0110, 2, b"words\0"))

    assert list(parse_exif(block)) == [("Model", "words"), ("Model", "words")]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"XX*\0\x08\0\0\0", id="no-byte-order"),
        pytest.param(b"II*\0\xff\xff\xff\xff", id="a-directory-beyond-the-end"),
        pytest.param(tiff((0x0110, 2, b"words"))[:-2], id="a-text-beyond-the-end"),
        pytest.param(b"II*\0\x08\0\0\0\xff\xff", id="entries-that-are-not-there"),
    ],
)
def test_a_damaged_block_is_refused(block):
    with pytest.raises(MalformedFile):
        list(parse_exif(block))


def test_entries_that_all_point_to_one_place_are_refused():
    entry = struct.pack("<HHII", 0x0110, 2, 100_000, 8)
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 1000) + entry * 1000 + bytes(100_000)

    with pytest.raises(MalformedFile, match="more than it does"):
        list(parse_exif(block))
