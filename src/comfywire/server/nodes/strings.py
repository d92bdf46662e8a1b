"""Strings (comfy_extras/nodes_string.py)."""

from __future__ import annotations

import re

from comfywire.server.nodes.declared import DeclaredNode

__all__ = [
    "CaseConverter",
    "RegexExtract",
    "RegexMatch",
    "RegexReplace",
    "StringCompare",
    "StringConcatenate",
    "StringContains",
    "StringLength",
    "StringReplace",
    "StringSubstring",
    "StringTrim",
]


class StringConcatenate(DeclaredNode):
    """Two strings with something between them."""

    def execute(self, string_a: str, string_b: str, delimiter: str) -> tuple[str]:
        """Join them."""
        return (delimiter.join((string_a, string_b)),)


class StringSubstring(DeclaredNode):
    """A part of a string."""

    def execute(self, string: str, start: int, end: int) -> tuple[str]:
        """Cut it out, as Python counts."""
        return (string[start:end],)


class StringLength(DeclaredNode):
    """How long a string is."""

    def execute(self, string: str) -> tuple[int]:
        """Count."""
        return (len(string),)


class CaseConverter(DeclaredNode):
    """A string in capitals, small letters, or a mix of both."""

    def execute(self, string: str, mode: str) -> tuple[str]:
        """Convert; a mode that is not known leaves it as it is."""
        changes = {
            "UPPERCASE": str.upper,
            "lowercase": str.lower,
            "Capitalize": str.capitalize,
            "Title Case": str.title,
        }
        return (changes.get(mode, str)(string),)


class StringTrim(DeclaredNode):
    """A string without white space at its ends."""

    def execute(self, string: str, mode: str) -> tuple[str]:
        """Trim one end or both."""
        changes = {"Both": str.strip, "Left": str.lstrip, "Right": str.rstrip}
        return (changes.get(mode, str)(string),)


class StringReplace(DeclaredNode):
    """A string with one text for another."""

    def execute(self, string: str, find: str, replace: str) -> tuple[str]:
        """Replace it everywhere."""
        return (string.replace(find, replace),)


class StringContains(DeclaredNode):
    """Whether a string is in another."""

    def execute(self, string: str, substring: str, case_sensitive: bool) -> tuple[bool]:  # noqa: FBT001 - ComfyUI's
        """Look for it."""
        if not case_sensitive:
            string, substring = string.lower(), substring.lower()
        return (substring in string,)


class StringCompare(DeclaredNode):
    """Whether a string is another, or begins or ends with it."""

    def execute(self, string_a: str, string_b: str, mode: str, case_sensitive: bool) -> tuple[bool]:  # noqa: FBT001
        """Compare."""
        if not case_sensitive:
            string_a, string_b = string_a.lower(), string_b.lower()
        match mode:
            case "Equal":
                return (string_a == string_b,)
            case "Starts With":
                return (string_a.startswith(string_b),)
            case _:
                return (string_a.endswith(string_b),)


class RegexMatch(DeclaredNode):
    """Whether a pattern is found in a string; a wrong pattern is not."""

    def execute(self, string: str, regex_pattern: str, **how: bool) -> tuple[bool]:
        """Search."""
        try:
            return (re.search(regex_pattern, string, _flags(how)) is not None,)
        except re.error:
            return (False,)


class RegexExtract(DeclaredNode):
    """What a pattern finds in a string: once or all, as a whole or one group, a line each."""

    def execute(
        self, string: str, regex_pattern: str, mode: str, group_index: int, **how: bool
    ) -> tuple[str]:
        """Search; a wrong pattern finds nothing."""
        try:
            found = list(re.finditer(regex_pattern, string, _flags(how)))
        except re.error:
            return ("",)
        return ("\n".join(_extracts(found, mode, group_index)),)


class RegexReplace(DeclaredNode):
    """A string with something else for what a pattern finds."""

    def execute(
        self, string: str, regex_pattern: str, replace: str, count: int = 0, **how: bool
    ) -> tuple[str]:
        """Replace it, at most ``count`` times; 0 is everywhere."""
        how.setdefault("case_insensitive", True)
        return (re.sub(regex_pattern, replace, string, count=count, flags=_flags(how)),)


def _extracts(found: list[re.Match[str]], mode: str, group: int) -> list[str]:
    match mode:
        case "First Match":
            return [one[0] for one in found[:1]]
        case "All Matches":
            # The first group where there are any: ComfyUI uses findall here.
            return [(one[1] or "") if one.groups() else one[0] for one in found]
        case "First Group":
            return [one[group] for one in found[:1] if len(one.groups()) >= group]
        case "All Groups":
            return [one[group] for one in found if one.groups() and len(one.groups()) >= group]
        case _:
            return []


def _flags(how: dict[str, bool]) -> re.RegexFlag:
    flags = {"case_insensitive": re.IGNORECASE, "multiline": re.MULTILINE, "dotall": re.DOTALL}
    chosen = re.RegexFlag(0)
    for name, flag in flags.items():
        if how.get(name):
            chosen |= flag
    return chosen
