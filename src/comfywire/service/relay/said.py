"""One message of a ComfyUI about a job, and for whom it is."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

__all__ = ["PASSING", "PICTURE", "PREVIEW", "Audience", "Said"]

PREVIEW, PICTURE = "preview", "picture"
"""What binary frames are: news of a node at work, and results of SaveImageWebsocket."""
PASSING = frozenset({"progress", "progress_state", PREVIEW})
"""The kinds of which the next one makes the last one worthless."""


@dataclass(frozen=True, slots=True)
class Audience:
    """The sockets of one client_id of one key; other keys may use the same client_id."""

    key_id: UUID
    client_id: str


@dataclass(frozen=True, slots=True)
class Said:
    """One message.

    Attributes:
        job_id: Which job it is about.
        audience: Whose sockets it is for.
        kind: ComfyUI's word for it, or what the binary frame is.
        frame: As it goes over a socket; pictures with their metadata (binary type 4).
        socket: The only one that it is for; None for all of the audience.

    """

    job_id: UUID
    audience: Audience
    kind: str
    frame: str | bytes
    socket: UUID | None = None

    @property
    def is_passing(self) -> bool:
        """Whether the next one of its kind makes it worthless."""
        return self.kind in PASSING
