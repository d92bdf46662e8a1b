"""Published clients, each in a throw-away environment of its own, so that nobody's dependencies meet."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import venv
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OTHERS", "Contestant", "installed_others"]

HERE = Path(__file__).parent
OTHERS: dict[str, list[str]] = {
    "comfykit": ["comfykit"],
    "comfy-api-simplified": ["comfy-api-simplified"],
    "comfyui-utils": ["comfyui-utils"],
    "comfyui-xy": ["comfyui-xy"],
    "comfy-sdk": ["comfy-sdk", "comfy-api-proxy"],
}
"""By name, what must be installed; the driver is ``others/NAME.py`` with underscores."""
INSTALL_TIMEOUT = 300


@dataclass(frozen=True)
class Contestant:
    """A client with its driver."""

    name: str
    python: str
    script: Path

    @contextlib.asynccontextmanager
    async def process(
        self, *arguments: str, waits: bool = False
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run the driver; it, and what it started, is gone when the block is left."""
        # -P: a driver is named after the client that it imports, and must not be what is found.
        process = await asyncio.create_subprocess_exec(
            self.python,
            "-P",
            str(self.script),
            *arguments,
            env={**os.environ, "PYTHONPATH": str(HERE.parent), **({"CONTEST_WAITS": "1"} if waits else {})},
            start_new_session=True,
            stdin=subprocess.PIPE if waits else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def installed_others(
    stack: contextlib.ExitStack, wanted: str | None, keep: Path | None
) -> tuple[list[Contestant], dict[str, str]]:
    """Return those that could be installed, and why the rest could not."""
    names = [] if wanted is None else list(OTHERS) if wanted == "all" else wanted.split(",")
    folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="comfywire-bench-")))
    found, skipped = [], {}
    for name in names:
        try:
            python = _environment(folder / name, OTHERS[name])
        except (OSError, subprocess.SubprocessError, KeyError) as error:
            skipped[name] = _reason(error)
            continue
        found.append(Contestant(name, str(python), HERE / f"{name.replace('-', '_')}.py"))
    return found, skipped


def _environment(folder: Path, packages: list[str]) -> Path:
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        print(f"installing {', '.join(packages)}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_TIMEOUT)
        done.touch()
    return python


def _reason(error: Exception) -> str:
    output = getattr(error, "stderr", None)
    last = output.decode(errors="replace").strip().splitlines()[-1:] if output else []
    return (last or [str(error)])[0]
