"""What ComfyUI's validator says about one input (execution.py, validate_inputs): values, links, files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comfywire.workflow.nearest import did_you_mean, nearest
from comfywire.workflow.validation.declared import Declared

__all__ = [
    "FOLDER_NAMED",
    "SEEDS",
    "Mistake",
    "Rules",
    "ServerRaises",
    "check_file",
    "check_type",
    "check_value",
    "rules_for",
]


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs between versions of the validator.

    Attributes:
        checks_combos: Whether a value of a ``COMBO`` must be among its options (from 0.8.0); legacy combos
            are always checked.
        is_any_loose: Whether ``*`` inside a union matches, and a list of choices fits a ``COMBO``.
        missing_type: What a node of unknown type is called.
        names_cycles: Whether a cycle is reported at its nodes; before, the recursion it causes was
            swallowed, and nothing was named.

    """

    checks_combos: bool
    is_any_loose: bool
    missing_type: str
    names_cycles: bool


_NEWER = Rules(checks_combos=True, is_any_loose=True, missing_type="missing_node_type", names_cycles=True)
_OLDER = Rules(checks_combos=False, is_any_loose=False, missing_type="invalid_prompt", names_cycles=False)
_BETWEEN = Rules(checks_combos=True, is_any_loose=True, missing_type="invalid_prompt", names_cycles=False)


def rules_for(version: str | None, *, is_modern: bool) -> Rules:
    """Return the rules of a server's version; if that is not known, the newest or those of 0.3.64.

    Between 0.8.0 and 0.11.0 there was the option check without the better reports (comfyui-protocol.md 7).
    """
    numbers = re.match(r"v?(\d+)\.(\d+)", version or "")
    if numbers is None:
        return _NEWER if is_modern else _OLDER
    release = int(numbers[1]), int(numbers[2])
    if release < (0, 8):
        return _OLDER
    return _BETWEEN if release < (0, 11) else _NEWER


FOLDER_NAMED = "folder_named"
SEEDS = ("seed", "noise_seed")
"""The inputs for which -1 may have meant a number drawn by chance, as other programs take it."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with one input; ``words`` read on from its name."""

    type: str
    input: str | None
    words: str
    value: Any = None
    allowed: tuple[Any, ...] = ()
    nearest: tuple[str, ...] = ()


class ServerRaises(Exception):
    """The server's own code raises at this point, which ends its look at the node."""

    def __init__(self, input_name: str | None, words: str, **rest: Any) -> None:
        # The type is settled by who asked about the node: see validate.py.
        self.mistake = Mistake("exception_during_validation", input_name, words, **rest)
        super().__init__(words)


def check_type(declared: Declared, received: Any, rules: Rules) -> Mistake | None:
    """Return what is wrong with a link from an output of type ``received``."""
    if _is_compatible(received, declared.type, rules):
        return None
    takes = "one of its choices" if declared.is_legacy_combo else declared.type
    gives = "a list of choices" if isinstance(received, list) else received
    return Mistake(
        "return_type_mismatch",
        declared.name,
        f"takes {takes}, but is linked to an output that gives {gives}",
        allowed=() if declared.is_legacy_combo else tuple(str(declared.type).split(",")),
    )


def _is_compatible(received: Any, expected: Any, rules: Rules) -> bool:
    if received == expected or "*" in (received, expected):
        return True
    if rules.is_any_loose and (
        "COMFY_MATCHTYPE_V3" in (received, expected) or (isinstance(received, list) and expected == "COMBO")
    ):
        return True
    if not isinstance(received, str) or not isinstance(expected, str):
        return False
    gives, takes = ({name.strip() for name in union.split(",")} for union in (received, expected))
    return bool(gives & takes) or (rules.is_any_loose and "*" in gives | takes)


_CONVERSIONS: Mapping[Any, Callable[[Any], Any]] = {
    "INT": int,
    "FLOAT": float,
    "STRING": str,
    "BOOLEAN": bool,
}
_TAKES = {"INT": "a whole number", "FLOAT": "a number"}


