"""What the server says on ``/ws``: a frozen dataclass per message, and the parsers that build them.

Parsing is lenient, because custom nodes push what they like: unknown keys are dropped, a missing
``prompt_id`` is None, and a message of an unknown type, or whose fields are of no use, becomes
:class:`Unknown` with its raw value. Only a frame without ComfyUI's envelope raises, and only
:class:`~comfywire.errors.UnexpectedReply`.

Facts: server.py ``send_json``, ``send_bytes``, ``send_image``, ``send_image_with_metadata``; execution.py
``add_message``; progress.py; all of 0.3.64, unchanged in 0.33.0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from comfywire.errors import UnexpectedReply

from .unread import unread_progress

__all__ = [
    "Executed",
    "Executing",
    "ExecutionCached",
    "ExecutionError",
    "ExecutionInterrupted",
    "ExecutionStart",
    "ExecutionSuccess",
    "FeatureFlags",
    "Message",
    "NodeProgress",
    "PreviewImage",
    "Progress",
    "ProgressState",
    "ProgressText",
    "Status",
    "Unknown",
    "Verdict",
    "parse_text",
]


@dataclass(frozen=True, slots=True)
class Status:
    """The length of the server's queue changed; broadcast to every registered socket."""

    queue_remaining: int | None = None
    """Running and pending prompts, of everybody."""
    sid: str | None = None
    """Only in the greeting: the client_id under which this socket is registered."""
    prompt_id: None = None


@dataclass(frozen=True, slots=True)
class FeatureFlags:
    """The server's answer to our feature flags."""

    flags: Mapping[str, Any] = field(default_factory=dict)
    prompt_id: None = None


@dataclass(frozen=True, slots=True)
class ExecutionStart:
    """The prompt left the pending queue and runs."""

    prompt_id: str | None
    timestamp: int | None = None
    """Milliseconds since the epoch, by the server's clock."""


@dataclass(frozen=True, slots=True)
class ExecutionCached:
    """These nodes will not run: their outputs are in the server's cache."""

    prompt_id: str | None
    nodes: tuple[str, ...] = ()
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Executing:
    """``node`` begins; with ``node`` None, the prompt has ended, however it ended.

    ``prompt_id`` is None in the one that a reconnecting socket is greeted with (server.py,
    ``websocket_handler``, 0.3.64).
    """

    prompt_id: str | None
    node: str | None
    display_node: str | None = None


@dataclass(frozen=True, slots=True)
class Executed:
    """An output node has finished; ``output`` is what it shows. Progress, not an end."""

    prompt_id: str | None
    node: str
    output: Mapping[str, Any] | None = None
    """None for a cached node that has nothing to show (execution.py, ``execute``, 0.3.64)."""
    display_node: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """``node`` has done ``value`` of ``max`` steps."""

    prompt_id: str | None
    node: str | None
    value: float
    max: float


class NodeProgress(NamedTuple):
    """One node in :class:`ProgressState`."""

    value: float
    max: float
    state: str
    """``running`` or ``finished``; other words are passed through."""
    display_node_id: str | None
    """The node of the submitted graph that this one belongs to, when a node expanded into others."""

    @property
    def fraction(self) -> float:
        """Done share of this node, 0 to 1."""
        if self.state == "finished":
            return 1.0
        return min(max(self.value / self.max, 0.0), 1.0) if self.max > 0 else 0.0


@dataclass(frozen=True)
class ProgressState:
    """A snapshot of every node that has begun; 0.3.45 and newer.

    It grows with the graph and comes with each step, so its nodes are read only when asked for
    (:mod:`~comfywire.protocol.unread`).
    """

    prompt_id: str | None
    raw_nodes: Mapping[str, Any]

    @cached_property
    def nodes(self) -> Mapping[str, NodeProgress]:
        """The nodes by their id; entries that cannot be read are left out."""
        found = ((str(node_id), _node_progress(raw)) for node_id, raw in self.raw_nodes.items())
        return {node_id: progress for node_id, progress in found if progress is not None}


@dataclass(frozen=True, slots=True)
class ExecutionSuccess:
    """Every node ran. Sent before the history entry is written (execution.py, ``execute_async``, 0.3.64)."""

    prompt_id: str | None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class ExecutionError:
    """A node raised, or (``exception_type`` "ExecutionBlocked") refused its inputs while the rest goes on."""

    prompt_id: str | None
    node_id: str | None = None
    node_type: str | None = None
    exception_type: str | None = None
    exception_message: str = ""
    traceback: tuple[str, ...] = ()
    executed: tuple[str, ...] = ()
    current_inputs: Mapping[str, Any] = field(default_factory=dict)
    current_outputs: tuple[str, ...] = ()
    timestamp: int | None = None

    @property
    def is_block(self) -> bool:
        """Whether the prompt goes on: an ExecutionBlocker with a message (comfyui-protocol.md 3.8)."""
        return self.exception_type == "ExecutionBlocked"


@dataclass(frozen=True, slots=True)
class ExecutionInterrupted:
    """Somebody interrupted the prompt while ``node_id`` ran."""

    prompt_id: str | None
    node_id: str | None = None
    node_type: str | None = None
    executed: tuple[str, ...] = ()
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class PreviewImage:
    """A picture from a node at work: a preview, or what SaveImageWebsocket delivers.

    The ids are None when the preview's metadata was not negotiated (binary type 1).
    """

    image: bytes
    media_type: str
    """``image/jpeg`` or ``image/png``."""
    prompt_id: str | None = None
    node_id: str | None = None
    display_node_id: str | None = None


