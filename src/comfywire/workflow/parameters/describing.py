"""Parameters described by the inputs that they drive: type, limits, choices and default."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from comfywire.errors import InvalidParameter
from comfywire.workflow.node import is_link
from comfywire.workflow.parameters.parameters import Parameter
from comfywire.workflow.parameters.values import LARGEST_SEED, is_seed, kind_of, tightest

if TYPE_CHECKING:
    from comfywire.workflow.node import Node
    from comfywire.workflow.object_info import Input

__all__ = ["DECLARED", "InputPlace", "describe", "slug"]

_TYPES = {
    "INT": "int",
    "FLOAT": "float",
    "NUMBER": "float",
    "BOOLEAN": "bool",
    "STRING": "text",
    "COMBO": "choice",
}
DECLARED = re.compile(
    r"\$(?P<name>[A-Za-z_][\w-]*)(?:\.(?P<upload>~?)(?P<input>[\w.]+))?(?P<required>!?)(?::(?P<help>.*))?\Z",
    re.DOTALL,
)
# Choices of such inputs are the files that one server has: no part of a description that travels.
_FILES = re.compile(
    r"\.(safetensors|sft|ckpt|pth?|bin|gguf|onnx|png|jpe?g|webp|mp4|webm|mp3|wav|flac|glb)\Z", re.IGNORECASE
)
_MOST_CHOICES = 100


@dataclass(frozen=True, slots=True)
class InputPlace:
    """An input that a parameter drives, and what is to be said of that."""

    node: Node
    input: str
    name: str
    is_required: bool = False
    help: str = ""

    @property
    def target(self) -> str:
        """The input as ``inputs`` of parameters name it."""
        return f"{self.node.id}.{self.input}"


def describe(name: str, places: list[InputPlace]) -> Parameter:
    """Return the parameter ``name`` that drives ``places``, as what is there now suggests."""
    first = places[0]
    spec, value = first.node.spec(first.input), first.node.inputs.get(first.input)
    kind = _type_of(first, spec, value)
    is_number = kind in {"int", "float", "seed"}
    least, most = _limits(kind, places) if is_number else (None, None)
    described = Parameter(
        name=name,
        inputs=tuple(place.target for place in places),
        type=kind,
        default=_default(places),
        minimum=least,
        maximum=most,
        step=spec.step if spec and kind in {"int", "float"} else None,
        choices=_choices(spec) if kind == "choice" else (),
        help=first.help or (spec.tooltip if spec else ""),
        is_multiline=bool(spec and spec.is_multiline),
        is_required=any(place.is_required for place in places),
    )
    if _allows(described, value):
        return described
    free = replace(described, choices=(), minimum=None, maximum=None)
    return free if _allows(free, value) else replace(free, type="any")


def _limits(kind: str, places: list[InputPlace]) -> tuple[float | None, float | None]:
    """Return the tightest of what the places take; the usual limits of a seed go without saying."""
    least, most = tightest(place.node.spec(place.input) for place in places)
    if kind == "seed":
        return (None if least == 0 else least), (None if most is None or most >= LARGEST_SEED else most)
    return least, most


def _default(places: list[InputPlace]) -> Any:
    """Return the value that stands in all the places; None, which leaves them alone, if they differ."""
    values = [place.node.inputs.get(place.input) for place in places]
    is_one = all(value == values[0] for value in values)
    is_left = any(place.is_required for place in places) or is_link(values[0])
    return values[0] if is_one and not is_left and not _has_null(values[0]) else None


def _has_null(value: Any) -> bool:
    """Whether there is a null in it, for which TOML, and hence a default that is kept, has no word."""
    match value:
        case list():
            return any(map(_has_null, value))
        case dict():
            return any(map(_has_null, value.values()))
    return value is None


def _allows(parameter: Parameter, value: Any) -> bool:
    """Whether the workflow's own value passes: it may be for another server, or a newer one."""
    try:
        parameter.check(value)
    except InvalidParameter:
        return is_link(value)
    return True


def _type_of(place: InputPlace, spec: Input | None, value: Any) -> str:
    declared = DECLARED.match(place.node.title.strip())
    if spec is not None and spec.upload:
        return spec.upload
    if declared and declared["upload"]:
        return "image" if place.input == "image" else "file"
    return "seed" if is_seed(place.input, spec, value) else _TYPES.get(kind_of(spec, value), "any")


def _choices(spec: Input | None) -> tuple[Any, ...]:
    choices = spec.choices if spec else None
    if not choices or len(choices) > _MOST_CHOICES or any(_FILES.search(str(choice)) for choice in choices):
        return ()
    return choices


def slug(title: str) -> str:
    """Return ``title`` as a name: ``"Load (Base)"`` is ``load_base``, ``SaveImage`` is ``save_image``."""
    apart = title if " " in title else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", title)
    slug = re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")
    return slug if slug[:1].isalpha() else ""
