"""Instances of subgraphs, as an editor's document has them: the prompt has only the nodes inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Subgraph", "SubgraphWidget"]


@dataclass(frozen=True, slots=True)
class SubgraphWidget:
    """A widget of its nodes that an instance shows as its own.

    Attributes:
        label: What the editor calls it.
        source: The node directly inside, by its id there, and the widget or input of it that is shown.
        places: The inputs that it sets, as (node_id, input).

    """

    label: str
    source: tuple[str, str]
    places: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A node of the editor that stands for others.

    Attributes:
        id: Its id; one inside another has both, ``57:3``. The nodes in it are ``57:3:8``.
        title: The title that the editor shows.
        inputs: What it shows of its nodes' widgets: the inputs that each sets, as (node_id, input).
        widgets: The same by the names of its input slots alone; for instances in the root graph of a file
            whose author chose inputs.

    """

    id: str
    title: str
    inputs: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    widgets: Mapping[str, SubgraphWidget] = field(default_factory=dict)
