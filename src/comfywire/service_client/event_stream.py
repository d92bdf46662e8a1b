"""Server-sent events, read: what the service says of a job. The client fetches the bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Any

from comfywire.errors import UnexpectedReply

__all__ = ["ENDS", "LONGEST_LINE_BYTES", "ServerEvent", "read_events", "read_lines"]

ENDS = frozenset({"succeeded", "failed", "canceled", "expired"})
"""The states that a job does not leave."""
BATCH_END = "completed"
"""The status of a batch all of whose jobs have ended."""
LONGEST_LINE_BYTES = 64 << 20
"""Previews are the longest lines, pictures of some hundred kilobytes; what is longer is no service's."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of a job.

    Attributes:
        type: ``status``, ``progress``, ``preview``, ``output``, ``log``.
        data: As its type has it.
        id: To resume after it; None for what cannot be (previews).

    """

    type: str
    data: dict[str, Any]
    id: str | None = None

    @property
    def is_end(self) -> bool:
        """Whether the job, or the batch, has ended with it."""
        return self.type == "status" and (self.data.get("status") in ENDS or self.is_end_of_batch)

    @property
    def is_end_of_batch(self) -> bool:
        """Whether every job of a batch has ended with it."""
        return self.type == "status" and self.data.get("status") == BATCH_END


async def read_lines(chunks: AsyncIterable[bytes]) -> AsyncGenerator[str, None]:
    """Yield the lines among ``chunks``, however they are cut; one without its end was cut off.

    Only a line feed ends a line, with or without a carriage return: JSON texts hold the other characters at
    which :meth:`str.splitlines` splits.

    Raises:
        UnexpectedReply: A line is longer than 64 MiB.

    """
    rest = bytearray()
    async for chunk in chunks:
        rest += chunk
        if b"\n" in chunk:
            *lines, rest = rest.split(b"\n")
            for line in lines:
                yield line.removesuffix(b"\r").decode(errors="replace")
        if len(rest) > LONGEST_LINE_BYTES:
            raise UnexpectedReply("the event stream has a line of more than 64 MiB: is that a job service?")


async def read_events(lines: AsyncIterable[str]) -> AsyncGenerator[ServerEvent, None]:
    """Yield the events among ``lines``; comments, and what is no JSON object, are passed over.

    An event without its empty line at the end was cut off, and does not count.
    """
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
            continue
        event = _event(fields)
        fields = {}
        if event is not None:
            yield event


def _event(fields: dict[str, str]) -> ServerEvent | None:
    try:
        told = json.loads(fields.get("data", ""))
    except ValueError:
        return None
    return (
        ServerEvent(fields.get("event", "message"), told, fields.get("id"))
        if isinstance(told, dict)
        else None
    )
