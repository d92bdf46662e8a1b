"""``multipart/form-data``, read while it comes: parts are streamed, and none is whole in memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from typing import TypeAlias

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from comfywire.errors import ComfywireError

__all__ = ["MalformedForm", "Part", "parts"]

MOST_TEXT = 64 << 10
"""Bytes that a field may have which is no file."""


class MalformedForm(ComfywireError):
    """The body is no multipart form, or is cut off."""

    code = "invalid_request"
    http_status = 422


@dataclass(frozen=True, slots=True)
class _Begin:
    headers: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class _End:
    pass


_Event: TypeAlias = "_Begin | bytes | _End"


@dataclass(slots=True)
class Part:
    """One part of a form.

    Attributes:
        name: The field's name.
        filename: The file's name as the client has it; None where the part is no file.
        content_type: The type that the part's own header gives, or None.

    """

    name: str
    filename: str | None
    content_type: str | None
    _events: AsyncIterator[_Event] = field(repr=False)
    _is_over: bool = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the part's bytes as they come.

        Raises:
            MalformedForm: The body ends within the part.

        """
        while not self._is_over:
            match await anext(self._events, None):
                case bytes(chunk):
                    yield chunk
                case _End():
                    self._is_over = True
                case _:
                    raise MalformedForm(f"the form ends in the middle of {self.name!r}: send it once more")

    async def text(self) -> str:
        """Return a short part as text.

        Raises:
            MalformedForm: The part is longer than 64 KiB, or not UTF-8.

        """
        whole = bytearray()
        async for chunk in self.chunks():
            whole += chunk
            if len(whole) > MOST_TEXT:
                raise MalformedForm(f"field {self.name!r} is longer than {MOST_TEXT} bytes: shorten it")
        try:
            return whole.decode()
        except UnicodeDecodeError:
            raise MalformedForm(f"field {self.name!r} is not UTF-8: encode it so") from None


async def parts(content_type: str, body: AsyncIterable[bytes]) -> AsyncGenerator[Part, None]:
    """Yield the parts of a form, in the order in which they come.

    All parts come out of one stream. So the caller reads a part before it asks for the next one; bytes of a
    part that the caller has not read by then are skipped.

    Raises:
        MalformedForm: The body is no form, or is cut off.

    """
    async with contextlib.aclosing(_events(_boundary(content_type), body)) as events:
        while (event := await anext(events, None)) is not None:
            if isinstance(event, _Begin):
                part = _part(event.headers, events)
                yield part
                async for _ in part.chunks():
                    pass


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise MalformedForm("the body must be multipart/form-data, with a boundary")
    return options[b"boundary"]


def _part(headers: dict[bytes, bytes], events: AsyncIterator[_Event]) -> Part:
    _, options = parse_options_header(headers.get(b"content-disposition"))
    if b"name" not in options:
        raise MalformedForm("a part of the form has no name: send Content-Disposition with one")
    filename, kind = options.get(b"filename"), headers.get(b"content-type")
    return Part(
        options[b"name"].decode("utf-8", "replace"),
        None if filename is None else filename.decode("utf-8", "replace"),
        None if kind is None else kind.decode("latin-1"),
        events,
    )


async def _events(boundary: bytes, body: AsyncIterable[bytes]) -> AsyncGenerator[_Event, None]:
    heard = _Heard()
    try:
        parser = heard.parser(boundary)
        async for chunk in body:
            parser.write(chunk)
            for event in heard.taken():
                yield event
        parser.finalize()
    except FormParserError as error:
        raise MalformedForm(f"the form cannot be read: {error}") from error
    if not heard.is_over:
        raise MalformedForm("the form ends before its last boundary: send it once more")


class _Heard:
    """Collects the parser's callbacks as events, until they are taken."""

    def __init__(self) -> None:
        self.is_over = False
        self._events: list[_Event] = []
        self._headers: dict[bytes, bytes] = {}
        self._name = b""
        self._value = b""

    def parser(self, boundary: bytes) -> MultipartParser:
        return MultipartParser(
            boundary,
            {
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": lambda: self._events.append(_End()),
                "on_end": self._on_end,
            },
        )

    def taken(self) -> list[_Event]:
        events, self._events = self._events, []
        return events

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _on_headers_finished(self) -> None:
        self._events.append(_Begin(self._headers))
        self._headers = {}

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(data[start:end])

    def _on_end(self) -> None:
        self.is_over = True
