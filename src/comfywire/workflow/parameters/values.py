"""Values as people write them, made into the values that an input takes."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, TypeGuard

from comfywire.workflow.object_info import DYNAMIC_COMBO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from comfywire.workflow.object_info import Input

__all__ = [
    "LARGEST_SEED",
    "RANDOM",
    "coerce",
    "draw_seed",
    "is_seed",
    "kind_of",
    "parse_text",
    "tightest",
]

RANDOM = "random"
# ComfyUI's samplers take seeds of 64 bits (nodes.py, KSampler, 0.3.64).
LARGEST_SEED = 2**64 - 1
_SEEDS = {"seed", "noise_seed"}

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def kind_of(spec: Input | None, present: Any) -> str:
    """Return the kind of value an input takes.

    It is ``INT``, ``FLOAT``, ``NUMBER``, ``BOOLEAN``, ``STRING``, ``COMBO``, or ``*`` when nobody knows:
    object_info decides where it knows the input; else the value that stands there now. A number that stands
    there is a ``NUMBER``: cfg 7 may well become 7.5.
    """
    widget = spec.widget_type.split(",")[0] if spec else "*"
    if widget in {"INT", "FLOAT", "BOOLEAN", "STRING", "COMBO"}:
        return widget
    if widget == DYNAMIC_COMBO:
        return "COMBO"
    match present:
        case bool():
            return "BOOLEAN"
        case int() | float():
            return "NUMBER"
        case str() if spec is None:
            return "STRING"
        case _:
            return "*"


def is_seed(name: str, spec: Input | None, present: Any) -> bool:
    """Tell whether an input is a seed, which may be ``"random"``: by its name, and because it is a number."""
    return name in _SEEDS and kind_of(spec, present) in {"INT", "FLOAT", "NUMBER"}


def tightest(specs: Iterable[Input | None]) -> tuple[float | None, float | None]:
    """Return the largest minimum and the smallest maximum of inputs; None where none of them has one."""
    known = [spec for spec in specs if spec is not None]
    least = max((spec.minimum for spec in known if spec.minimum is not None), default=None)
    most = min((spec.maximum for spec in known if spec.maximum is not None), default=None)
    return least, most


def draw_seed(new_seed: Callable[[], int], least: float | None, most: float | None) -> int:
    """Return a new seed from ``least`` to ``most``; negative ones only where there are no others."""
    highest = LARGEST_SEED if most is None else min(int(most), LARGEST_SEED)
    lowest = 0 if least is None else math.ceil(least)
    lowest = lowest if highest < 0 else max(lowest, 0)
    return lowest + new_seed() % (highest - lowest + 1) if lowest <= highest else lowest


def coerce(value: Any, kind: str) -> Any:
    """Return ``value`` as an input of ``kind`` takes it.

    Raises:
        ValueError: It cannot be; the message says what is taken, and reads on from the input's name.

    """
    match kind:
        case "INT":
            return _to_int(value)
        case "FLOAT" | "NUMBER":
            return _to_number(value, as_float=kind == "FLOAT")
        case "BOOLEAN":
            return _to_bool(value)
        case "STRING":
            return _to_text(value)
        case _:
            return value


def parse_text(text: str, kind: str, choices: tuple[Any, ...] | None = None) -> Any:
    """Return what ``text``, typed by a person, means for an input of ``kind``.

    Text stays text; numbers and true or false are read as such; a combo's choice that is no text is found by
    how it is written; anything else is JSON where it can be, such as a link ``["4", 0]``.

    Raises:
        ValueError: It means nothing there.

    """
    if kind == "COMBO":
        return next((choice for choice in choices or () if str(choice) == text), text)
    if kind != "*":
        return coerce(text, kind)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _to_int(value: Any) -> int:
    number = _to_number(value, as_float=False)
    if number != int(number):
        raise ValueError(f"takes a whole number, not {value!r}")
    return int(number)


def _to_number(value: Any, *, as_float: bool) -> int | float:
    number = _parse_number(value) if isinstance(value, str) else value
    if not _is_finite(number):
        raise ValueError(f"takes a number, not {_show(value)}")
    return float(number) if as_float and isinstance(value, str) else number


def _is_finite(number: Any) -> TypeGuard[int | float]:
    # A whole number of any size is finite, though math.isfinite would overflow on it.
    is_whole = isinstance(number, int) and not isinstance(number, bool)
    return is_whole or (isinstance(number, float) and math.isfinite(number))


def _parse_number(text: str) -> int | float | None:
    for parse in (int, float):  # a seed has up to 64 bits: never through a float
        try:
            return parse(text.strip())
        except ValueError:
            continue
    return None


def _to_bool(value: Any) -> bool:
    match value:
        case bool():
            return value
        case 0 | 1:
            return bool(value)
        case str() if value.strip().lower() in _WORDS:
            return _WORDS[value.strip().lower()]
    raise ValueError(f"takes true or false, not {_show(value)}")


def _to_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"takes a text, not {_show(value)}")


def _show(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
