"""Instances of subgraphs, as an editor's document has them: the prompt has only the nodes inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Subgraph"]


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A node of the editor that stands for others.

    Attributes:
        id: Its id; one inside another has both, ``57:3``. The nodes in it are ``57:3:8``.
        title: The title that the editor shows.
        inputs: What it shows of its nodes' widgets: the inputs that each sets, as (node_id, input).

    """

    id: str
    title: str
    inputs: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
