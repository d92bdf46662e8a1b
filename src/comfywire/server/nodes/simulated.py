"""What stands for models, and nodes that only hand it on. SIMULATED: no file is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from comfywire.server.nodes.declared import SIMULATED, DeclaredNode

__all__ = ["PassingNode", "Simulated", "passing"]


@dataclass(frozen=True, slots=True)
class Simulated:
    """Stands for a model, a CLIP, a VAE and so on.

    Attributes:
        kind: ComfyUI's type, such as ``MODEL``.
        name: The file that it would have been read from, or the node that made it.
        changes: What was done to it that a picture would show: LoRAs.

    """

    kind: str
    name: str
    changes: str = ""


class PassingNode(DeclaredNode):
    """A node whose outputs are its inputs of the same type, or stand for what its file holds."""

    FIDELITY = SIMULATED

    def execute(self, **inputs: Any) -> tuple[Any, ...]:
        """Return a value for each output."""
        specs = {**self.INPUTS.get("required", {}), **self.INPUTS.get("optional", {})}
        waiting = [(specs[name][0], value) for name, value in inputs.items() if name in specs]
        file = next((value for _, value in waiting if isinstance(value, str)), type(self).__name__)
        return tuple(_taken(kind, waiting) or Simulated(kind, file) for kind in self.RETURN_TYPES)

    RETURN_TYPES: tuple[str, ...] = ()


def _taken(kind: str, waiting: list[tuple[Any, Any]]) -> Any:
    """Take the first input of a type, so that positive and negative stay apart."""
    for place, (found, value) in enumerate(waiting):
        if found == kind and value is not None:
            return waiting.pop(place)[1]
    return None


def passing(names: str, words: str) -> dict[str, type[PassingNode]]:
    """Return a class for each name, with a docstring."""
    return {name: type(name, (PassingNode,), {"__doc__": words}) for name in names.split()}
