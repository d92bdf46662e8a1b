"""Plain values: primitives, and what newer servers have for numbers, colours, logic and lists.

(comfy_extras/nodes_primitive.py, nodes_logic.py, nodes_number_convert.py, nodes_color.py, nodes_seed.py,
nodes_toolkit.py, nodes_text.py.)
"""

# ComfyUI passes inputs by name; ``values.a`` and its like are no names of Python's.
# ruff: noqa: FBT001

from __future__ import annotations

import math
import string
from typing import Any, ClassVar

from comfywire.server.nodes.declared import DeclaredNode
from comfywire.server.nodes.expressions import evaluated

__all__ = [
    "ColorToRGBInt",
    "ComfyAndNode",
    "ComfyMathExpression",
    "ComfyNotNode",
    "ComfyNumberConvert",
    "ComfyOrNode",
    "ComfySwitchNode",
    "CreateList",
    "CustomCombo",
    "PrimitiveBoolean",
    "PrimitiveFloat",
    "PrimitiveInt",
    "PrimitiveString",
    "PrimitiveStringMultiline",
    "SeedNode",
]


class Primitive(DeclaredNode):
    """A node that is one value."""

    def execute(self, value: Any) -> tuple[Any]:
        """Return it."""
        return (value,)


class PrimitiveInt(Primitive):
    """A whole number."""


class PrimitiveFloat(Primitive):
    """A number."""


class PrimitiveString(Primitive):
    """A line of text."""


class PrimitiveStringMultiline(Primitive):
    """A text."""


class PrimitiveBoolean(Primitive):
    """True or false."""


class SeedNode(DeclaredNode):
    """A seed."""

    def execute(self, seed: int) -> tuple[int]:
        """Return it."""
        return (seed,)


class CustomCombo(DeclaredNode):
    """One of some words that the editor knows, and which it is."""

    @classmethod
    def VALIDATE_INPUTS(cls, choice: str, index: int = 0, **others: Any) -> bool:  # noqa: ARG003, N802
        """Take any word: the list of choices is the editor's."""
        return True

    def execute(self, choice: str, index: int = 0, **_: Any) -> tuple[str, int]:
        """Return them."""
        return choice, index


class ComfySwitchNode(DeclaredNode):
    """One of two values; the other one is not even made."""

    def check_lazy_status(self, switch: bool, on_false: Any = None, on_true: Any = None) -> list[str]:
        """Name the input that counts."""
        name, value = ("on_true", on_true) if switch else ("on_false", on_false)
        return [name] if value is None else []

    def execute(self, switch: bool, on_true: Any, on_false: Any) -> tuple[Any]:
        """Choose."""
        return (on_true if switch else on_false,)


class ComfyNotNode(DeclaredNode):
    """Whether a value is nothing, zero, empty or false."""

    def execute(self, value: Any) -> tuple[bool]:
        """Negate it."""
        return (not value,)


class ComfyAndNode(DeclaredNode):
    """Whether all of some values are true."""

    def execute(self, **values: Any) -> tuple[bool]:
        """Combine them."""
        return (all(values.values()),)


class ComfyOrNode(DeclaredNode):
    """Whether any of some values is true."""

    def execute(self, **values: Any) -> tuple[bool]:
        """Combine them."""
        return (any(values.values()),)


class CreateList(DeclaredNode):
    """A list of some values, so that what follows runs once for each."""

    INPUT_IS_LIST = True

    def execute(self, **inputs: list[Any]) -> tuple[list[Any]]:
        """String the lists together."""
        return ([one for values in inputs.values() for one in values],)


class ComfyMathExpression(DeclaredNode):
    """A formula of numbers a, b, c and so on."""

    LETTERS: ClassVar[str] = string.ascii_lowercase

    def execute(self, expression: str, **values: float) -> tuple[float, int, bool]:
        """Compute it, as a number, a whole number and a truth."""
        if not expression.strip():
            raise ValueError("Expression cannot be empty.")
        names: dict[str, Any] = {name.partition(".")[2]: value for name, value in values.items()}
        result = evaluated(expression, {**names, "values": list(names.values())})
        if not isinstance(result, int | float):
            raise ValueError(  # noqa: TRY004 - ComfyUI's error
                f"Math Expression '{expression}' must evaluate to a numeric result, "
                f"got {type(result).__name__}: {result!r}"
            )
        try:
            number = float(result)
        except OverflowError:
            raise ValueError(
                f"Math Expression '{expression}' produced a result too large to "
                f"represent as a float: {result}"
            ) from None
        if not math.isfinite(number):
            raise ValueError(f"Math Expression '{expression}' produced a non-finite result: {result}")
        return number, int(result), bool(result)


class ComfyNumberConvert(DeclaredNode):
    """A number from a number, a truth or a text."""

    def execute(self, value: Any) -> tuple[float, int]:
        """Convert it, as a number and a whole number."""
        if isinstance(value, str):
            return _parsed(value)
        if not isinstance(value, int | float):
            raise TypeError(f"Unsupported input type: {type(value).__name__}")
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"Cannot convert non-finite value to number: {number}")
        return number, int(value)


class ColorToRGBInt(DeclaredNode):
    """A colour as one whole number, as a word like #ff8000, and how opaque it is."""

    def execute(self, color: str) -> tuple[int, str, float]:
        """Convert it."""
        digits = color[1:]
        if len(digits) not in (6, 8) or color[0] != "#" or set(digits) - set(string.hexdigits):
            raise ValueError("Color must be in format #RRGGBB or #RRGGBBAA")
        alpha = int(digits[6:], 16) / 255.0 if len(digits) == 8 else 1.0
        return int(digits[:6], 16), color[:7], alpha


def _parsed(text: str) -> tuple[float, int]:
    if not text.strip():
        raise ValueError("Cannot convert empty string to number.")
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"Cannot convert string to number: {text!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"Cannot convert non-finite value to number: {number}")
    try:
        return number, int(text)
    except ValueError:
        return number, int(number)
