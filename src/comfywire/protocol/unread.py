"""Progress states that stay text until somebody looks into them.

Each names every node of the graph that has begun, and one comes with each step of each node: a graph of 500
nodes sends 100 KB at a time. Only the newest is worth reading, and only when somebody asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

__all__ = ["UnreadNodes", "unread_progress"]

# As the server writes it (progress.py, _send_progress_state; server.py, send_json; 0.3.64 and 0.33.0).
# Whatever looks different is read at once.
_HEAD = re.compile(r'\{"type": "progress_state", "data": \{"prompt_id": "([^"\\]*)", "nodes": \{')


def unread_progress(frame: str) -> tuple[str, UnreadNodes] | None:
    """Return the ``prompt_id`` and the nodes of a frame that begins as the server writes it, else None."""
    head = _HEAD.match(frame)
    return (head[1], UnreadNodes(frame)) if head is not None else None


class UnreadNodes(Mapping[str, Any]):
    """The nodes in a frame; the frame is read when the first of them is asked for."""

    def __init__(self, frame: str) -> None:
        self._frame = frame

    @cached_property
    def _nodes(self) -> Mapping[str, Any]:
        try:
            nodes = json.loads(self._frame)["data"]["nodes"]
        except (ValueError, RecursionError):  # junk behind the right beginning tells nothing
            nodes = {}
        self._frame = ""
        return nodes if isinstance(nodes, dict) else {}

    def __getitem__(self, node_id: str) -> Any:
        return self._nodes[node_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __repr__(self) -> str:
        return repr(self._nodes)
