"""How `comfywire` is called from here, for commands that are printed to be copied."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["own_name", "quoted"]


def own_name() -> str:
    """Return what to type: after `make demo` the command is in .venv, which no PATH knows."""
    called = Path(sys.argv[0])
    if shutil.which("comfywire") is not None or called.name != "comfywire":
        return "comfywire"
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)


def quoted(word: str, *, system: str = os.name) -> str:
    """Return a word as a shell takes it whole: on Windows single quotes are letters like any other."""
    return subprocess.list2cmdline([word]) if system == "nt" else shlex.quote(word)
