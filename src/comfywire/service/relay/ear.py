"""One socket: what it is told, in ComfyUI's order, and what it was told of each job before."""

from __future__ import annotations

import json
import struct
import time
from dataclasses import dataclass, field
from uuid import UUID

from comfywire.service.relay.ending import EndedJob, message, status_of
from comfywire.service.relay.outbox import Outbox
from comfywire.service.relay.said import Said

__all__ = ["Ear", "without_metadata"]

REMEMBERED = 500
"""Ends that a socket does not hear twice; one may come by two ways, after a connection broke."""
FORMATS = {"image/jpeg": 1, "image/png": 2}


@dataclass(slots=True)
class _Heard:
    """What a socket has heard of one job."""

    has_begun: bool = False
    executed: set[str] = field(default_factory=set)


class Ear:
    """Tells one socket.

    Args:
        sid: The client_id of the socket.
        outbox: Frames on their way to it.

    Attributes:
        wants_metadata: Whether pictures come with their metadata (binary type 4), which it has to ask for.
        used_at: When it was opened, or was last told an end: its program may be about to send a prompt.

    """

    def __init__(self, sid: str, outbox: Outbox) -> None:
        self.sid = sid
        self.outbox = outbox
        self.wants_metadata = False
        self.used_at = time.monotonic()
        self._jobs: dict[UUID, _Heard] = {}
        self._over: dict[UUID, None] = {}
        self._remaining = 0

    def greet(self, remaining: int) -> None:
        """Say first what ComfyUI says first (server.py, websocket_handler, 0.3.64)."""
        self._remaining = remaining
        self.outbox.put("status", status_of(remaining, self.sid))

    def status(self, remaining: int, *, is_news: bool = False) -> None:
        """Say how many prompts of the caller's wait or run; as news only if that is another number."""
        if is_news and remaining == self._remaining:
            return
        self._remaining = remaining
        self.outbox.put("status", status_of(remaining))

    def hear(self, said: Said) -> None:
        """Pass a message on, as this socket wants it."""
        self._over.pop(said.job_id, None)  # somebody wants it to be run once more
        heard = self._jobs.setdefault(said.job_id, _Heard())
        if said.kind == "execution_start":
            heard.executed.clear()
            if heard.has_begun:
                return  # it was lost and runs once more: its nodes begin again, the prompt does not
            heard.has_begun = True
        elif said.kind == "executed" and isinstance(said.frame, str):
            heard.executed.add(str(json.loads(said.frame)["data"].get("node")))
        self._put(said.kind, said.frame)

    def end(self, ended: EndedJob) -> None:
        """Say how a job has ended in the store: first what was not heard, and the end last of all."""
        if ended.job_id in self._over:
            return
        self._over[ended.job_id] = None
        self.used_at = time.monotonic()
        if len(self._over) > REMEMBERED:
            del self._over[next(iter(self._over))]
        heard = self._jobs.pop(ended.job_id, _Heard())
        if ended.is_silent and not heard.has_begun:
            self.status(ended.remaining)
            return
        *before, (verdict, told) = ended.messages()
        for kind, earlier in before if not heard.has_begun else ():
            self.outbox.put(kind, message(kind, earlier))
        for node_id in ended.outputs:
            if node_id not in heard.executed:
                self.outbox.put("executed", ended.executed(node_id))
        self.outbox.put(verdict, message(verdict, told))
        self.status(ended.remaining)
        last = {"node": None, "prompt_id": str(ended.job_id)}
        self.outbox.put("executing", message("executing", last))

    def _put(self, kind: str, frame: str | bytes) -> None:
        if isinstance(frame, bytes) and not self.wants_metadata:
            frame = without_metadata(frame)
        self.outbox.put(kind, frame)


def without_metadata(frame: bytes) -> bytes:
    """Return a picture as sockets get it that did not ask for its metadata (binary type 1)."""
    (length,) = struct.unpack_from(">I", frame, 4)
    metadata, picture = json.loads(frame[8 : 8 + length]), frame[8 + length :]
    return struct.pack(">II", 1, FORMATS.get(metadata.get("image_type"), 1)) + picture