@dataclass(frozen=True, slots=True)
class ProgressText:
    """A line of text from a node, broadcast to everybody and without a prompt_id (binary type 3)."""

    node_id: str
    text: str
    prompt_id: None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Anything else, as it came: the parsed JSON object, or the whole binary frame."""

    type: str | int | None
    raw: Any
    prompt_id: str | None = None


Verdict: TypeAlias = ExecutionSuccess | ExecutionError | ExecutionInterrupted
Message: TypeAlias = (
    Status
    | FeatureFlags
    | ExecutionStart
    | ExecutionCached
    | Executing
    | Executed
    | Progress
    | ProgressState
    | Verdict
    | PreviewImage
    | ProgressText
    | Unknown
)


def parse_text(frame: str | bytes) -> Message:
    """Return the message in a text frame.

    Raises:
        UnexpectedReply: The frame is no JSON object with a ``type``.

    """
    if isinstance(frame, str) and (unread := unread_progress(frame)) is not None:
        return ProgressState(*unread)
    try:
        # The server writes bare NaN and Infinity (aiohttp's default dumps); the standard library reads them.
        envelope = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise UnexpectedReply(f"a message that is not JSON: {frame[:80]!r}") from error
    return parse_envelope(envelope)


def parse_envelope(envelope: object) -> Message:
    """Return the message in ``{"type": ..., "data": ...}``."""
    if not isinstance(envelope, dict) or not isinstance(envelope.get("type"), str):
        raise UnexpectedReply(f"a message without a type: {str(envelope)[:80]}")
    kind, fields = envelope["type"], envelope.get("data")
    parse = _PARSERS.get(kind)
    if parse is None or not isinstance(fields, dict):
        return _unknown(kind, envelope)
    try:
        return parse(fields)
    except (KeyError, TypeError, ValueError, OverflowError):
        return _unknown(kind, envelope)


def _unknown(kind: str, envelope: Mapping[str, Any]) -> Unknown:
    fields = envelope.get("data")
    prompt_id = fields.get("prompt_id") if isinstance(fields, dict) else None
    return Unknown(kind, envelope, prompt_id if isinstance(prompt_id, str) else None)


def _text(value: object) -> str | None:
    """Ids as strings; an id of another type is spelled out, since graphs built by hand use numbers."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise TypeError(value)


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(entry) for entry in value) if isinstance(value, list) else ()


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return value
    raise TypeError(value)


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value == value else None  # noqa: PLR0124 (NaN)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _node_progress(raw: object) -> NodeProgress | None:
    if not isinstance(raw, dict):
        return None
    try:
        return NodeProgress(
            _number(raw["value"]),
            _number(raw["max"]),
            _words(raw.get("state")),
            _text(raw.get("display_node_id")),
        )
    except (KeyError, TypeError):
        return None


def _status(fields: Mapping[str, Any]) -> Status:
    info = _mapping(_mapping(fields.get("status")).get("exec_info"))
    return Status(_whole(info.get("queue_remaining")), _text(fields.get("sid")))


def _executed(fields: Mapping[str, Any]) -> Executed:
    node, output = _text(fields["node"]), fields.get("output")
    if node is None or not (output is None or isinstance(output, dict)):
        raise TypeError(output)
    return Executed(_text(fields.get("prompt_id")), node, output, _text(fields.get("display_node")))


def _progress_state(fields: Mapping[str, Any]) -> ProgressState:
    return ProgressState(_text(fields.get("prompt_id")), _mapping(fields["nodes"]))


def _execution_error(fields: Mapping[str, Any]) -> ExecutionError:
    return ExecutionError(
        prompt_id=_text(fields.get("prompt_id")),
        node_id=_text(fields.get("node_id")),
        node_type=_text(fields.get("node_type")),
        exception_type=_text(fields.get("exception_type")),
        exception_message=_words(fields.get("exception_message")).strip(),
        traceback=_texts(fields.get("traceback")),
        executed=_texts(fields.get("executed")),
        current_inputs=_mapping(fields.get("current_inputs")),
        current_outputs=_texts(fields.get("current_outputs")),
        timestamp=_whole(fields.get("timestamp")),
    )


def _execution_interrupted(fields: Mapping[str, Any]) -> ExecutionInterrupted:
    return ExecutionInterrupted(
        prompt_id=_text(fields.get("prompt_id")),
        node_id=_text(fields.get("node_id")),
        node_type=_text(fields.get("node_type")),
        executed=_texts(fields.get("executed")),
        timestamp=_whole(fields.get("timestamp")),
    )


_PARSERS: dict[str, Callable[[Mapping[str, Any]], Message]] = {
    "status": _status,
    "feature_flags": FeatureFlags,
    "execution_start": lambda f: ExecutionStart(_text(f.get("prompt_id")), _whole(f.get("timestamp"))),
    "execution_cached": lambda f: ExecutionCached(
        _text(f.get("prompt_id")), _texts(f.get("nodes")), _whole(f.get("timestamp"))
    ),
    # `node` must be there: an end is said with an explicit null, never by leaving it out.
    "executing": lambda f: Executing(
        _text(f.get("prompt_id")), _text(f["node"]), _text(f.get("display_node"))
    ),
    "executed": _executed,
    "progress": lambda f: Progress(
        _text(f.get("prompt_id")), _text(f.get("node")), _number(f["value"]), _number(f["max"])
    ),
    "progress_state": _progress_state,
    "execution_success": lambda f: ExecutionSuccess(_text(f.get("prompt_id")), _whole(f.get("timestamp"))),
    "execution_error": _execution_error,
    "execution_interrupted": _execution_interrupted,
}
