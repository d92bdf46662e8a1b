"""What a ComfyUI would say about a prompt, as a value. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comfywire.service.fleet.needs import MODEL_SUFFIXES
from comfywire.workflow import Effect, ObjectInfo, Problem

__all__ = ["Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one ComfyUI would say.

    Attributes:
        catalogue: That of the ComfyUI.
        problems: All that it would say or do about the prompt.
        models_may_come: Whether a model file that is not there is no reason to refuse.

    """

    catalogue: ObjectInfo
    problems: Sequence[Problem]
    models_may_come: bool = True

    @property
    def refused(self) -> list[Problem]:
        """The problems for which nothing runs; those about models only if models may not come."""
        return [
            problem
            for problem in self.problems
            if problem.effect is Effect.REFUSED and not (self.models_may_come and _is_about_a_model(problem))
        ]

    @property
    def dropped(self) -> list[Problem]:
        """The problems that cost the outputs that depend on them, while others run."""
        return [problem for problem in self.problems if problem.effect is Effect.DROPPED]

    @property
    def weight(self) -> tuple[int, int]:
        """How much there is to say: the least is what the ComfyUI that comes nearest says."""
        return len(self.refused), len(self.dropped)

    def outputs(self, prompt: Mapping[str, Any], targets: Collection[str] | None = None) -> list[str]:
        """Return the output nodes that would run."""
        lost = {output for problem in self.dropped for output in problem.outputs}
        return [
            node_id
            for node_id, node in prompt.items()
            if node_id not in lost
            and (targets is None or node_id in targets)
            and (node_type := self.catalogue.get(node.get("class_type"))) is not None
            and node_type.is_output_node
        ]


def _is_about_a_model(problem: Problem) -> bool:
    value = problem.value
    return isinstance(value, str) and value.lower().endswith(MODEL_SUFFIXES)
