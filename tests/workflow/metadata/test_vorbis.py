import io
import struct

import pytest

from comfywire.workflow.metadata.bounded import BoundedFile, MalformedFile
from comfywire.workflow.metadata.vorbis import read_flac, read_ogg


def comments(*texts: bytes, count: int | None = None) -> bytes:
    rows = [struct.pack("<I", len(text)) + text for text in texts]
    return (
        struct.pack("<I", 4)
        + b"FFmp"
        + struct.pack("<I", len(texts) if count is None else count)
        + b"".join(rows)
    )


def block(kind: int, body: bytes, *, is_last: bool = False) -> bytes:
    return bytes([kind | (0x80 if is_last else 0)]) + len(body).to_bytes(3, "big") + body


def flac(content: bytes) -> list[tuple[str, str]]:
    return list(read_flac(BoundedFile(io.BytesIO(b"fLaC" + content))))


def page(body: bytes, *, serial: int = 1, is_first: bool = False, continues: bool = False) -> bytes:
    sizes = [255] * (len(body) // 255) + ([] if continues else [len(body) % 255])
    header = b"OggS\0" + bytes([2 if is_first else 0]) + bytes(8) + struct.pack("<I", serial) + bytes(8)
    return header + bytes([len(sizes)]) + bytes(sizes) + body


def ogg(*pages: bytes) -> list[tuple[str, str]]:
    return list(read_ogg(BoundedFile(io.BytesIO(b"".join(pages)))))


TEXTS = comments(b"PROMPT={}", b"WORKFLOW=a=b")
FOUND = [("PROMPT", "{}"), ("WORKFLOW", "a=b")]


def test_comments_of_a_flac_are_found_behind_other_blocks():
    assert flac(block(0, bytes(34)) + block(4, TEXTS, is_last=True)) == FOUND


def test_a_flac_without_comments_has_no_texts():
    assert flac(block(0, bytes(34), is_last=True) + block(4, TEXTS)) == []


@pytest.mark.parametrize(
    ("head", "start"),
    [
        pytest.param(b"OpusHead", b"OpusTags", id="opus"),
        pytest.param(b"\x01vorbis", b"\x03vorbis", id="vorbis"),
        pytest.param(b"\x7fFLAC", b"\x84\0\0\0", id="flac"),
    ],
)
def test_comments_of_an_ogg_are_found(head, start):
    assert ogg(page(head, is_first=True), page(start + TEXTS)) == FOUND


def test_comments_that_go_on_over_pages_are_put_together():
    long = b"OpusTags" + comments(b"PROMPT=" + b"x" * 100_000)
    pages = [
        page(long[at : at + 25_500], continues=at + 25_500 < len(long)) for at in range(0, len(long), 25_500)
    ]

    assert ogg(page(b"OpusHead", is_first=True), *pages) == [("PROMPT", "x" * 100_000)]


def test_streams_side_by_side_are_told_apart():
    pages = [
        page(b"\x80theora", serial=1, is_first=True),
        page(b"OpusHead", serial=2, is_first=True),
        page(b"unknown!", serial=3, is_first=True),
        page(b"anything", serial=3),
        page(b"\x81theora" + comments(b"A=1"), serial=1),
        page(b"OpusTags" + comments(b"B=2"), serial=2),
    ]

    assert ogg(*pages) == [("A", "1"), ("B", "2")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(block(4, comments(b"A=1")[:-1], is_last=True), id="a-comment-that-breaks-off"),
        pytest.param(
            block(4, comments(b"A=1", count=0xFFFFFFFF), is_last=True), id="comments-that-are-not-there"
        ),
        pytest.param(block(4, b"\xff\xff\xff\xff", is_last=True), id="a-length-beyond-the-end"),
        pytest.param(block(0, bytes(34)), id="no-last-block"),
    ],
)
def test_a_damaged_flac_is_refused(content):
    with pytest.raises(MalformedFile):
        flac(content)


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param(
            [page(b"OpusHead", is_first=True), page(b"OpusBags")], id="something-else-than-comments"
        ),
        pytest.param([page(b"OpusHead", is_first=True), b"Ogg?" + bytes(40)], id="no-page-where-one-belongs"),
        pytest.param([page(b"OpusHead", is_first=True)[:-1]], id="a-page-that-breaks-off"),
        pytest.param([page(b"OpusHead", is_first=True), page(b"")], id="an-empty-packet"),
    ],
)
def test_a_damaged_ogg_is_refused(pages):
    with pytest.raises(MalformedFile):
        ogg(*pages)


def test_pages_without_end_end():
    assert ogg(page(b"OpusHead", is_first=True), page(b"x" * 255, serial=2) * 30_000) == []


def test_a_page_without_parts_is_passed_over():
    empty = page(b"", continues=True)

    assert ogg(page(b"OpusHead", is_first=True), empty, page(b"OpusTags" + TEXTS)) == FOUND
