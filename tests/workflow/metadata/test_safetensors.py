import io
import json

import pytest

from comfywire.workflow.metadata.bounded import BoundedFile, MalformedFile
from comfywire.workflow.metadata.safetensors import read_safetensors


def read(header: bytes, length: int | None = None) -> list[tuple[str, str]]:
    size = (len(header) if length is None else length).to_bytes(8, "little")
    return list(read_safetensors(BoundedFile(io.BytesIO(size + header))))


def test_the_texts_of_the_metadata_are_found():
    header = {"a.weight": {"dtype": "F32"}, "__metadata__": {"prompt": "{}", "format": "pt", "odd": 5}}

    assert read(json.dumps(header).encode()) == [("prompt", "{}"), ("format", "pt")]


@pytest.mark.parametrize("header", [b"{}", b"[]", b'{"__metadata__": []}'])
def test_a_file_without_metadata_has_no_texts(header):
    assert read(header) == []


@pytest.mark.parametrize(
    ("header", "length"),
    [
        pytest.param(b"{}", 100, id="a-length-beyond-the-end"),
        pytest.param(b"{}", 1 << 63, id="a-length-beyond-reason"),
        pytest.param(b"{]", None, id="no-json"),
        pytest.param(b'{"a": "\xff"}', None, id="no-utf-8"),
        pytest.param(b"[" * 100_000, None, id="nesting-beyond-reason"),
    ],
)
def test_a_damaged_header_is_refused(header, length):
    with pytest.raises(MalformedFile):
        read(header, length)