def check_value(declared: Declared, value: Any, rules: Rules, *, is_covered: bool = False) -> Mistake | None:
    """Return what is wrong with a value; it is converted as the server converts it, ``"64"`` to 64.

    Args:
        declared: The input.
        value: Its value: anything but a list.
        rules: Of the server's version.
        is_covered: Whether the class checks this input itself (VALIDATE_INPUTS), so that the server doesn't.

    Raises:
        ServerRaises: The server's comparison breaks on it.

    """
    if isinstance(value, dict) and "__value__" in value:
        value = value["__value__"]
    try:
        kind = declared.type if isinstance(declared.type, str) else None
        value = _CONVERSIONS[kind](value) if kind in _CONVERSIONS else value
    except (TypeError, ValueError, OverflowError):
        words = f"takes {_TAKES.get(kind or '', 'another value')}, not {_show(value)}"
        return Mistake("invalid_input_type", declared.name, words, value)
    try:
        return None if is_covered else _check_range(declared, value) or _check_choice(declared, value, rules)
    except TypeError:
        raise ServerRaises(
            declared.name,
            f"is {_show(value)}, which the server cannot compare with what it allows",
            value=value,
        ) from None


def _check_range(declared: Declared, value: Any) -> Mistake | None:
    least, most = declared.options.get("min"), declared.options.get("max")
    allowed = (least, most)
    if "min" in declared.options and value < least:
        also = '; "random" draws one' if declared.name in SEEDS and value == -1 else ""
        words = f"{_say_range(value, allowed)}{also}"
        return Mistake("value_smaller_than_min", declared.name, words, value, allowed)
    if "max" in declared.options and value > most:
        return Mistake("value_bigger_than_max", declared.name, _say_range(value, allowed), value, allowed)
    return None


def _say_range(value: Any, allowed: tuple[Any, Any]) -> str:
    match allowed:
        case None, most:
            return f"is {value}, but {most} is the largest allowed"
        case least, None:
            return f"is {value}, but {least} is the smallest allowed"
        case least, most:
            return f"is {value}, but must be from {least} to {most}"


def _check_choice(declared: Declared, value: Any, rules: Rules) -> Mistake | None:
    if not (declared.is_legacy_combo or (declared.is_combo and rules.checks_combos)):
        return None
    is_many = rules.checks_combos and declared.options.get("multiselect", False) and isinstance(value, list)
    wrong = [each for each in (value if is_many else [value]) if each not in declared.choices]
    if not wrong:
        return None
    choices = tuple(declared.choices)
    near = tuple(nearest(str(wrong[0]), map(str, choices)))
    words = f"is {', '.join(map(_show, wrong))}, which is not offered{_say_choices(wrong[0], choices)}"
    return Mistake("value_not_in_list", declared.name, words, value, choices, near)


def _say_choices(value: Any, choices: Sequence[Any]) -> str:
    if not choices:
        return "; the server has none to offer: install one there, or refresh its list"
    hint = did_you_mean(str(value), map(str, choices))
    if hint:
        return hint
    return f"; the server offers {', '.join(map(str, choices[:8]))}{', ...' if len(choices) > 8 else ''}"


def _means_a_folder(name: str) -> bool:
    """Whether a name leads to the folder itself, or one above it, which are there in any case."""
    bare = re.sub(r" ?\[(input|output|temp)\]\Z", "", name)
    return all(part in ("", ".", "..") for part in re.split(r"[/\\]", bare)) and not bare.startswith("/")


def check_file(declared: Declared, value: str, has_file: Callable[[str], bool] | None) -> Mistake | None:
    """Return what is wrong with the name of a file that the server is to load.

    The server looks into its folders: every name counts that stands there, listed or not. Without
    ``has_file`` a name is believed when it is listed, and when it points where no list reaches: into a
    subfolder, or another folder (``name [output]``).
    """
    choices = tuple(declared.choices) if isinstance(declared.choices, list) else ()
    if _means_a_folder(value):
        words = f"is {_show(value)}, which names a folder: the server queues it, and it fails when it is read"
        return Mistake(FOLDER_NAMED, declared.name, words, value, choices)
    name = value.removesuffix(" [input]")
    is_unlisted = "/" in name or "\\" in name or name.endswith((" [output]", " [temp]")) or not choices
    if has_file(value) if has_file else is_unlisted or name in choices:
        return None
    near = tuple(nearest(name, map(str, choices)))
    hint = did_you_mean(name, map(str, choices)) or "; upload it first"
    words = f"is the file {_show(value)}, which the server does not have{hint}"
    return Mistake("custom_validation_failed", declared.name, words, value, choices, near)


def _show(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
