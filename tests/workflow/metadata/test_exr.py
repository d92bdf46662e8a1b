import io

import pytest

from comfywire.workflow.metadata.bounded import BoundedFile, MalformedFile
from comfywire.workflow.metadata.exr import SIGNATURE, read_exr


def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
    return name + b"\0" + kind + b"\0" + len(value).to_bytes(4, "little") + value


def read(content: bytes) -> list[tuple[str, str]]:
    return list(read_exr(BoundedFile(io.BytesIO(SIGNATURE + b"\2\0\0\0" + content))))


def test_texts_are_found_among_other_attributes():
    header = (
        attribute(b"lineOrder", b"lineOrder", b"\0") + attribute(b"prompt", b"string", b"{}") + b"\0pixels"
    )

    assert read(header) == [("prompt", "{}")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(attribute(b"a", b"string", b"{}"), id="no-end"),
        pytest.param(attribute(b"a", b"string", b"{}")[:-1], id="a-text-that-breaks-off"),
        pytest.param(b"x" * 300 + b"\0", id="a-name-that-is-too-long"),
        pytest.param(attribute(b"a", b"string", b"") * 100_000, id="attributes-without-end"),
        pytest.param(b"a\0string\0\xff\xff\xff\xff", id="a-text-of-four-gigabytes"),
    ],
)
def test_a_damaged_header_is_refused(content):
    with pytest.raises(MalformedFile):
        read(content)
