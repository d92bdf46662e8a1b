"""What the server says on ``/ws``: a frozen dataclass per message; ``parsing.py`` builds them.

Facts: server.py ``send_json``, ``send_bytes``, ``send_image``, ``send_image_with_metadata``; execution.py
``add_message``; progress.py; all of 0.3.64, unchanged in 0.33.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from .lenient import number, text, words
from .told import Told

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
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Status(Told):
    """The length of the server's queue changed; broadcast to every registered socket."""

    queue_remaining: int | None = None
    """Running and pending prompts, of everybody."""
    sid: str | None = None
    """Only in the greeting: the client_id under which this socket is registered."""
    prompt_id: None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FeatureFlags(Told):
    """The server's answer to our feature flags."""

    flags: Mapping[str, Any] = field(default_factory=dict)
    prompt_id: None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExecutionStart(Told):
    """The prompt left the pending queue and runs."""

    prompt_id: str | None
    timestamp: int | None = None
    """Milliseconds since the epoch, by the server's clock."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExecutionCached(Told):
    """These nodes will not run: their outputs are in the server's cache."""

    prompt_id: str | None
    nodes: tuple[str, ...] = ()
    timestamp: int | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Executing(Told):
    """``node`` begins; with ``node`` None, the prompt has ended, however it ended.

    ``prompt_id`` is None in the one that a reconnecting socket is greeted with (server.py,
    ``websocket_handler``, 0.3.64).
    """

    prompt_id: str | None
    node: str | None
    display_node: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Executed(Told):
    """An output node has finished; ``output`` is what it shows. Progress, not an end."""

    prompt_id: str | None
    node: str
    output: Mapping[str, Any] | None = None
    """None for a cached node that has nothing to show (execution.py, ``execute``, 0.3.64)."""
    display_node: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Progress(Told):
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


@dataclass(frozen=True, eq=False, repr=False)
class ProgressState(Told):
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExecutionSuccess(Told):
    """Every node ran. Sent before the history entry is written (execution.py, ``execute_async``, 0.3.64)."""

    prompt_id: str | None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExecutionError(Told):
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExecutionInterrupted(Told):
    """Somebody interrupted the prompt while ``node_id`` ran."""

    prompt_id: str | None
    node_id: str | None = None
    node_type: str | None = None
    executed: tuple[str, ...] = ()
    timestamp: int | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PreviewImage(Told):
    """A picture from a node at work: a preview, or what SaveImageWebsocket delivers.

    The ids are None when the preview's metadata was not negotiated (binary type 1).
    """

    image: bytes
    media_type: str
    """``image/jpeg`` or ``image/png``."""
    prompt_id: str | None = None
    node_id: str | None = None
    display_node_id: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ProgressText(Told):
    """A line of text from a node, broadcast to everybody and without a prompt_id (binary type 3)."""

    node_id: str
    text: str
    prompt_id: None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Unknown(Told):
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


def _node_progress(raw: object) -> NodeProgress | None:
    if not isinstance(raw, dict):
        return None
    try:
        return NodeProgress(
            number(raw["value"]),
            number(raw["max"]),
            words(raw.get("state")),
            text(raw.get("display_node_id")),
        )
    except (KeyError, TypeError):
        return None
