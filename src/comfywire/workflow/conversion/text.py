"""Texts that change when they are sent: dynamic prompts, ``%...%`` in names (editor-format.md, par. 11)."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

__all__ = ["is_index", "is_number", "js_string", "replace_percents", "resolve_dynamic_prompt"]

_NUMBER = re.compile(r"[0-9]{1,15}")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_COMMENT = re.compile(r"/\*[\s\S]*?\*/|//[^\n\r\u2028\u2029]*")
# A backslash with what it escapes, a brace, a bar, or the text up to the next of these.
_UNITS = re.compile(r"\\[\s\S]|[{}|]|[^\\{}|]+|\\")
_ESCAPED = re.compile(r"\\([{}|])")
_UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
_DATE_PART = re.compile(r"d{1,2}|M{1,2}|yyy?y?|h{1,2}|m{1,2}|s{1,2}")


def is_number(node_id: str) -> bool:
    """Whether an id is a whole number from which JavaScript counts on exactly."""
    return _NUMBER.fullmatch(node_id) is not None


def is_index(node_id: str) -> bool:
    """Whether JavaScript takes an object's key for an array index (ECMAScript, 6.1.7)."""
    return _INDEX.fullmatch(node_id) is not None and int(node_id) < 2**32 - 1


def resolve_dynamic_prompt(text: str, choose: Callable[[Sequence[Any]], Any]) -> str:
    r"""Return ``text`` without comments, and with one option in place of each ``{a|b}``.

    Escapes (``\{``, ``\}``, ``\|``) lose their backslash at the end; a brace that is never closed takes all
    that follows it. ``//`` starts a comment in the middle of an address too, as it does in the editor.
    """
    if "/" in text:
        text = _COMMENT.sub("", text)
    if "{" not in text and "\\" not in text:
        return text
    return _chosen(_parse(text), choose)


class _Choice:
    """The options between a pair of braces; the parts of an option are texts and further choices."""

    def __init__(self) -> None:
        self.options: list[list[str | _Choice]] = [[]]


def _parse(text: str) -> list[str | _Choice]:
    """Return the parts of ``text``, in one pass: people paste long texts with thousands of braces."""
    parts: list[str | _Choice] = []
    open_choices: list[_Choice] = []
    for unit in _UNITS.findall(text):
        here = open_choices[-1].options[-1] if open_choices else parts
        if unit == "{":
            choice = _Choice()
            here.append(choice)
            open_choices.append(choice)
        elif unit == "}" and open_choices:
            open_choices.pop()
        elif unit == "|" and open_choices:
            open_choices[-1].options.append([])
        else:
            here.append(unit)
    return parts


def _chosen(parts: Sequence[str | _Choice], choose: Callable[[Sequence[Any]], Any]) -> str:
    texts = [part if isinstance(part, str) else _chosen(choose(part.options), choose) for part in parts]
    return _ESCAPED.sub(r"\1", "".join(texts))


def replace_percents(text: str, now: datetime, widget_value: Callable[[str, str], str | None]) -> str:
    """Return ``text`` with ``%date:FORMAT%`` and ``%Node.widget%`` replaced; what is not found is left.

    Args:
        text: Such as ``"%date:yyyy-MM-dd%/%KSampler.seed%"``.
        now: The date to write.
        widget_value: Returns the value of a node's widget as text, or None.

    """
    if "%" not in text:
        return text

    def replaced(match: re.Match[str]) -> str:
        parts = match[1].split(".")
        if len(parts) == 2:
            found = widget_value(parts[0], parts[1])
            return match[0] if found is None else _UNSAFE.sub("_", found)
        return format_date(parts[0][5:], now) if parts[0].startswith("date:") else match[0]

    return re.sub(r"%([^%]+)%", replaced, text)


def format_date(form: str, now: datetime) -> str:
    """Return ``now`` in the editor's form: d dd M MM yy yyyy h hh m mm s ss, hours of 24."""
    numbers = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def written(match: re.Match[str]) -> str:
        part: str = match[0]
        if part[0] == "y":
            year = str(now.year)
            return {2: year[2:], 4: year}.get(len(part), part)
        return str(numbers[part[0]]).zfill(len(part))

    return _DATE_PART.sub(written, form)


def js_string(value: Any) -> str:
    """Return ``value`` as JavaScript's ``String(value)`` writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else _js_float(value)
    if isinstance(value, list):
        return ",".join("" if one is None else js_string(one) for one in value)
    return "[object Object]" if isinstance(value, dict) else str(value)


def _js_float(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    mantissa, _, exponent = repr(value).partition("e")
    return mantissa if not exponent else f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"
