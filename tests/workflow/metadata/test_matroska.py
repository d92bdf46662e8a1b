import io

import pytest

from comfywire.workflow.metadata.bounded import BoundedFile, MalformedFile
from comfywire.workflow.metadata.matroska import SIGNATURE, read_matroska

SEGMENT, TAGS, TAG, SIMPLE = b"\x18\x53\x80\x67", b"\x12\x54\xc3\x67", b"\x73\x73", b"\x67\xc8"
NAME, STRING, CLUSTER, TIME = b"\x45\xa3", b"\x44\x87", b"\x1f\x43\xb6\x75", b"\xe7"
UNKNOWN = b"\xff"


def element(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return kind + (len(body) | 1 << 28).to_bytes(4, "big") + body


def read(content: bytes) -> list[tuple[str, str]]:
    return list(read_matroska(BoundedFile(io.BytesIO(SIGNATURE + b"\x80" + content))))


TAGGED = element(TAGS, element(TAG, element(SIMPLE, element(NAME, b"PROMPT"), element(STRING, b"{}"))))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(element(SEGMENT, TAGGED), id="plain"),
        pytest.param(element(SEGMENT, element(CLUSTER, bytes(99)), TAGGED), id="behind-the-film"),
        pytest.param(SEGMENT + UNKNOWN + TAGGED, id="in-a-segment-of-unknown-length"),
        pytest.param(
            SEGMENT + UNKNOWN + CLUSTER + UNKNOWN + element(TIME, b"\0") + TAGGED,
            id="behind-a-cluster-of-unknown-length",
        ),
        pytest.param(
            SEGMENT + b"\x01" + bytes(6) + bytes([len(TAGGED)]) + TAGGED, id="a-length-of-eight-bytes"
        ),
    ],
)
def test_tags_are_found(content):
    assert read(content) == [("PROMPT", "{}")]


def test_a_tag_without_a_text_is_empty():
    assert read(element(SEGMENT, element(TAGS, element(TAG, element(SIMPLE, element(NAME, b"A")))))) == [
        ("A", "")
    ]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(element(SEGMENT, TAGGED)[:-1], id="a-segment-that-breaks-off"),
        pytest.param(element(SEGMENT, TAGS + b"\xfe"), id="a-child-larger-than-its-parent"),
        pytest.param(SEGMENT + b"\x00", id="a-number-that-is-none"),
        pytest.param(SEGMENT, id="an-element-without-a-length"),
        pytest.param(SEGMENT + UNKNOWN + (TAGS + UNKNOWN) * 100_000, id="nesting-without-end"),
    ],
)
def test_a_damaged_file_is_refused(content):
    with pytest.raises(MalformedFile):
        read(content)
