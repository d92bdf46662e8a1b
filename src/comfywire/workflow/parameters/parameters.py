"""What a caller may set in a workflow: one description for Python, the command line and forms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from comfywire.errors import InvalidParameter
from comfywire.workflow.nearest import did_you_mean
from comfywire.workflow.parameters.roles import REPEATED, ROLES
from comfywire.workflow.parameters.values import LARGEST_SEED, RANDOM, coerce

if TYPE_CHECKING:
    from comfywire.workflow.workflow_like import WorkflowLike

__all__ = ["FILE_TYPES", "ROLES", "TYPES", "Parameter", "Parameters"]

FILE_TYPES = frozenset({"image", "mask", "video", "audio", "file"})
_KINDS = {
    "int": "INT",
    "seed": "INT",
    "float": "FLOAT",
    "bool": "BOOLEAN",
    "text": "STRING",
    "choice": "COMBO",
}
TYPES = frozenset({*_KINDS, *FILE_TYPES, "any"})
_NAME = re.compile(r"[A-Za-z_][\w-]*\Z")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing to set, which may stand in several nodes.

    Attributes:
        name: What callers call it.
        inputs: The inputs it drives, each ``NODE.INPUT``: an id, or a title or class_type that stands once.
        type: ``text``, ``int``, ``float``, ``bool``, ``choice``, ``seed`` (a whole number, or ``random``),
            ``any``; or a file to upload: ``image``, ``mask``, ``video``, ``audio``, ``file``.
        default: What is sent when the caller does not say; None leaves the workflow's own value.
        minimum: The smallest number allowed, or None.
        maximum: The largest number allowed, or None.
        step: The step of a slider; not enforced, as the server doesn't.
        choices: What may be chosen; empty allows anything (the server may still refuse it).
        help: One or two sentences for people.
        is_multiline: Whether a form should give room for several lines.
        is_required: Whether the caller must say.
        label: What a form calls it, in words for people; "" where its name will do.
        group: The heading under which a form shows it, in words for people; "" for none.
        role: What it is to programs, whatever its name: one of ``ROLES``, such as ``prompt`` or ``width``; ""
            for none. One parameter of a workflow has a role, but for ``image``.

    """

    name: str
    inputs: tuple[str, ...]
    type: str = "any"
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[Any, ...] = ()
    help: str = ""
    is_multiline: bool = False
    is_required: bool = False
    label: str = ""
    group: str = ""
    role: str = ""

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise InvalidParameter(
                f"{self.name!r} is no name for a parameter; use letters, digits, _ and -, not a digit first"
            )
        if self.type not in TYPES:
            hint = did_you_mean(self.type, TYPES) or f"; there are {', '.join(sorted(TYPES))}"
            raise InvalidParameter(
                f"parameter {self.name!r} has type {self.type!r}, which does not exist{hint}"
            )
        if self.role and self.role not in ROLES:
            hint = did_you_mean(self.role, ROLES) or f"; there are {', '.join(ROLES)}"
            raise InvalidParameter(
                f"parameter {self.name!r} has role {self.role!r}, which does not exist{hint}"
            )
        if not self.inputs:
            raise InvalidParameter(
                f"parameter {self.name!r} drives no input; give it inputs = ['NODE.INPUT']"
            )

    @property
    def is_file(self) -> bool:
        """Whether it takes a file to upload."""
        return self.type in FILE_TYPES

    def within(self, least: float | None, most: float | None) -> Parameter:
        """Return it with its limits tightened to those of the inputs that it drives."""
        minimum = max((limit for limit in (self.minimum, least) if limit is not None), default=None)
        maximum = min((limit for limit in (self.maximum, most) if limit is not None), default=None)
        return replace(self, minimum=minimum, maximum=maximum)

    def check(self, value: Any) -> Any:
        """Return ``value`` as the inputs take it: ``"20"`` becomes 20 where a number belongs.

        Seeds may be ``"random"`` and stay so; files are returned as they are.

        Raises:
            InvalidParameter: It is of the wrong type, out of range, or not offered.

        """
        if self.is_file or (self.type == "seed" and isinstance(value, str) and value == RANDOM):
            return value
        if self.type == "choice":
            return self._choose(value)
        try:
            coerced = coerce(value, _KINDS.get(self.type, "*"))
        except ValueError as error:
            also = f", or {RANDOM!r}" if self.type == "seed" else ""
            raise InvalidParameter(f"parameter {self.name!r} {error}{also}") from None
        self._check_range(coerced)
        return self._choose(coerced) if self.choices else coerced

    def _check_range(self, value: Any) -> None:
        if self.type not in {"int", "float", "seed"}:
            return
        least = 0 if self.minimum is None and self.type == "seed" else self.minimum
        most = LARGEST_SEED if self.maximum is None and self.type == "seed" else self.maximum
        if least is not None and value < least:
            also = f"; {RANDOM!r} draws one" if self.type == "seed" else ""
            words = f"is {value}, but {least} is the smallest allowed{also}"
            raise InvalidParameter(f"parameter {self.name!r} {words}")
        if most is not None and value > most:
            raise InvalidParameter(f"parameter {self.name!r} is {value}, but {most} is the largest allowed")

    def _choose(self, value: Any) -> Any:
        if not self.choices or value in self.choices:
            return value
        written = {str(choice): choice for choice in self.choices}
        if str(value) in written:
            return written[str(value)]
        hint = did_you_mean(str(value), written)
        if not hint:
            hint = f"; there are {', '.join([*written][:12])}{', ...' if len(written) > 12 else ''}"
        raise InvalidParameter(f"parameter {self.name!r} is {value!r}, which is not offered{hint}")


