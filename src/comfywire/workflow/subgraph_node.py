"""A subgraph's own node: a view of the nodes inside, by the widgets that it shows of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from comfywire.errors import InvalidParameter

from .node import Node, unknown_input
from .subgraph import Subgraph

if TYPE_CHECKING:
    from .object_info import Input

__all__ = ["SubgraphNode"]


class SubgraphNode(Node):
    """An instance of a subgraph; its inputs are the widgets that it shows, and setting one sets those inside.

    Raises:
        InvalidParameter: It shows no such widget, or the nodes inside do not take the value.

    """

    __slots__ = ("_find", "_subgraph")

    _subgraph: Subgraph
    _find: Callable[[str], Node]

    def __init__(
        self, prompt: dict[str, dict[str, Any]], subgraph: Subgraph, find: Callable[[str], Node]
    ) -> None:
        super().__init__(prompt, subgraph.id)
        object.__setattr__(self, "_subgraph", subgraph)
        object.__setattr__(self, "_find", find)

    @property
    def class_type(self) -> str:
        """The word for it in messages: no node type of a server's."""
        return "subgraph"

    @property
    def title(self) -> str:
        """The title that the editor showed."""
        return self._subgraph.title

    @property
    def inputs(self) -> dict[str, Any]:
        """What the nodes inside have, by the names of its widgets."""
        return {
            name: self._find(node_id).inputs[inner]
            for name in self._subgraph.inputs
            for node_id, inner in self.places(name)[:1]
            if inner in self._find(node_id).inputs
        }

    def places(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return (node_id, input) of what ``node[name] = ...`` sets in the prompt."""
        return tuple(place for place in self._subgraph.inputs.get(name, ()) if place[0] in self._prompt)

    def output(self, slot: str | int = 0) -> list[Any]:
        """Refuse: links lead to the nodes inside.

        Raises:
            InvalidParameter: Always.

        """
        raise InvalidParameter(f"{self} is not in the prompt: link to output {slot!r} of a node inside of it")

    def knows(self, name: str) -> bool:
        """Whether it shows this widget."""
        return bool(self.places(name))

    def spec(self, name: str) -> Input | None:
        """Return what /object_info says about the input behind a widget."""
        return next((self._find(node_id).spec(inner) for node_id, inner in self.places(name)), None)

    def __setitem__(self, name: str, value: Any) -> None:
        if not self.knows(name):
            raise unknown_input(self, name)
        for node_id, inner in self.places(name):
            self._find(node_id)[inner] = value

    def __delitem__(self, name: str) -> None:
        raise InvalidParameter(f"{self}: {name!r} cannot be taken away; take it from a node inside")

    def __reduce__(self) -> tuple[Any, ...]:
        return SubgraphNode, (self._prompt, self._subgraph, self._find)
