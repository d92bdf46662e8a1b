"""What the modules that a workflow itself uses may ask of it: its nodes, by name, and a copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from .node import Node
    from .subgraph import Subgraph

__all__ = ["WorkflowLike"]


class WorkflowLike(Protocol):
    """A :class:`~comfywire.Workflow`, as drawing and parameters see it: below it, and known to it."""

    prompt: dict[str, dict[str, Any]]
    document: dict[str, Any] | None

    @property
    def names(self) -> dict[str, list[str]]:
        """What nodes can be called by, with the ids of those that can."""

    @property
    def subgraphs(self) -> Mapping[str, Subgraph]:
        """The instances of subgraphs of the editor's document, by id."""

    @property
    def output_nodes(self) -> list[Node]:
        """The nodes that make the server run."""

    def __getitem__(self, name: str | int) -> Node:
        """Return the node of this id, title or class_type; UnknownNode if there is none, or several."""

    def __iter__(self) -> Iterator[Node]: ...

    def copy(self) -> Self:
        """Return an independent copy."""
