"""What somebody may have meant: near matches for names that are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]

# difflib compares every pair: long names (a whole text typed where a name belongs) and catalogues with
# thousands of model files are cut, so that an error message never takes longer than the work it is about.
_LONGEST_NAME = 120
_MOST_CHOICES = 5000
_LIKENESS = 0.6


def nearest(name: str, choices: Iterable[str], *, count: int = 3, likeness: float = _LIKENESS) -> list[str]:
    """Return up to ``count`` of ``choices`` that resemble ``name``, the best first; case is ignored.

    ``likeness`` is from 0 to 1, as difflib has it.
    """
    if len(name) > _LONGEST_NAME:
        return []
    from difflib import get_close_matches  # noqa: PLC0415 - only errors want it

    by_key: dict[str, str] = {}
    for choice, _ in zip(choices, range(_MOST_CHOICES), strict=False):
        by_key.setdefault(choice.casefold()[:_LONGEST_NAME], choice)
    found = get_close_matches(name.casefold(), by_key, n=count, cutoff=likeness)
    return [by_key[key] for key in found]


def did_you_mean(name: str, choices: Iterable[str], *, likeness: float = _LIKENESS) -> str:
    """Return ``"; did you mean 'a' or 'b'?"``, or nothing when no choice comes near."""
    found = [repr(choice) for choice in nearest(name, choices, likeness=likeness)]
    return f"; did you mean {' or '.join(found)}?" if found else ""
