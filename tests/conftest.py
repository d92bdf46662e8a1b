"""What pytest must know before it looks at any test."""

from __future__ import annotations

import gc
import os

import pytest


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
    """One more than there are cores: many tests wait for a process, or for a time that is part of them."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: no worker is left alone with it in the end."""
    items.sort(key=lambda item: item.get_closest_marker("hostile") is None)


def pytest_collection_finish() -> None:
    """Thousands of tests and their modules stay to the end: the collector need not walk them each time."""
    gc.collect()
    gc.freeze()


def pytest_cmdline_main(config: pytest.Config) -> None:
    """One server can serve one test at a time: whose prompt runs is part of what is asserted."""
    if config.getoption("--comfyui"):
        config.option.numprocesses = 0
        config.option.dist = "no"
        config.option.tx = []
