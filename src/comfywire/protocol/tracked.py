"""One prompt that a session follows: its state, and what is needed to follow it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .job import Phase, PromptState
from .messages import PreviewImage
from .progress import ProgressTally, required_nodes

__all__ = ["SocketImage", "Tracked", "sends_over_socket"]

# Nodes that deliver their results as preview frames and leave nothing in history
# (custom_nodes/websocket_image_save.py, 0.3.64).
SOCKET_SAVERS = frozenset({"SaveImageWebsocket"})


def sends_over_socket(node: object) -> bool:
    """Whether a node of a graph sends its results over the socket, and leaves them nowhere else."""
    return isinstance(node, dict) and node.get("class_type") in SOCKET_SAVERS


@dataclass(frozen=True, slots=True)
class SocketImage:
    """A result that SaveImageWebsocket sent over the socket; it exists nowhere else."""

    prompt_id: str
    node_id: str
    image: bytes
    media_type: str


@dataclass(slots=True, eq=False)
class Tracked:
    """A followed prompt. Only :class:`~comfywire.protocol.session.Session` changes it."""

    state: PromptState
    graph: Mapping[str, Any]
    tally: ProgressTally
    client_id: str | None
    """Under which it was submitted; None when somebody else did, who hears of it."""
    began_at: float
    """When we began to submit or follow it."""
    accepted_at: float | None = None
    """Since when the server certainly had it; only later snapshots may speak about it."""
    confirm_for: float = 0.0
    """Seconds for which it must be absent before that is believed."""
    absent_after: float | None = None
    """When a queue read ended that did not list it: history reads that begin later count."""
    absent_since: float | None = None
    """When it was first found neither in the queue nor, then, in history."""
    last_seen: float | None = None
    last_seen_in: str = ""
    position: int | None = None
    """Prompts ahead of it, as far as the last queue read told."""
    read_pause: float = 0.0
    has_missed: bool = False
    """Whether messages of this prompt may have been lost."""
    takes_over: bool = False
    """Whether what its submitter would hear is to be heard here, once it is known who that was."""
    last_word_by: float | None = None
    """Until when what was said of it last may be on its way, though its end was read."""
    images: list[SocketImage] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        prompt_id: str,
        graph: Mapping[str, Any],
        *,
        client_id: str | None,
        now: float,
        targets: Collection[str] | None = None,
    ) -> Tracked:
        """Return a prompt of which nothing is known yet."""
        tally = ProgressTally(required_nodes(graph, targets))
        return cls(PromptState(prompt_id), graph, tally, client_id, now)

    @property
    def prompt_id(self) -> str:
        """The prompt's id."""
        return self.state.prompt_id

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come."""
        return self.state.phase is Phase.DONE

    @property
    def has_vanished(self) -> bool:
        """Whether it is over although no history entry says how."""
        return self.is_done and self.state.entry is None

    def see(self, where: str, now: float) -> None:
        """The server showed that it has this prompt."""
        self.last_seen, self.last_seen_in = now, where
        self.absent_after = self.absent_since = None
        if self.accepted_at is None:
            self.accepted_at = now

    def as_result(self, picture: PreviewImage) -> SocketImage | None:
        """Return ``picture`` as a result if its node delivers results this way, else None."""
        node_id = picture.node_id or self.state.node
        node = self.graph.get(node_id or "")
        if node_id is None or not sends_over_socket(node):
            return None
        return SocketImage(self.prompt_id, node_id, picture.image, picture.media_type)
