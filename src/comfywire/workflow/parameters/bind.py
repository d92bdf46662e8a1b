"""A caller's values put into a workflow: checked, coerced, and a list of the files to upload first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from comfywire.errors import InvalidParameter
from comfywire.workflow.parameters.parameters import Parameter
from comfywire.workflow.parameters.setting import resolve_input
from comfywire.workflow.parameters.values import RANDOM, coerce, draw_seed, is_seed, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from comfywire.workflow.node import Node
    from comfywire.workflow.parameters.parameters import Parameters
    from comfywire.workflow.workflow_like import WorkflowLike

__all__ = ["FileInput", "bind"]

_Workflow = TypeVar("_Workflow", bound="WorkflowLike")


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file that the server needs before the prompt runs.

    Attributes:
        parameter: The name by which the caller gave it.
        kind: ``image``, ``mask``, ``video``, ``audio`` or ``file``.
        source: What the caller gave: a path, bytes, an open file, a picture; or the name of a file that is
            on the server already, which only the caller's disk can tell.
        inputs: (node_id, input) of every place that takes its name once it is uploaded.

    """

    parameter: str
    kind: str
    source: Any
    inputs: tuple[tuple[str, str], ...]


def bind(
    workflow: _Workflow,
    parameters: Parameters,
    values: Mapping[str, Any],
    *,
    new_seed: Callable[[], int] | None = None,
) -> tuple[_Workflow, tuple[FileInput, ...], dict[str, Any]]:
    """Return a copy of ``workflow`` with ``values`` in the places that ``parameters`` describe.

    With it come the files to upload first, and what every parameter was set to, seeds drawn.

    Args:
        workflow: Stays as it is.
        parameters: What may be set. A parameter without a value gets its default, if it has one.
        values: By parameter; ``NODE.INPUT`` also reaches inputs that no parameter describes.
        new_seed: Draws a seed wherever one is ``"random"``: this package knows no chance.

    Raises:
        InvalidParameter: A name is unknown, a value is not allowed, or one that is required is missing.
        UnknownNode: A parameter names a node that this workflow does not have.

    """
    bound = workflow.copy()
    settled: dict[str, Any] = {}
    files: list[FileInput] = []
    for parameter, value in _pairs(bound, parameters, values):
        checked = parameter.check(value)
        if parameter.type == "seed" and checked == RANDOM:
            checked = _draw(parameter, new_seed)
        places = [resolve_input(bound, target) for target in parameter.inputs]
        if parameter.is_file:
            where = tuple((node.id, input_name) for node, input_name in places)
            files.append(FileInput(parameter.name, parameter.type, checked, where))
        for node, input_name in places:
            if not parameter.is_file or isinstance(checked, str):
                _set(node, input_name, checked)
        settled[parameter.name] = checked
    return bound, tuple(files), settled


def _pairs(
    workflow: WorkflowLike, parameters: Parameters, values: Mapping[str, Any]
) -> list[tuple[Parameter, Any]]:
    given = [(_parameter(workflow, parameters, name, value), value) for name, value in values.items()]
    for parameter in parameters.by_name.values():
        if parameter.is_required and parameter.default is None and parameter.name not in values:
            raise InvalidParameter(f"parameter {parameter.name!r} is required: give it a value")
    defaults = [
        (parameter, parameter.default)
        for parameter in parameters.by_name.values()
        if parameter.name not in values and parameter.default is not None
    ]
    return [*defaults, *given]


def _parameter(workflow: WorkflowLike, parameters: Parameters, name: str, value: Any) -> Parameter:
    if name in parameters or "." not in name:
        return parameters[name]
    node, input_name = resolve_input(workflow, name)
    spec = node.spec(input_name)
    kind = spec.upload if spec and spec.upload else "any"
    if value == RANDOM and is_seed(input_name, spec, node.inputs.get(input_name)):
        kind = "seed"
    # Not a parameter that anybody declared: it lasts for this call, under a name that no form will show.
    called = f"{node.class_type}_{input_name}".replace(".", "_").replace(" ", "_")
    return Parameter(called, (name,), kind, maximum=spec.maximum if spec else None)


def _draw(parameter: Parameter, new_seed: Callable[[], int] | None) -> int:
    if new_seed is None:
        raise ValueError(f"parameter {parameter.name!r} is random: pass new_seed to draw it")
    return draw_seed(new_seed, parameter.maximum)


def _set(node: Node, input_name: str, value: Any) -> None:
    """Set the input to ``value`` as it takes it: a parameter may drive inputs of different types."""
    if input_name in node and value == node[input_name]:
        return  # what stands there, odd as it may be, is not for us to judge
    try:
        node[input_name] = coerce(value, kind_of(node.spec(input_name), node.inputs.get(input_name)))
    except ValueError as error:
        raise InvalidParameter(f"{node}: {input_name!r} {error}") from None
