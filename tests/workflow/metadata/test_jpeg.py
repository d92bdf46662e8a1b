import io

import pytest

from comfywire.workflow.metadata.bounded import BoundedFile, MalformedFile
from comfywire.workflow.metadata.jpeg import read_jpeg


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def read(content: bytes) -> list[tuple[str, str]]:
    return list(read_jpeg(BoundedFile(io.BytesIO(b"\xff\xd8" + content))))


SCAN = b"\xff\xda"
COMMENT = segment(0xFE, b"words")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(COMMENT + SCAN, id="first"),
        pytest.param(segment(0xE0, b"JFIF") + COMMENT + SCAN, id="behind-another-segment"),
        pytest.param(b"\xff\xff\xff" + COMMENT[1:] + SCAN, id="behind-fill-bytes"),
        pytest.param(b"\xff\x01" + COMMENT + SCAN, id="behind-a-marker-without-a-body"),
        pytest.param(segment(0xE1, b"http://ns.adobe.com/xap") + COMMENT + SCAN, id="behind-xmp"),
        pytest.param(COMMENT + SCAN + COMMENT, id="before-the-scan-only"),
        pytest.param(COMMENT + b"\xff\xd9", id="without-a-scan"),
    ],
)
def test_a_comment_is_found(content):
    assert read(content) == [("comment", "words")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"words", id="no-marker"),
        pytest.param(COMMENT[:-1], id="a-comment-that-breaks-off"),
        pytest.param(segment(0xFE, b"")[:3], id="a-length-that-breaks-off"),
        pytest.param(b"\xff\xe0\0\0" * 250_000, id="segments-without-end"),
    ],
)
def test_a_damaged_jpeg_is_refused(content):
    with pytest.raises(MalformedFile):
        read(content)
