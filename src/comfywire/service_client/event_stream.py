"""Server-sent events, read: what the service says of a job. Somebody else fetches the lines."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Any

from comfywire.service.jobs.states import TERMINAL

__all__ = ["ServerEvent", "read_events"]


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
        """Whether the job has ended with it."""
        return self.type == "status" and self.data.get("status") in set(TERMINAL)


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
