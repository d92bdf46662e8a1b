"""How far a prompt is, as one number that never falls and ends at 1."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .messages import (
    Executed,
    ExecutionCached,
    Message,
    NodeProgress,
    Progress,
    ProgressState,
)

__all__ = ["ProgressTally", "required_nodes"]

MOST_UNTIL_THE_END = 0.99


def required_nodes(graph: Mapping[str, Any], targets: Iterable[str] | None = None) -> frozenset[str]:
    """Return the nodes that must run: ``targets`` and everything upstream of them.

    Without ``targets`` it is the whole graph: which nodes are output nodes is known only to the server.
    """
    if targets is None:
        return frozenset(graph)
    found: set[str] = set()
    ahead = [node_id for node_id in targets if node_id in graph]
    while ahead:
        node_id = ahead.pop()
        if node_id not in found:
            found.add(node_id)
            ahead += [source for source in _sources(graph[node_id]) if source in graph]
    return frozenset(found)


def _sources(node: object) -> Iterable[str]:
    inputs = node.get("inputs") if isinstance(node, dict) else None
    for value in inputs.values() if isinstance(inputs, dict) else ():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            yield value[0]


class ProgressTally:
    """Counts the nodes of one prompt: cached and finished ones as done, running ones by their own steps.

    Messages are kept, not counted, as they come; :attr:`fraction` counts when asked, so that a stream of
    large ``progress_state`` messages costs nothing while nobody looks.
    """

    def __init__(self, required: Collection[str]) -> None:
        self.required = frozenset(required)
        self._done: set[str] = set()
        self._steps: dict[str, tuple[float, float]] = {}
        self._latest: ProgressState | None = None
        self._shown = 0.0
        self._ended = False

    def hear(self, message: Message) -> None:
        """Take note of ``message``, which is about this prompt."""
        match message:
            case ProgressState():
                self._latest = message
            case Progress(node=str(node), value=value, max=maximum):
                self._steps[node] = (value, maximum)
            case Executed(node=node):
                self._done.add(node)
            case ExecutionCached(nodes=nodes):
                self._done.update(nodes)
            case _:
                pass

    def end(self) -> None:
        """The prompt ended well; there is nothing left to do."""
        self._ended = True

    @property
    def fraction(self) -> float:
        """Done share of the nodes that must run, 0 to 1; 1 only when the prompt has ended well.

        Until then it is 0.99 at the most, which no display rounds to the whole.
        """
        self._shown = 1.0 if self._ended else max(self._shown, min(self._counted(), MOST_UNTIL_THE_END))
        return self._shown

    @property
    def nodes_done(self) -> int:
        """Nodes that must run and have finished, cached ones among them."""
        if self._ended:
            return len(self.required)
        return len(self.required & (self._done | self._finished()))

    def steps_of(self, node_id: str | None) -> tuple[float, float] | None:
        """Return ``(value, max)`` of ``node_id`` as it was last heard, or None."""
        if node_id is None:
            return None
        state = self._state(node_id)
        return (state.value, state.max) if state is not None else self._steps.get(node_id)

    def _state(self, node_id: str) -> NodeProgress | None:
        return self._latest.nodes.get(node_id) if self._latest is not None else None

    def _finished(self) -> set[str]:
        nodes = self._latest.nodes if self._latest is not None else {}
        return {node_id for node_id, node in nodes.items() if node.state == "finished"}

    def _counted(self) -> float:
        if not self.required:
            return 0.0
        done = self.required & (self._done | self._finished())
        running = {node: value / maximum for node, (value, maximum) in self._steps.items() if maximum > 0}
        if self._latest is not None:
            running |= {node_id: node.fraction for node_id, node in self._latest.nodes.items()}
        partly = sum(
            min(max(share, 0.0), 1.0) for node, share in running.items() if node in self.required - done
        )
        return (len(done) + partly) / len(self.required)
