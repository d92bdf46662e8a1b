"""Matroska and WebM: tags, whose keys FFmpeg writes in capitals (``PROMPT``, ``WORKFLOW``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfywire.workflow.metadata.bounded import MalformedFile, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.metadata.bounded import BoundedFile, Text

__all__ = ["SIGNATURE", "read_matroska"]

SIGNATURE = b"\x1a\x45\xdf\xa3"
_SEGMENT, _TAGS, _TAG, _SIMPLE_TAG, _NAME, _STRING = (
    0x18538067, 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Element:
    id: int
    start: int
    end: int


def read_matroska(file: BoundedFile) -> Iterator[Text]:
    """Yield the texts of a file's tags.

    Raises:
        MalformedFile: It is damaged.

    """
    for segment in _find(file, 0, file.size, _SEGMENT):
        for tags in _find(file, segment.start, segment.end, _TAGS):
            for tag in _find(file, tags.start, tags.end, _TAG):
                for simple in _find(file, tag.start, tag.end, _SIMPLE_TAG):
                    yield _read_simple(file, simple)


def _read_simple(file: BoundedFile, simple: _Element) -> Text:
    texts = {
        element.id: decode(file.at(element.start, element.end - element.start))
        for element in _elements(file, simple.start, simple.end)
        if element.id in {_NAME, _STRING}
    }
    return texts.get(_NAME, ""), texts.get(_STRING, "")


def _find(file: BoundedFile, start: int, end: int, wanted: int) -> Iterator[_Element]:
    return (element for element in _elements(file, start, end) if element.id == wanted)


def _elements(file: BoundedFile, start: int, end: int) -> Iterator[_Element]:
    offset = start
    while offset < end:
        header = file.at(offset, min(12, file.size - offset))
        element_id, id_width = _number(header, keep_marker=True)
        length, length_width = _number(header[id_width:])
        body = offset + id_width + length_width
        # All ones: the length was not known when it was written (a live stream). A segment then lasts to the
        # end; what is in a cluster is looked at as if it stood beside it: no id means two things.
        is_unknown = length == (1 << 7 * length_width) - 1
        after = end if is_unknown else body + length
        if after > end:
            raise MalformedFile("it has an element that does not fit into its place")
        yield _Element(element_id, body, after)
        offset = body if is_unknown and element_id != _SEGMENT else after


def _number(header: bytes, *, keep_marker: bool = False) -> tuple[int, int]:
    """Return a number and how many bytes it took: as many as its first byte has zeros in front, and one."""
    width = 9 - header[0].bit_length() if header else 9
    if width > min(8, len(header)):
        raise MalformedFile("it has a number that is none")
    number = int.from_bytes(header[:width], "big")
    return (number if keep_marker else number & (1 << 7 * width) - 1), width