def _inside(node_id: str, workflow: WorkflowLike, outputs: list[str]) -> list[str]:
    """Return the node itself, or of a subgraph the output nodes in it."""
    if node_id in workflow.prompt:
        return [node_id]
    return [each for each in outputs if each.startswith(f"{node_id}:")]


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a workflow, and names for its outputs.

    Attributes:
        by_name: The parameters, in the order in which a form shows them.
        outputs: Output nodes (ids, titles or class_types that stand once) by the name that callers use.
        aliases: Other names that a job service is to have the workflow under, such as ``gpt-image-1``.
        description: What the workflow makes of what, in words: agents choose by it.

    """

    by_name: Mapping[str, Parameter] = field(default_factory=dict)
    outputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        having: dict[str, str] = {}
        for parameter in self.by_name.values():
            before = having.setdefault(parameter.role, parameter.name)
            if before != parameter.name and parameter.role not in ("", REPEATED):
                raise InvalidParameter(
                    f"parameters {before!r} and {parameter.name!r} both have the role {parameter.role!r}: "
                    "take it from one"
                )

    def of_role(self, role: str) -> Parameter | None:
        """Return the parameter of this role, of several the first; None if there is none."""
        return next((parameter for parameter in self if parameter.role == role), None)

    def __getitem__(self, name: str) -> Parameter:
        """Return the parameter of this name.

        Raises:
            InvalidParameter: There is none; the message has the near matches.

        """
        if name not in self.by_name:
            known = ", ".join(self.by_name) or "none"
            hint = did_you_mean(name, self.by_name) or f"; there are {known}"
            raise InvalidParameter(f"the workflow has no parameter {name!r}{hint}")
        return self.by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.by_name.values())

    def __len__(self) -> int:
        return len(self.by_name)

    def select_outputs(self, workflow: WorkflowLike, names: str | list[str] | tuple[str, ...]) -> list[str]:
        """Return the ids of the nodes that ``names`` mean: names of outputs, or ids, titles or class_types.

        Raises:
            InvalidParameter: A name means no output node.

        """
        wanted = [names] if isinstance(names, str) else names
        ids = [node_id for name in wanted for node_id in self._find_output(workflow, name)]
        return list(dict.fromkeys(ids))

    def _find_output(self, workflow: WorkflowLike, name: str) -> list[str]:
        nodes = [node.id for node in workflow.output_nodes]
        if name in self.outputs:
            found = [workflow[node].id for node in self.outputs[name]]
            return [each for node_id in found for each in _inside(node_id, workflow, nodes)]
        named = workflow.names.get(name, [])
        # Nodes of a subgraph are called by its id and theirs, such as 57:9 (editor-format.md, par. 7).
        inside = tuple(f"{node_id}:" for node_id in (name, *named))
        found = [node_id for node_id in nodes if node_id in named or node_id.startswith(inside)]
        if not found:
            known = [*self.outputs, *(node.title for node in workflow.output_nodes)]
            hint = did_you_mean(name, known) or f"; there are {', '.join(dict.fromkeys(known)) or 'none'}"
            raise InvalidParameter(f"the workflow has no output {name!r}{hint}")
        return found
