import io

import pytest

from comfywire.workflow.metadata.bounded import BoundedFile, MalformedFile
from comfywire.workflow.metadata.riff import read_webp

EXIF = b"II*\0\x08\0\0\0\x01\0" + b"\x10\x01\x02\0\x03\0\0\0a:b\0" + bytes(4)


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + bytes(len(body) % 2)


def read(*chunks: bytes) -> list[tuple[str, str]]:
    return list(read_webp(BoundedFile(io.BytesIO(b"RIFF\0\0\0\0WEBP" + b"".join(chunks)))))


def test_exif_is_found_behind_a_chunk_of_odd_length():
    assert read(chunk(b"VP8X", b"odd"), chunk(b"EXIF", EXIF)) == [("Model", "a:b")]


def test_a_webp_without_exif_has_no_texts():
    assert read(chunk(b"VP8 ", b"picture")) == []


def test_a_chunk_that_breaks_off_is_refused():
    with pytest.raises(MalformedFile):
        read(chunk(b"EXIF", EXIF)[:-5])
