"""A caller's values put into a workflow: checked, coerced, and a list of the files to upload first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from comfywire.errors import InvalidParameter
from comfywire.workflow.node import is_json
from comfywire.workflow.parameters.parameters import Parameter
from comfywire.workflow.parameters.setting import resolve_input
from comfywire.workflow.parameters.values import (
    RANDOM,
    coerce,
    draw_seed,
    is_seed,
    kind_of,
    tightest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

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
        is_given: Whether the caller gave it; else it is the parameter's default.

    """

    parameter: str
    kind: str
    source: Any
    inputs: tuple[tuple[str, str], ...]
    is_given: bool = True


@dataclass(frozen=True, slots=True)
class _Value:
    """A value on its way to its places."""

    name: str
    parameter: Parameter
    value: Any
    is_given: bool


def bind(
    workflow: _Workflow,
    parameters: Parameters,
    values: Mapping[str, Any],
    *,
    new_seed: Callable[[], int] | None = None,
) -> tuple[_Workflow, tuple[FileInput, ...], dict[str, Any], tuple[str, ...]]:
    """Return a copy of ``workflow`` with ``values`` in the places that ``parameters`` describe.

    With it come the files to upload first, what everything was set to, by the names that the caller used, and
    which of that are seeds that were drawn.

    Args:
        workflow: Stays as it is.
        parameters: What may be set. A parameter without a value gets its default, if it has one.
        values: By parameter; ``NODE.INPUT`` also reaches inputs that no parameter describes.
        new_seed: Draws a seed wherever one is ``"random"``: this package knows no chance.

    Raises:
        InvalidParameter: A name is unknown, a value is not allowed, one that is required is missing, or two
            of them are for the same input.
        UnknownNode: A parameter names a node that this workflow does not have.

    """
    bound = workflow.copy()
    settled: dict[str, Any] = {}
    files: list[FileInput] = []
    drawn: list[str] = []
    takers: dict[tuple[str, str], _Value] = {}
    for each in _pairs(bound, parameters, values):
        places = [resolve_input(bound, target) for target in each.parameter.inputs]
        _take(takers, each, places)
        checked = _settle(each, places, new_seed)
        if each.parameter.is_file:
            where = tuple((node.id, input_name) for node, input_name in places)
            files.append(FileInput(each.name, each.parameter.type, checked, where, each.is_given))
        for node, input_name in places:
            if not each.parameter.is_file or isinstance(checked, str):
                _set(node, input_name, checked)
        settled[each.name] = checked
        drawn += [each.name] if _is_random(each) else []
    return bound, tuple(files), settled, tuple(drawn)


def _pairs(workflow: WorkflowLike, parameters: Parameters, values: Mapping[str, Any]) -> list[_Value]:
    given = [
        _Value(name, _parameter(workflow, parameters, name, value), value, is_given=True)
        for name, value in values.items()
    ]
    for parameter in parameters.by_name.values():
        if parameter.is_required and parameter.default is None and parameter.name not in values:
            raise InvalidParameter(f"parameter {parameter.name!r} is required: give it a value")
    defaults = [
        _Value(parameter.name, parameter, parameter.default, is_given=False)
        for parameter in parameters.by_name.values()
        if parameter.name not in values and parameter.default is not None
    ]
    return [*defaults, *given]


def _parameter(workflow: WorkflowLike, parameters: Parameters, name: Any, value: Any) -> Parameter:
    if not isinstance(name, str):
        raise InvalidParameter(f"inputs are named by texts, and {name!r} is none")
    if isinstance(value, Mapping) and value and name not in parameters and name in workflow.names:
        one = f"{name}.{next(iter(value))}"
        raise InvalidParameter(f"inputs are set one by one: {{{one!r}: ...}}, not {{{name!r}: {{...}}}}")
    if name in parameters or "." not in name:
        return parameters[name]
    node, input_name = resolve_input(workflow, name)
    spec = node.spec(input_name)
    kind = spec.upload if spec and spec.upload else "any"
    if isinstance(value, str) and value == RANDOM and is_seed(input_name, spec, node.inputs.get(input_name)):
        kind = "seed"
    # Not a parameter that anybody declared: it lasts for this call, under a name that no form will show.
    called = "".join(mark if mark.isalnum() else "_" for mark in f"{node.class_type}_{input_name}")
    return Parameter(f"_{called}", (name,), kind)


def _take(takers: dict[tuple[str, str], _Value], value: _Value, places: list[tuple[Node, str]]) -> None:
    """Note whose value an input has: of two that are given for one, the first would vanish."""
    inside = [(node, input_name, place) for node, input_name in places for place in node.places(input_name)]
    for node, input_name, place in inside:
        before = takers.get(place)
        if before is not None and before.is_given and not _is_same(before.value, value.value):
            raise InvalidParameter(
                f"{before.name!r} and {value.name!r} are both given for {input_name!r} of {node}: give one"
            )
        takers[place] = value


def _is_same(first: Any, second: Any) -> bool:
    """Whether two values are one; two seeds to be drawn are not."""
    if isinstance(first, str | int | float):
        return type(first) is type(second) and bool(first == second) and first != RANDOM
    return first is second


def _settle(value: _Value, places: list[tuple[Node, str]], new_seed: Callable[[], int] | None) -> Any:
    """Return the value as its parameter and all that it drives take it, seeds drawn."""
    parameter = value.parameter
    if not parameter.is_file and not is_json(value.value):
        for node, input_name in places:
            node[input_name] = value.value  # raises, with what the input takes
    checked = parameter.check(value.value)
    if parameter.type not in ("seed", "int", "float"):
        return checked
    least, most = tightest(node.spec(input_name) for node, input_name in places)
    limited = parameter.within(least, most)
    if _is_random(value):
        if new_seed is None:
            raise ValueError(f"parameter {parameter.name!r} is random: pass new_seed to draw it")
        return draw_seed(new_seed, limited.minimum, limited.maximum)
    stands = all(input_name in node and node[input_name] == checked for node, input_name in places)
    return checked if stands else limited.check(checked)


def _is_random(value: _Value) -> bool:
    is_word = isinstance(value.value, str) and value.value == RANDOM
    return is_word and value.parameter.type == "seed"


def _set(node: Node, input_name: str, value: Any) -> None:
    """Set the input to ``value`` as it takes it: a parameter may drive inputs of different types."""
    if input_name in node and _stands(node[input_name], value):
        return  # what stands there, odd as it may be, is not for us to judge
    try:
        node[input_name] = coerce(value, kind_of(node.spec(input_name), node.inputs.get(input_name)))
    except ValueError as error:
        raise InvalidParameter(f"{node}: {input_name!r} {error}") from None


def _stands(present: Any, value: Any) -> bool:
    """Whether the input has just this value: True is not 1 on the server, though Python calls them equal."""
    return type(present) is type(value) and bool(present == value)
