"""One version of a registered workflow, and the same with a caller's inputs in it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from comfywire.service.workflows.annotations import together
from comfywire.workflow import Parameters, Workflow
from comfywire.workflow.parameters.toml import parse_tables

__all__ = ["SEED_BITS", "BoundWorkflow", "WorkflowRecord"]

SEED_BITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRecord:
    """One version of a registered workflow.

    Attributes:
        name: The name by which callers run the workflow.
        version: From 1; a version never changes.
        key_id: The key that registered the workflow; every key may run it.
        description: For people.
        prompt: The graph in API format.
        document: The editor's document, if the source had one.
        parameters: The parameters that callers may set, and names of outputs.
        options: Values that jobs have unless their caller gives others: ``retry``, ``priority``, ``tags``,
            ``outputs``; and ``qualities``, the inputs that each quality of a picture means.
        aliases: Other names under which programs that speak another API run the workflow; every version has
            them.
        warnings: What was doubtful when the editor's document was converted; told once, and not kept.

    """

    name: str
    version: int
    key_id: UUID
    description: str
    prompt: dict[str, Any]
    document: dict[str, Any] | None
    parameters: Parameters
    options: dict[str, Any]
    created_at: datetime
    retired_at: datetime | None
    aliases: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, stored: Mapping[str, Any], warnings: tuple[str, ...] = ()) -> WorkflowRecord:
        """Read a row of ``workflows``, with its aliases."""
        columns = {name: stored[name] for name in cls.__slots__ if name != "warnings"}
        columns["aliases"] = tuple(stored["aliases"])
        tables = together(stored["parameters"], stored["annotations"])
        parameters = parse_tables(tables, where="the database")
        return cls(**{**columns, "parameters": parameters, "warnings": warnings})

    def bind(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None) -> BoundWorkflow:
        """Return the prompt with ``inputs`` in it, seeds drawn; files are ``core/ASSET`` objects.

        Args:
            inputs: Values by parameter. Only declared parameters can be set, no ``NODE.INPUT``.
            outputs: The only outputs to run, by name; None for the outputs of ``options``.

        Raises:
            InvalidParameter: A name is unknown, a value not allowed, or one that is required is missing.

        """
        for name in inputs:
            self.parameters[name]  # raises, with the near matches
        workflow = Workflow(self.prompt)
        bound = workflow.bind(inputs, self.parameters, new_seed=lambda: secrets.randbits(SEED_BITS))
        for file in bound.files:
            bound.place(file, file.source)
        wanted = self.options.get("outputs") if outputs is None else outputs
        targets = self.parameters.select_outputs(bound.workflow, list(wanted)) if wanted else None
        return BoundWorkflow(self, bound.workflow.prompt, targets, bound.values)


@dataclass(frozen=True, slots=True)
class BoundWorkflow:
    """A registered workflow with a caller's inputs in it.

    Attributes:
        record: The version of the workflow.
        prompt: The graph, ready to be submitted.
        targets: The output nodes to run; None for all.
        values: The value of each parameter, seeds drawn.

    """

    record: WorkflowRecord
    prompt: dict[str, Any]
    targets: list[str] | None
    values: Mapping[str, Any]
