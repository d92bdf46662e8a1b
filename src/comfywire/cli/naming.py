"""What a workflow's nodes are called when people are told about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NodeNames"]


class NodeNames:
    """The nodes of one graph by node_id; ids that it does not have are named by what they are."""

    def __init__(self, graph: Mapping[str, Any]) -> None:
        self._graph = graph

    def class_type(self, node_id: str | None) -> str | None:
        """Return the node's type."""
        class_type = self._entry(node_id).get("class_type")
        return class_type if isinstance(class_type, str) else None

    def title(self, node_id: str | None) -> str:
        """Return the title that the editor showed, or the type."""
        meta = self._entry(node_id).get("_meta")
        title = meta.get("title") if isinstance(meta, dict) else None
        return str(title or self.class_type(node_id) or f"node {node_id}")

    def line(self, node_id: str | None) -> str:
        """Return title and id: ``KSampler (node 3)``."""
        title = self.title(node_id)
        return title if title == f"node {node_id}" else f"{title} (node {node_id})"

    def _entry(self, node_id: str | None) -> Mapping[str, Any]:
        # Nodes that others expanded into have ids like 10.0.0.1 (graph_utils.py, 0.3.64).
        entry = self._graph.get(node_id or "") or self._graph.get((node_id or "").split(".")[0])
        return entry if isinstance(entry, Mapping) else {}
