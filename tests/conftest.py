"""What pytest must know before it looks at any test."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How fast examples come is the machine's doing: the first text alone takes a second where others work beside.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--comfyui",
        metavar="URL",
        help="run tests/conformance on this ComfyUI; it must be idle, and its queue and history are cleared",
    )
    parser.addoption(
        "--comfyui-input",
        metavar="FOLDER",
        help="where that ComfyUI keeps its input files, if this disk has them",
    )


def pytest_xdist_auto_num_workers() -> int:
    """Four more than there are cores: many tests wait for a process, or for a time that is part of them.

    On two cores three workers took 284 s, four 249 s, six 225 s, for 374 to 418 s of processor time.
    """
    return (os.cpu_count() or 1) + 4


def pytest_configure(config: pytest.Config) -> None:
    """Have the cores share what every worker would do at its start: rewrite the asserts of all tests.

    In a fresh clone that is four seconds of processor time a worker, a 20th of the whole; later runs find it
    done.
    """
    if (
        not config.getoption("numprocesses", default=None)
        or sys.dont_write_bytecode
        or not hasattr(os, "fork")
    ):
        return
    paths = [
        path for path in Path(__file__).parent.rglob("*.py") if path.stem.startswith(("test_", "conftest"))
    ]
    cores = os.cpu_count() or 1
    parts = [pid for core in range(cores) if (pid := _fork_rewriting(config, paths[core::cores]))]
    for pid in parts:
        os.waitpid(pid, 0)


def _fork_rewriting(config: pytest.Config, paths: list[Path]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            for path in paths:
                _rewrite(config.pluginmanager.rewrite_hook, path)
        finally:
            os._exit(0)
    return pid


def _rewrite(hook: Any, path: Path) -> None:
    """Have pytest's importer rewrite a module and keep it, and not run it."""
    spec = importlib.util.spec_from_file_location(path.stem, path, loader=hook)
    module = ModuleType(path.stem)
    module.__spec__ = spec
    module.__dict__["__builtins__"] = {}  # so that its first import ends it
    with contextlib.suppress(ImportError):
        hook.exec_module(module)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: no worker is left alone with it in the end.

    Then come those that ask a service which is started for all of them: side by side they are one worker's,
    more or less, and not every worker starts it.
    """
    items.sort(key=lambda item: (item.get_closest_marker("hostile") is None, not _asks_the_service(item)))


def _asks_the_service(item: pytest.Item) -> bool:
    """Whether it is one of the command line on a service, or of conformance on the service's ComfyUI API."""
    arguments = getattr(getattr(item, "callspec", None), "params", {})
    is_cli = item.path.parent.name == "cli" and "service" in getattr(item, "fixturenames", ())
    return is_cli or arguments.get("place") == "native"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Thousands of tests and their modules stay to the end: the collector need not walk them each time.

    Nor while they come to be, when it would find nothing: a sixth of what each worker's collection costs.
    Afterwards it looks less often than by default, which is a twentieth of what the tests compute.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20)
        gc.enable()


def pytest_cmdline_main(config: pytest.Config) -> None:
    """One server can serve one test at a time: whose prompt runs is part of what is asserted."""
    if config.getoption("--comfyui"):
        config.option.numprocesses = 0
        config.option.dist = "no"
        config.option.tx = []
