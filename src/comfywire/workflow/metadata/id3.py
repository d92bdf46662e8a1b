"""ID3v2: the user-defined texts (TXXX) and comments at the beginning of an MP3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfywire.workflow.metadata.bounded import MalformedFile, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.metadata.bounded import BoundedFile, Text

__all__ = ["read_mp3"]

_CODECS = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}
_USER_TEXTS = frozenset({b"TXXX", b"TXX"})
_COMMENTS = frozenset({b"COMM", b"COM"})
_MOST_FRAMES = 100_000


@dataclass(frozen=True, slots=True)
class _Form:
    """How frames are laid out: it changed with every version."""

    id_width: int
    size_width: int
    has_flags: bool
    is_syncsafe: bool

    @property
    def header_width(self) -> int:
        return self.id_width + self.size_width + (2 if self.has_flags else 0)


_FORMS = {
    2: _Form(3, 3, has_flags=False, is_syncsafe=False),
    3: _Form(4, 4, has_flags=True, is_syncsafe=False),
    4: _Form(4, 4, has_flags=True, is_syncsafe=True),
}


def read_mp3(file: BoundedFile) -> Iterator[Text]:
    """Yield the texts of an MP3's ID3 tag; an MP3 without one yields nothing.

    Raises:
        MalformedFile: It is damaged.

    """
    header = file.at(0, min(10, file.size))
    if header[:3] != b"ID3":
        return
    form = _FORMS.get(header[3]) if len(header) == 10 else None
    if form is None:
        raise MalformedFile("its ID3 tag is cut off, or of an unknown version")
    tag = file.at(10, _syncsafe(header[6:10]))
    is_unsynchronised, is_extended = bool(header[5] & 0x80), bool(header[5] & 0x40)
    if is_unsynchronised and not form.is_syncsafe:  # in version 4 each frame says so itself
        tag = _resynchronise(tag)
    if is_extended and form.has_flags:
        tag = tag[_syncsafe(tag[:4]) if form.is_syncsafe else int.from_bytes(tag[:4], "big") + 4 :]
    for frame_id, flags, body in _frames(tag, form):
        yield _read_text(frame_id, _open(file, body, flags=flags, form=form))


def _frames(tag: bytes, form: _Form) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield (id, flags, body) of the frames that hold texts."""
    offset = 0
    for _ in range(_MOST_FRAMES):
        if offset + form.header_width > len(tag) or not tag[offset]:  # zeros are padding
            return
        frame_id = tag[offset : offset + form.id_width]
        size = tag[offset + form.id_width : offset + form.id_width + form.size_width]
        length = _syncsafe(size) if form.is_syncsafe else int.from_bytes(size, "big")
        start = offset + form.header_width
        if start + length > len(tag):
            raise MalformedFile("it has an ID3 frame that does not fit into its tag")
        if frame_id in _USER_TEXTS | _COMMENTS:
            flags = tag[start - 1] if form.has_flags else 0
            yield frame_id, flags, tag[start : start + length]
        offset = start + length


def _open(file: BoundedFile, body: bytes, *, flags: int, form: _Form) -> bytes:
    if form.is_syncsafe:
        body = body[4:] if flags & 0x01 else body  # the length before compression
        body = _resynchronise(body) if flags & 0x02 else body
        return file.inflate(body) if flags & 0x08 else body
    return file.inflate(body[4:]) if flags & 0x80 else body


def _read_text(frame_id: bytes, body: bytes) -> Text:
    codec = _CODECS.get(body[0] if body else 0, "latin-1")
    end = b"\0\0" if "16" in codec else b"\0"
    if frame_id in _COMMENTS:
        _, text = _split(body[4:], end)
        return "comment", _decode(text, codec)
    key, text = _split(body[1:], end)
    return _decode(key, codec), _decode(text, codec)


def _split(body: bytes, end: bytes) -> tuple[bytes, bytes]:
    at = body.find(end)
    while at != -1 and at % len(end):  # two zeros count where a character of two bytes begins
        at = body.find(end, at + 1)
    return (body, b"") if at == -1 else (body[:at], body[at + len(end) :])


def _decode(text: bytes, codec: str) -> str:
    return decode(text) if codec in {"latin-1", "utf-8"} else text.decode(codec, "replace").rstrip("\0")


def _syncsafe(size: bytes) -> int:
    number = 0
    for byte in size:
        number = number << 7 | byte & 0x7F
    return number


def _resynchronise(tag: bytes) -> bytes:
    return tag.replace(b"\xff\x00", b"\xff")
