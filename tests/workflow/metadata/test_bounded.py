import io
import zlib

import pytest

from comfywire.workflow.metadata.bounded import MOST_BYTES, BoundedFile, MalformedFile, decode


def bounded(content: bytes) -> BoundedFile:
    return BoundedFile(io.BytesIO(content))


def test_a_part_is_read_from_its_place():
    assert bounded(b"0123456789").at(3, 4) == b"3456"


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        pytest.param(8, 3, id="beyond-the-end"),
        pytest.param(11, 0, id="behind-the-end"),
        pytest.param(-1, 1, id="before-the-beginning"),
        pytest.param(0, -1, id="backwards"),
        pytest.param(0, MOST_BYTES + 1, id="too-much-at-once"),
    ],
)
def test_what_is_not_there_is_not_read(offset, length):
    with pytest.raises(MalformedFile):
        bounded(b"0123456789").at(offset, length)


def test_too_much_altogether_is_refused():
    file = bounded(bytes(MOST_BYTES))
    file.at(0, MOST_BYTES)
    file.at(0, MOST_BYTES)

    with pytest.raises(MalformedFile, match="more than 32 MiB"):
        file.at(0, 1)


def test_endless_small_parts_are_refused():
    file = bounded(b"x")
    for _ in range(200_000):
        file.at(0, 1)

    with pytest.raises(MalformedFile, match="more than 200000 parts"):
        file.at(0, 1)


def test_a_compressed_text_is_unpacked():
    assert bounded(b"").inflate(zlib.compress(b"text")) == b"text"


@pytest.mark.parametrize(
    ("compressed", "message"),
    [
        pytest.param(b"no zlib", "cannot be read", id="no-zlib"),
        pytest.param(zlib.compress(bytes(MOST_BYTES + 1)), "unpack to more", id="a-bomb"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(compressed, message):
    with pytest.raises(MalformedFile, match=message):
        bounded(b"").inflate(compressed)


def test_many_bombs_are_refused_though_each_is_small_enough():
    file, bomb = bounded(b""), zlib.compress(bytes(MOST_BYTES))
    file.inflate(bomb)
    file.inflate(bomb)

    with pytest.raises(MalformedFile, match="unpack to more"):
        file.inflate(zlib.compress(b"x"))


@pytest.mark.parametrize(
    ("text", "decoded"),
    [("č".encode(), "č"), (b"\xe9", "é"), (b"ended\0\0", "ended"), (b"\xe9\0", "é")],
    ids=["utf-8", "latin-1", "nuls", "latin-1-with-nul"],
)
def test_text_is_decoded_whatever_it_is(text, decoded):
    assert decode(text) == decoded
