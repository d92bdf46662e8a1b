import io

import pytest

from comfywire.workflow.metadata.bounded import BoundedFile, MalformedFile
from comfywire.workflow.metadata.isobmff import read_movie, read_picture


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def keys(*names: bytes) -> bytes:
    entries = [(len(name) + 8).to_bytes(4, "big") + b"mdta" + name for name in names]
    return box(b"keys", bytes(4), len(names).to_bytes(4, "big"), *entries)


def value(number: int, text: bytes) -> bytes:
    return box(number.to_bytes(4, "big"), box(b"data", bytes(8), text))


def movie(content: bytes) -> list[tuple[str, str]]:
    return list(read_movie(BoundedFile(io.BytesIO(content))))


META = keys(b"prompt", b"workflow") + box(b"ilst", value(2, b"[]"), value(1, b"{}"))
HDLR = box(b"hdlr", bytes(8))
TEXTS = [("workflow", "[]"), ("prompt", "{}")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(box(b"moov", box(b"meta", bytes(4), HDLR, META)), id="as-in-mp4"),
        pytest.param(box(b"moov", box(b"meta", HDLR, META)), id="as-in-quicktime"),
        pytest.param(box(b"moov", box(b"udta", box(b"meta", bytes(4), HDLR, META))), id="in-user-data"),
        pytest.param(box(b"mdat", bytes(99)) + box(b"moov", box(b"meta", HDLR, META)), id="behind-the-film"),
        pytest.param(bytes(4) + box(b"moov", box(b"meta", HDLR, META))[4:], id="a-last-box-without-a-length"),
        pytest.param(
            b"\0\0\0\1mdat" + (20).to_bytes(8, "big") + bytes(4) + box(b"moov", box(b"meta", HDLR, META)),
            id="behind-a-box-with-a-long-length",
        ),
    ],
)
def test_keyed_texts_are_found(content):
    assert movie(content) == TEXTS


def test_names_of_itunes_and_quicktime_are_read():
    itunes = box(b"meta", bytes(4), HDLR, box(b"ilst", box(b"\xa9cmt", box(b"data", bytes(8), b"one"))))
    quicktime = box(b"\xa9cmt", b"\0\3\0\0two")

    assert movie(box(b"moov", box(b"udta", quicktime, itunes))) == [("comment", "two"), ("comment", "one")]


def test_a_value_without_a_key_is_passed_over():
    assert movie(
        box(b"moov", box(b"meta", HDLR, keys(b"a"), box(b"ilst", value(2, b"x"), value(1, b"y"))))
    ) == [("a", "y")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(box(b"moov", b"\0\0\xff\xffmeta"), id="a-child-larger-than-its-parent"),
        pytest.param(b"\0\0\0\4moov", id="a-length-shorter-than-its-own-field"),
        pytest.param(box(b"moov", bytes(8))[:-1], id="a-box-that-breaks-off"),
        pytest.param(b"\0\0\0\1moov", id="a-long-length-that-is-not-there"),
        pytest.param(box(b"moov", box(b"meta", HDLR, box(b"keys", bytes(16)))), id="a-key-without-a-length"),
        pytest.param(box(b"free") * 200_001, id="boxes-without-end"),
    ],
)
def test_a_damaged_movie_is_refused(content):
    with pytest.raises(MalformedFile):
        movie(content)


EXIF = b"II*\0\x08\0\0\0\x01\0" + b"\x10\x01\x02\0\x03\0\0\0a:b\0" + bytes(4)


def infe(number: int, kind: bytes) -> bytes:
    return box(b"infe", b"\2\0\0\0", number.to_bytes(2, "big"), bytes(2), kind, b"\0")


def places(*extents: tuple[int, int, int]) -> bytes:
    rows = [
        number.to_bytes(2, "big") + bytes(2) + b"\0\1" + start.to_bytes(4, "big") + length.to_bytes(4, "big")
        for number, start, length in extents
    ]
    return box(b"iloc", bytes(4), b"\x44\0", len(rows).to_bytes(2, "big"), *rows)


def picture(exif: bytes, locations: bytes) -> list[tuple[str, str]]:
    infos = box(b"iinf", bytes(4), b"\0\2", infe(1, b"av01"), infe(2, b"Exif"))
    content = box(b"mdat", exif) + box(b"meta", bytes(4), HDLR, infos, locations)
    return list(read_picture(BoundedFile(io.BytesIO(content))))


@pytest.mark.parametrize("shift", [0, 6], ids=["at-once", "behind-a-prefix"])
def test_the_exif_of_a_picture_is_found_by_its_place(shift):
    block = shift.to_bytes(4, "big") + b"Exif\0\0"[:shift] + EXIF

    assert picture(block, places((1, 0, 8), (2, 8, len(block)))) == [("Model", "a:b")]


def test_another_part_of_a_picture_is_not_exif():
    assert picture(bytes(4) + EXIF, places((1, 8, len(EXIF) + 4))) == []


@pytest.mark.parametrize(
    "locations",
    [
        pytest.param(places((2, 1 << 20, 8)), id="a-place-beyond-the-end"),
        pytest.param(places((2, 0, 0)), id="a-place-with-nothing-in-it"),
        pytest.param(box(b"iloc", bytes(4), b"\x44\0", b"\xff\xff"), id="a-list-that-breaks-off"),
        pytest.param(box(b"iloc"), id="a-list-of-nothing"),
    ],
)
def test_a_damaged_picture_is_refused(locations):
    with pytest.raises(MalformedFile):
        picture(bytes(4) + EXIF, locations)


def test_endless_places_of_no_width_end_soon():
    rows = b"\0\2\0\0\xff\xff" * 100_000
    locations = box(b"iloc", bytes(4), b"\0\0", b"\xff\xff", rows)

    assert picture(bytes(4) + EXIF, locations) == []
