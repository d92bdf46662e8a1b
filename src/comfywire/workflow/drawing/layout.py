"""Where nodes stand in a drawing: in columns from left to right, by what they wait for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comfywire.workflow.node import is_link

__all__ = ["Arrangement", "DrawnLink", "arrange", "links_of"]

_ROUNDS = 4  # of putting each node beside its neighbours; more changes little


@dataclass(frozen=True, slots=True)
class DrawnLink:
    """A link of the prompt: from an output of one node to an input of another."""

    origin: str
    slot: Any
    target: str
    input: str


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The columns, each a list of node ids from top to bottom."""

    columns: tuple[tuple[str, ...], ...]

    @property
    def order(self) -> list[str]:
        """All nodes, column by column."""
        return [node_id for column in self.columns for node_id in column]


def links_of(prompt: Mapping[str, Mapping[str, Any]]) -> list[DrawnLink]:
    """Return the links between nodes that are there, in the prompt's order."""
    return [
        DrawnLink(value[0], value[1], node_id, name)
        for node_id, entry in prompt.items()
        for name, value in _inputs(entry).items()
        if is_link(value) and value[0] in prompt
    ]


def _inputs(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    inputs = entry.get("inputs")
    return inputs if isinstance(inputs, Mapping) else {}


def arrange(prompt: Mapping[str, Mapping[str, Any]]) -> Arrangement:
    """Return the nodes in columns: each right of all that it waits for, as far as links go no circles."""
    links = links_of(prompt)
    origins: dict[str, list[str]] = {node_id: [] for node_id in prompt}
    targets: dict[str, list[str]] = {node_id: [] for node_id in prompt}
    for link in links:
        origins[link.target].append(link.origin)
        targets[link.origin].append(link.target)
    depth = _depths(prompt, origins)
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node_id in prompt:
        columns[depth[node_id]].append(node_id)
    for _ in range(_ROUNDS):
        _settle(columns, origins)
        _settle(columns[::-1], targets)
    return Arrangement(tuple(tuple(column) for column in columns))


def _depths(prompt: Mapping[str, Any], origins: Mapping[str, list[str]]) -> dict[str, int]:
    """Return each node's column; without recursion, since chains may be long and hostile."""
    depth: dict[str, int] = {}
    under_way: set[str] = set()
    for start in prompt:
        todo = [start]
        while todo:
            node_id = todo[-1]
            under_way.add(node_id)
            waiting = [
                origin for origin in origins[node_id] if origin not in depth and origin not in under_way
            ]
            if waiting and node_id not in depth:
                todo += waiting[:1]
                continue
            depth.setdefault(
                node_id, 1 + max((depth.get(origin, -1) for origin in origins[node_id]), default=-1)
            )
            under_way.discard(todo.pop())
    return depth


def _settle(columns: list[list[str]], neighbours: Mapping[str, list[str]]) -> None:
    """Sort each column by where its nodes' neighbours stand, on average: fewer lines cross."""
    place = {node_id: at for column in columns for at, node_id in enumerate(column)}
    for column in columns:
        column.sort(
            key=lambda node_id: _average([place[near] for near in neighbours[node_id]], place[node_id])
        )
        place.update({node_id: at for at, node_id in enumerate(column)})


def _average(places: list[int], own: int) -> float:
    return sum(places) / len(places) if places else float(own)
