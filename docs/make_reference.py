# ruff: noqa: INP001 - a script beside the pages that it writes
"""Write what the code itself says into the pages: the reference, and the tables inside other pages.

``python docs/make_reference.py`` rewrites them; with ``--check`` it only names those that are out of date.
Standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from reference_pages import reference
from reference_tables import TABLES, fill, fill_faults

DOCS = Path(__file__).parent


def pages() -> dict[Path, Callable[[str], str]]:
    """Return how each page that holds something generated is brought up to date."""
    return {
        DOCS / "reference.md": lambda _: reference(),
        DOCS / "faults.md": fill_faults,
        **{DOCS / name: fill for name in dict.fromkeys(page for page, _ in TABLES)},
    }


def main(arguments: list[str]) -> int:
    """Rewrite every page that is out of date, or name them; return the exit status."""
    stale = []
    for path, renew in pages().items():
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = renew(before)
        if after != before:
            stale.append(path.name)
            if "--check" not in arguments:
                path.write_text(after, encoding="utf-8")
    if stale:
        verb = "out of date, run docs/make_reference.py:" if "--check" in arguments else "rewritten:"
        sys.stdout.write(f"{verb} {', '.join(stale)}\n")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
