import io
import zlib

import pytest

from comfywire.workflow.metadata.bounded import BoundedFile, MalformedFile
from comfywire.workflow.metadata.png import SIGNATURE, read_png


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + bytes(4)


def read(*chunks: bytes) -> list[tuple[str, str]]:
    return list(read_png(BoundedFile(io.BytesIO(SIGNATURE + b"".join(chunks)))))


END = chunk(b"IEND")


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        pytest.param(b"tEXt", b"prompt\0{}", ("prompt", "{}"), id="text"),
        pytest.param(b"tEXt", "prompt\0č".encode(), ("prompt", "č"), id="utf-8-where-latin-1-belongs"),
        pytest.param(b"tEXt", b"prompt\0\xe9", ("prompt", "é"), id="latin-1"),
        pytest.param(b"zTXt", b"prompt\0\0" + zlib.compress(b"{}"), ("prompt", "{}"), id="compressed"),
        pytest.param(b"iTXt", b"prompt\0\0\0cs\0vyzva\0{}", ("prompt", "{}"), id="international"),
        pytest.param(
            b"iTXt", b"p\0\1\0\0\0" + zlib.compress(b"{}"), ("p", "{}"), id="international-compressed"
        ),
        pytest.param(b"comf", b"workflow\0{}", ("workflow", "{}"), id="comfyui's-own"),
        pytest.param(b"tEXt", b"no end of the key", ("no end of the key", ""), id="without-a-text"),
    ],
)
def test_a_text_chunk_gives_its_text(kind, body, text):
    assert read(chunk(b"IHDR", bytes(13)), chunk(kind, body), chunk(b"IDAT", b"x"), END) == [text]


def test_texts_behind_the_picture_are_found_but_not_behind_the_end():
    assert read(chunk(b"IDAT"), chunk(b"tEXt", b"a\0b"), END, chunk(b"tEXt", b"c\0d")) == [("a", "b")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "breaks off", id="nothing"),
        pytest.param(chunk(b"IDAT"), "breaks off", id="no-end"),
        pytest.param(b"\xff\xff\xff\xfftEXt", "more than 32 MiB", id="a-chunk-of-four-gigabytes"),
        pytest.param(b"\0\0\1\0tEXtshort", "breaks off", id="a-chunk-that-breaks-off"),
        pytest.param(chunk(b"\0\0\0\0"), "no word", id="a-type-that-is-none"),
        pytest.param(chunk(b"zTXt", b"a\0\0nonsense"), "cannot be read", id="a-text-that-is-not-compressed"),
    ],
)
def test_a_damaged_png_is_refused(content, message):
    with pytest.raises(MalformedFile, match=message):
        read(content)


def test_chunks_without_end_are_refused():
    with pytest.raises(MalformedFile, match="parts"):
        read(chunk(b"IDAT") * 200_001)
