"""How `comfywire` is called from here, for commands that are printed to be copied."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

__all__ = ["own_name"]


def own_name() -> str:
    """Return what to type: after `make demo` the command is in .venv, which no PATH knows."""
    called = Path(sys.argv[0])
    if shutil.which("comfywire") is not None or called.name != "comfywire":
        return "comfywire"
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)
