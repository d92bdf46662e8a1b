"""What a file calls its inputs, said by place to a service that is sent the prompt alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import click

from comfywire.errors import InvalidParameter, UnknownNode
from comfywire.workflow import Workflow
from comfywire.workflow.parameters.setting import resolve_input

__all__ = ["Placing"]

SEED_BITS = 64


class Placing:
    """The names of a workflow file: those that its author chose for App mode, and those of subgraphs, too.

    The prompt says nothing of these, and the service drafts names by it: where the names are not the same, an
    input goes by its place, ``NODE.INPUT``.

    Args:
        workflow: The file, with what the editor keeps beside the prompt.

    """

    def __init__(self, workflow: Workflow) -> None:
        self.parameters = workflow.parameters()
        self._workflow = workflow
        self._known = Workflow(workflow.prompt).parameters()
        self._is_needed = self.parameters.by_name != self._known.by_name

    def judged(self, rows: list[dict[str, str]], common: Mapping[str, str]) -> list[dict[str, str]]:
        """Return the rows with their seeds drawn: one that has several places is one seed.

        Where the service knows the names, it judges, and this returns the rows as they are.

        Raises:
            click.BadParameter: A row, with what all have in common, is not what the parameters allow.

        """
        return [self._judged(number, row, common) for number, row in enumerate(rows, start=1)]

    def _judged(self, number: int, row: dict[str, str], common: Mapping[str, str]) -> dict[str, str]:
        if not self._is_needed:
            return row
        try:
            bound = self._workflow.bind(
                {**common, **row}, self.parameters, new_seed=lambda: secrets.randbits(SEED_BITS)
            )
        except (InvalidParameter, UnknownNode) as error:
            raise click.BadParameter(f"row {number}: {error}", param_hint="--each") from error
        return row | {name: str(bound.values[name]) for name in bound.drawn}

    def by_place(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs of one job under names that the service knows."""
        if not self._is_needed:
            return dict(entry)
        return {place: value for name, value in entry.items() for place in self._places(name)}

    def _places(self, name: str) -> Iterator[str]:
        inputs = self.parameters[name].inputs if name in self.parameters else (name,)
        if name in self._known and self._known[name].inputs == inputs:
            yield name
            return
        for each in inputs:
            node, input_name = resolve_input(self._workflow, each)
            yield from (".".join(place) for place in node.places(input_name))
