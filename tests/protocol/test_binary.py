"""Binary frames become previews and texts; other layouts are kept raw."""

import contextlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfywire.errors import UnexpectedReply
from comfywire.protocol.binary import parse_binary
from comfywire.protocol.messages import PreviewImage, ProgressText, Unknown

JPEG, PNG = b"\xff\xd8jpeg", b"\x89PNG..."


def frame(kind: int, *parts: bytes | int) -> bytes:
    return struct.pack(">I", kind) + b"".join(
        struct.pack(">I", part) if isinstance(part, int) else part for part in parts
    )


def with_metadata(metadata: object, image: bytes) -> bytes:
    header = json.dumps(metadata).encode()
    return frame(4, len(header), header, image)


IDS = {"prompt_id": "p", "node_id": "3", "display_node_id": "2", "image_type": "image/png", "new": 1}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(frame(1, 1, JPEG), PreviewImage(JPEG, "image/jpeg"), id="jpeg"),
        pytest.param(frame(1, 2, PNG), PreviewImage(PNG, "image/png"), id="png"),
        pytest.param(
            frame(1, 1, PNG), PreviewImage(PNG, "image/png"), id="the-bytes-are-right-about-themselves"
        ),
        pytest.param(frame(2, 1, JPEG), PreviewImage(JPEG, "image/jpeg"), id="type-2"),
        pytest.param(frame(3, 2, b"10", "höflich".encode()), ProgressText("10", "höflich"), id="text"),
        pytest.param(frame(3, 1, b"1", b"\xff"), ProgressText("1", "\ufffd"), id="text-that-is-not-utf8"),
        pytest.param(
            with_metadata(IDS, PNG), PreviewImage(PNG, "image/png", "p", "3", "2"), id="with-metadata"
        ),
        pytest.param(with_metadata({}, JPEG), PreviewImage(JPEG, "image/jpeg"), id="metadata-without-ids"),
        pytest.param(
            with_metadata({"node_id": 3}, JPEG), PreviewImage(JPEG, "image/jpeg"), id="metadata-of-odd-types"
        ),
        pytest.param(
            with_metadata([], PNG), Unknown(4, with_metadata([], PNG)), id="metadata-that-is-a-list"
        ),
        pytest.param(frame(1, 7, PNG), Unknown(1, frame(1, 7, PNG)), id="a-pack-of-its-own-layout"),
        pytest.param(frame(99, b"x"), Unknown(99, frame(99, b"x")), id="a-type-of-its-own"),
    ],
)
def test_a_binary_frame_becomes_its_message(raw: bytes, expected: object) -> None:
    assert parse_binary(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [b"", b"\0\0", frame(1), frame(3, 9, b"short"), frame(4, 900, b"{}"), frame(4, 2, b"no", PNG)],
    ids=["empty", "half-a-type", "no-format", "short-node", "short-metadata", "metadata-is-not-json"],
)
def test_a_broken_frame_raises_our_own_error(raw: bytes) -> None:
    with pytest.raises(UnexpectedReply):
        parse_binary(raw)


@given(st.binary(max_size=64) | st.builds(frame, st.integers(0, 5), st.binary()))
def test_any_bytes_are_a_message_or_our_own_error(raw: bytes) -> None:
    with contextlib.suppress(UnexpectedReply):
        parse_binary(raw)
