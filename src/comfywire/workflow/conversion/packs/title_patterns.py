"""Regular expressions that a workflow's file brings along: those alone that no text can make slow.

Python's :mod:`re` goes back and forth, and holds the interpreter's lock meanwhile: ``(a+)+$`` takes twice as
long for each letter more. People name nodes and groups with them (``^KSampler``, ``seed|positive``), so
little is needed.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["WildPattern", "is_found", "pattern_of"]

_MOST_LETTERS = 200
_MOST_CHOICES = 2
"""Places where a search can go one way or another; where it may begin is one of them.

A search costs a text's length to the power of their number: here ten thousand steps at the most.
"""
_LONGEST_TEXT = 100
_TOKEN = re.compile(
    r"""(?P<skip>\\[^0-9kpPgN]|\[\^?\]?(?:[^\]\\]|\\.)*\]|[^\\\[\]()|*+?{}])
    |(?P<open>\((?:\?(?:[:=!]))?)
    |(?P<close>\))
    |(?P<choice>[*+?]\??|\{\d{1,2}(?:,\d{0,2})?\}\??)
    |(?P<either>\|)""",
    re.VERBOSE | re.DOTALL,
)


class WildPattern(ValueError):
    """A pattern may take very long, or says what is not followed here."""


def pattern_of(said: str) -> re.Pattern[str]:
    """Return the pattern that ``said`` is.

    Raises:
        WildPattern: It is long, repeats what it repeats, or has more than two choices.
        re.error: It is no pattern.

    """
    pattern = re.compile(said) if len(said) <= _MOST_LETTERS else None
    needed = _without_ends(said)
    if pattern is None or not _is_tame(needed):
        raise WildPattern(said)
    return pattern if needed == said else re.compile(needed)


def _without_ends(said: str) -> str:
    """Return a pattern without ``.*`` around it, which searching does not need."""
    if said.startswith(".*") and said[2:3] not in tuple("?+*{"):
        said = said[2:]
    return said[:-2] if said.endswith(".*") and not said.endswith("\\.*") else said


def _is_tame(said: str) -> bool:
    place, before, depth, choices = 0, "", 0, 0
    begins_anywhere = not said.startswith("^")
    while place < len(said):
        token = _TOKEN.match(said, place)
        if token is None:
            return False
        kind = token.lastgroup or ""
        if kind == "choice" and not (before == "skip" or (before == "close" and token[0] == "?")):
            return False  # a group that is repeated, or what is no pattern
        depth += (kind == "open") - (kind == "close")
        choices += kind == "choice" or (kind == "either" and depth > 0)
        begins_anywhere |= kind == "either" and depth == 0
        place, before = token.end(), kind
    return choices + begins_anywhere <= _MOST_CHOICES


@lru_cache(maxsize=4096)
def is_found(pattern: re.Pattern[str], texts: tuple[str, ...]) -> bool:
    """Whether ``pattern`` is in one of ``texts``, of which the first hundred characters count."""
    return any(pattern.search(text[:_LONGEST_TEXT]) for text in texts)
