"""What need not run again: results by input signature, kept for one prompt longer than they are used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING, Any

from comfywire.server.graph import DynamicPrompt, NodeClass, is_link

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Cache", "UiResult"]

_unique = count()


@dataclass(frozen=True, slots=True)
class UiResult:
    """What a node showed: its ``ui`` output, and where it belongs."""

    output: dict[str, Any]
    meta: dict[str, Any]


@dataclass(slots=True)
class _Level:
    """Results of one graph, or of one node's expansion."""

    keys: dict[str, bytes] = field(default_factory=dict)
    ids: dict[str, tuple[str, str]] = field(default_factory=dict)
    outputs: dict[bytes, list[Any]] = field(default_factory=dict)
    ui: dict[bytes, UiResult] = field(default_factory=dict)
    objects: dict[tuple[str, str], Any] = field(default_factory=dict)
    below: dict[tuple[str, str], _Level] = field(default_factory=dict)

    def drop_unused(self) -> None:
        used = set(self.keys.values())
        known = set(self.ids.values())
        self.outputs = {key: value for key, value in self.outputs.items() if key in used}
        self.ui = {key: value for key, value in self.ui.items() if key in used}
        self.objects = {key: value for key, value in self.objects.items() if key in known}
        self.below = {key: value for key, value in self.below.items() if key in known}

    def node_ids(self) -> Iterable[str]:
        yield from self.keys
        for level in self.below.values():
            yield from level.node_ids()


class Cache:
    """ComfyUI's classic cache (comfy_execution/caching.py, HierarchicalCache, 0.3.64)."""

    def __init__(self, classes: Mapping[str, NodeClass]) -> None:
        self._classes = classes
        self._top = _Level()
        self._graph = DynamicPrompt({})
        self._is_changed: Callable[[str], Awaitable[Any]]
        self._signatures: dict[str, bytes] = {}

    async def begin(self, graph: DynamicPrompt, is_changed: Callable[[str], Awaitable[Any]]) -> None:
        """Take up a new prompt, and forget what it does not use."""
        self._graph = graph
        self._is_changed = is_changed
        self._signatures = {}
        await self._set_keys(self._top, graph.original)

    async def begin_expansion(self, node_id: str, children: Iterable[str]) -> None:
        """Take up the nodes that ``node_id`` expanded into."""
        above = self._level(node_id)
        assert above is not None
        level = above.below.setdefault(above.ids[node_id], _Level())
        await self._set_keys(level, children)

    async def _set_keys(self, level: _Level, node_ids: Iterable[str]) -> None:
        level.keys, level.ids = {}, {}
        for node_id in node_ids:
            if self._graph.has(node_id):
                level.keys[node_id] = await self._signature(node_id)
                level.ids[node_id] = (node_id, self._graph.node(node_id)["class_type"])
        level.drop_unused()

    def _level(self, node_id: str) -> _Level | None:
        parent = self._graph.parent(node_id)
        if parent is None:
            return self._top
        above = self._level(parent)
        return None if above is None else above.below.get(above.ids[parent])

    def output(self, node_id: str) -> list[Any] | None:
        """Return the node's results, one list for each slot, if it has run or is cached."""
        level = self._level(node_id)
        return None if level is None else level.outputs.get(level.keys.get(node_id, b""))

    def set_output(self, node_id: str, output: list[Any]) -> None:
        """Keep the node's results."""
        level = self._level(node_id)
        assert level is not None
        level.outputs[level.keys[node_id]] = output

    def ui(self, node_id: str) -> UiResult | None:
        """Return what the node showed."""
        level = self._level(node_id)
        return None if level is None else level.ui.get(level.keys.get(node_id, b""))

    def set_ui(self, node_id: str, shown: UiResult) -> None:
        """Keep what the node showed."""
        level = self._level(node_id)
        assert level is not None
        level.ui[level.keys[node_id]] = shown

    def instance(self, node_id: str) -> Any:
        """Return the node's object, which lives as long as its id is used with the same class_type."""
        level = self._level(node_id)
        assert level is not None
        node = level.ids[node_id]
        if node not in level.objects:
            level.objects[node] = self._classes[node[1]]()
        return level.objects[node]

    def node_ids(self) -> list[str]:
        """Return every node of this prompt, expansions included (cached ones too)."""
        return list(self._top.node_ids())

    async def _signature(self, node_id: str) -> bytes:
        """Return a key that is equal for equal class, inputs and ancestors; node ids do not matter."""
        order = self._ancestors_first(node_id)
        for current in order:
            if current not in self._signatures:
                self._signatures[current] = await self._immediate(current)
        return self._signatures[node_id]

    def _ancestors_first(self, node_id: str) -> list[str]:
        """Order the unsigned ancestors so that sources come first; a cycle is cut somewhere."""
        order: list[str] = []
        seen = set(self._signatures)
        waiting = [(node_id, False)]
        while waiting:
            current, is_expanded = waiting.pop()
            if is_expanded:
                order.append(current)
            elif current not in seen:
                seen.add(current)
                waiting.append((current, True))
                if self._graph.has(current):
                    inputs = self._graph.node(current)["inputs"].values()
                    waiting.extend((value[0], False) for value in inputs if is_link(value))
        return order

    async def _immediate(self, node_id: str) -> bytes:
        if not self._graph.has(node_id):
            return b"missing-%d" % next(_unique)
        node = self._graph.node(node_id)
        node_class = self._classes[node["class_type"]]
        digest = blake2b(digest_size=16)
        digest.update(repr((node["class_type"], _stable(await self._is_changed(node_id)))).encode())
        hidden = node_class.INPUT_TYPES().get("hidden", {})
        if "UNIQUE_ID" in hidden.values() or getattr(node_class, "NOT_IDEMPOTENT", False):
            digest.update(node_id.encode())
        for name, value in sorted(node["inputs"].items()):
            if is_link(value):
                source = self._signatures.get(value[0], value[0].encode())
                digest.update(repr((name, source, value[1])).encode())
            else:
                digest.update(repr((name, _stable(value))).encode())
        return digest.digest()


def _stable(value: object) -> object:
    """Return something whose repr tells values apart; NaN is equal to nothing, not even NaN."""
    match value:
        case float() if math.isnan(value):
            return f"NaN {next(_unique)}"
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {key: _stable(value[key]) for key in sorted(value)}
        case Sequence():
            return [_stable(entry) for entry in value]
        case _:
            return f"unhashable {next(_unique)}"
