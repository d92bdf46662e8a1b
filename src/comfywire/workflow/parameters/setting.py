"""``NODE.INPUT=VALUE``, as the command line takes it, resolved against a workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfywire.errors import InvalidParameter, UnknownNode
from comfywire.workflow.node import unknown_input
from comfywire.workflow.parameters.values import (
    RANDOM,
    draw_seed,
    is_seed,
    kind_of,
    parse_text,
    tightest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from comfywire.workflow.node import Node
    from comfywire.workflow.workflow_like import WorkflowLike

__all__ = ["Setting", "parse_setting", "resolve_input"]


@dataclass(frozen=True, slots=True)
class Setting:
    """An input of a node and the value it is to have.

    Attributes:
        node: The node, in the workflow that the setting was parsed for.
        input: The input's name.
        value: The value, of the type that the input takes.
        name: How node and input were written.

    """

    node: Node
    input: str
    value: Any
    name: str = ""

    @property
    def upload(self) -> str | None:
        """The kind of file that the input takes (``image``, ``video``, ``audio``, ``file``), or None."""
        spec = self.node.spec(self.input)
        return spec.upload if spec else None

    def apply(self) -> None:
        """Change the workflow."""
        self.node[self.input] = self.value


def parse_setting(workflow: WorkflowLike, text: str, *, new_seed: Callable[[], int] | None = None) -> Setting:
    """Return what ``text``, such as ``KSampler.seed=42``, means for ``workflow``, which is left as it is.

    The node is an id, a title or a class_type that stands once; titles and inputs may have dots and equals
    signs in them: the split is taken that makes sense. The value is read as what the input takes by
    object_info, or else as what stands there now: ``text=42`` stays a text, ``seed=42`` is a number.

    Args:
        workflow: Whose nodes and inputs are meant.
        text: As above.
        new_seed: Draws the seed of ``KSampler.seed=random``; without it, that is no number.

    Raises:
        InvalidParameter: It is not written so, the node has no such input, or the value means nothing there.
        UnknownNode: There is no such node, or several.

    """
    names = workflow.names
    for at, character in enumerate(text):
        if character == "=" and (place := _split(workflow, names, text[:at])):
            return Setting(*place, _parse_value(*place, text[at + 1 :], new_seed), text[:at])
    left, equals, _ = text.partition("=")
    if not equals or "." not in left[1:]:
        raise InvalidParameter(f"{text[:80]!r} is not of the form NODE.INPUT=VALUE, such as KSampler.seed=42")
    raise _explain(workflow, left)


def resolve_input(workflow: WorkflowLike, text: str) -> tuple[Node, str]:
    """Return the node and the input that ``text``, such as ``KSampler.seed``, names.

    Raises:
        InvalidParameter: It is not written so, or the node has no such input.
        UnknownNode: There is no such node, or several.

    """
    ids = {node_id: [node_id] for node_id in workflow.prompt}
    place = _split(workflow, ids, text) or _split(workflow, workflow.names, text)
    if place is not None:
        return place
    if "." not in text[1:]:
        raise InvalidParameter(f"{text[:80]!r} is not of the form NODE.INPUT, such as KSampler.seed")
    raise _explain(workflow, text)


def _split(workflow: WorkflowLike, names: Mapping[str, list[str]], text: str) -> tuple[Node, str] | None:
    for name, input_name in _readings(text):
        if len(names.get(name, ())) == 1 and (node := workflow[name]).knows(input_name):
            return node, input_name
    return None


def _readings(text: str) -> Iterator[tuple[str, str]]:
    """Yield every way to read ``text`` as a node's name, a dot and an input's: the longest name first."""
    for dot in range(len(text) - 1, -1, -1):
        if text[dot] == ".":
            yield text[:dot].strip(), text[dot + 1 :].strip()


def _parse_value(node: Node, name: str, text: str, new_seed: Callable[[], int] | None) -> Any:
    spec, present = node.spec(name), node.inputs.get(name)
    may_be_random = new_seed is not None and is_seed(name, spec, present)
    if new_seed is not None and may_be_random and text.strip() == RANDOM:
        return draw_seed(new_seed, *tightest([spec]))
    try:
        return parse_text(text, kind_of(spec, present), spec.choices if spec else None)
    except ValueError as error:
        also = f", or {RANDOM!r}" if may_be_random else ""
        raise InvalidParameter(f"{node}: {name!r} {error}{also}") from None


def _explain(workflow: WorkflowLike, text: str) -> InvalidParameter | UnknownNode:
    readings = list(_readings(text))
    names = workflow.names
    name, input_name = next((reading for reading in readings if reading[0] in names), readings[0])
    try:
        return unknown_input(workflow[name], input_name)
    except UnknownNode as error:
        return error
