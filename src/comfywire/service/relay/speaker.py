"""Passes on what a ComfyUI says of one job to the sockets of ComfyUI's own API that want to hear it.

The messages go as they came, in the ComfyUI's order, but for three things. Where the job is, and in which
folder its files are, shows nowhere: the files' ``subfolder`` names the job. News of a node at work come as
often as people can look. And nothing says that the prompt has ended: what the ComfyUI says of that is only
true once the end is in the store, and then whoever reads it there tells it (``relay/hub.py``).
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from comfywire.client.events import (
    Event,
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    PreviewImage,
    Progress,
    ProgressState,
    SocketImage,
    Unknown,
)
from comfywire.service.jobs.claims import Claim
from comfywire.service.jobs.native_names import shown_output
from comfywire.service.jobs.output_folders import without_folders
from comfywire.service.relay.relay import Relay
from comfywire.service.relay.said import PICTURE, PREVIEW, Audience, Said

__all__ = ["Speaker", "entry_of", "with_metadata"]

PAUSE = 0.05
"""Seconds between two times that news of nodes at work are passed on: nobody sees more than 20 a second."""
ORDER = {"executed": 1, "executing": 2, "progress_state": 3}
"""In which order it is said how things stand, after ``execution_start`` and ``execution_cached``."""
WITH_METADATA = struct.pack(">I", 4)
"""How a picture begins that says where it is from (protocol.py, BinaryEventTypes, 0.3.64)."""


class Speaker:
    """Speaks of one run of one job.

    Args:
        claim: On a job whose submitter named a client_id.
        client_id: That.
        prompt_id: What the ComfyUI calls the job's prompt.
        relay: Takes messages to the sockets.

    """

    def __init__(self, claim: Claim, client_id: str, prompt_id: str, relay: Relay) -> None:
        self.audience = Audience(claim.job.key_id, client_id)
        self._job_id = claim.job.id
        self._has_folder = claim.lease.has_folder
        self._prompt_id = prompt_id
        self._relay = relay
        self._loop = asyncio.get_running_loop()
        self._so_far: dict[str, Said] = {}
        self._held: dict[tuple[str, str | None], Said] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0

    def hear(self, event: Event, frame: str | bytes) -> None:
        """Take in a message of the ComfyUI's."""
        match event:
            case ExecutionSuccess() | ExecutionInterrupted() | Executing(node=None):
                return
            case ExecutionError(is_block=False):
                return
        said = self._said(event, frame)
        if said is None:
            return
        if said.is_passing:
            self._hold(said, event)
            return
        self.let_go()
        self._note(said, event)
        self._relay.say(said)

    def catch_up(self, socket: UUID) -> None:
        """Say how things stand to a socket that came late."""
        for said in sorted(self._so_far.values(), key=lambda said: ORDER.get(said.kind, 0)):
            self._relay.say(Said(said.job_id, said.audience, said.kind, said.frame, socket))

    def let_go(self) -> None:
        """Pass on what is held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            self._next = self._loop.time() + PAUSE
            held, self._held = self._held, {}
            for said in held.values():
                self._relay.say(said)

    def _hold(self, said: Said, event: Event) -> None:
        """Pass it on, unless others were just now: then the newest of each kind goes when it is time."""
        node = event.node if isinstance(event, Progress) else getattr(event, "node_id", None)
        if said.kind == "progress_state":
            self._note(said, event)
        self._held.pop((said.kind, node), None)  # the newest is also the last
        self._held[said.kind, node] = said
        if self._timer is None:
            wait = self._next - self._loop.time()
            if wait <= 0:
                self.let_go()
            else:
                self._timer = self._loop.call_later(wait, self.let_go)

    def _note(self, said: Said, event: Event) -> None:
        """Remember what somebody has to know who comes late."""
        match event:
            case ExecutionStart():
                self._so_far.clear()
                key = said.kind
            case Executed(node=node):
                key = f"executed {node}"
            case ExecutionCached() | Executing() | ProgressState():
                key = said.kind
            case _:
                return
        self._so_far[key] = said

    def _said(self, event: Event, frame: str | bytes) -> Said | None:
        match event:
            case PreviewImage():
                return self._picture(PREVIEW, event, frame)
            case SocketImage():
                return self._picture(PICTURE, event, frame)
            case Executed():
                return Said(self._job_id, self.audience, "executed", self._executed(frame))
            case Unknown(type=int()):
                return None  # a node pack's own bytes: nothing in them says of which job they are
        if not isinstance(frame, str):
            return None
        return Said(self._job_id, self.audience, _kind(event), self._text(frame))

    def _text(self, frame: str) -> str:
        text: str = without_folders(frame) if self._has_folder else frame
        if '"prompt_id"' not in text:
            # A socket that takes another's place is told what runs, and not of which prompt (server.py,
            # websocket_handler, 0.3.64); programs read the id of each.
            message = json.loads(text)
            return json.dumps({**message, "data": {**message["data"], "prompt_id": str(self._job_id)}})
        own = str(self._job_id)
        return text if self._prompt_id == own else text.replace(self._prompt_id, own)

    def _executed(self, frame: str | bytes) -> str:
        message = json.loads(frame)
        told = message["data"]
        if isinstance(told.get("output"), dict):
            shown = shown_output(self._job_id, told["output"], has_folder=self._has_folder)
            told = {**told, "output": shown}
        return json.dumps({**message, "data": {**told, "prompt_id": str(self._job_id)}})

    def _picture(self, kind: str, picture: PreviewImage | SocketImage, frame: str | bytes) -> Said:
        """ComfyUIs before 0.3.45 say nothing of where a picture is from: then we do."""
        if isinstance(frame, bytes) and frame[:4] == WITH_METADATA and self._prompt_id == str(self._job_id):
            return Said(self._job_id, self.audience, kind, frame)
        node = picture.node_id
        shown = (picture.display_node_id if isinstance(picture, PreviewImage) else None) or node
        metadata = {
            "node_id": node,
            "prompt_id": str(self._job_id),
            "display_node_id": shown,
            "parent_node_id": None,
            "real_node_id": node,
            "image_type": picture.media_type,
        }
        return Said(self._job_id, self.audience, kind, with_metadata(metadata, picture.image))


def with_metadata(metadata: Mapping[str, Any], picture: bytes) -> bytes:
    """Return the frame of a picture with its metadata (server.py, send_image_with_metadata, 0.3.64)."""
    head = json.dumps(metadata).encode()
    return WITH_METADATA + struct.pack(">I", len(head)) + head + picture


def entry_of(claim: Claim, history: Mapping[str, Any]) -> dict[str, Any]:
    """Return the history entry of a job's prompt as it is told for the fleet.

    Args:
        claim: On the job.
        history: ``outputs``, ``status`` and ``meta``, as its ComfyUI wrote them.

    """
    job_id, has_folder = claim.job.id, claim.lease.has_folder
    shown = {
        node: shown_output(job_id, output, has_folder=has_folder)
        for node, output in history["outputs"].items()
    }
    rest = {name: history.get(name) for name in ("status", "meta")}
    return {"outputs": shown, **(without_folders(rest) if has_folder else rest)}


def _kind(event: Event) -> str:
    match event:
        case ExecutionStart():
            return "execution_start"
        case ExecutionCached():
            return "execution_cached"
        case Executing():
            return "executing"
        case Progress():
            return "progress"
        case ProgressState():
            return "progress_state"
        case ExecutionError():
            return "execution_error"
        case Unknown(type=str(word)):
            return word
    return type(event).__name__
