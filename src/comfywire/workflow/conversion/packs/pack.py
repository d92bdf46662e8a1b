"""What a node pack's browser half changes, in a form that conversion can use.

Most packs need data alone: the widget types that they register, the nodes that exist only in the browser. The
others have functions: one that says what a node sends, or a pass over a graph once it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from comfywire.workflow.conversion.graph import Graph
    from comfywire.workflow.conversion.packs.saved import SavedNode

__all__ = ["GraphPass", "NodeRule", "Pack", "Packs", "Virtual"]

Virtual: TypeAlias = Literal["note", "reroute", "setter", "getter"]
"""What a node is that no server has: nothing at all, a way through, or one end of a Set/Get pair."""

NodeRule: TypeAlias = Callable[["SavedNode"], Mapping[str, Any] | None]
"""Says which inputs of a saved node differ from what the generic rules make of it; None for none."""

GraphPass: TypeAlias = Callable[["Graph", list[str]], None]
"""Changes a loaded graph, the root or a subgraph; what it could not do it appends to the warnings."""


@dataclass(frozen=True)
class Pack:
    """What one node pack's JavaScript does to prompts.

    Attributes:
        name: Its id in the registry, or its repository.
        widget_types: Types of inputs that it draws as widgets.
        virtual: Nodes that exist only in the browser, by type.
        nodes: What a node sends where the generic rules do not say it, by class_type.
        passes: What it does to whole graphs, in this order.
        shows: Nodes that show something in widgets of their own: further values are no reason to warn.
        texts: The inputs in which it replaces ``%date:...%`` and ``%Node.widget%``, by class_type.

    """

    name: str
    widget_types: Collection[str] = ()
    virtual: Mapping[str, Virtual] = field(default_factory=dict)
    nodes: Mapping[str, NodeRule] = field(default_factory=dict)
    passes: Sequence[GraphPass] = ()
    shows: Collection[str] = ()
    texts: Mapping[str, Collection[str]] = field(default_factory=dict)


class Packs:
    """Several packs as one; of two that say something about the same thing, the later one is heard."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self.names = tuple(pack.name for pack in packs)
        self.widget_types = frozenset(kind for pack in packs for kind in pack.widget_types)
        self.shows = frozenset(kind for pack in packs for kind in pack.shows)
        self.virtual: dict[str, Virtual] = {}
        self.nodes: dict[str, NodeRule] = {}
        self.texts: dict[str, frozenset[str]] = {}
        self.passes = tuple(made for pack in packs for made in pack.passes)
        for pack in packs:
            self.virtual.update(pack.virtual)
            self.nodes.update(pack.nodes)
            self.texts.update({kind: frozenset(names) for kind, names in pack.texts.items()})
