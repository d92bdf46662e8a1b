"""The blocking client and the command line, unchanged, over the face: their part of the fault suite.

What strikes, strikes between the service and its ComfyUI.
"""

import inspect
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.native import native_face
from tests.faults import test_other_ways_in as suite

from comfywire.server import Server

pytestmark = pytest.mark.hostile
PATIENCE = 60
SUITE = {name: test for name, test in vars(suite).items() if name.startswith("test_")}
APART = {
    "test_the_command_line_says_that_the_server_forgot_the_prompt": "the service has it run again: success",
    "test_the_command_line_saves_what_ended_while_the_socket_was_gone": "the file's subfolder names its job",
}


class OverFace:
    """A test server as tests of faults hold it, at the address of the service in front of it."""

    def __init__(self, url: str, server: Server) -> None:
        self.url = url
        self._server = server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)


def _is_up(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/api/v2/servers", timeout=PATIENCE) as reply:
        return [each["state"] for each in json.load(reply)["servers"]] == ["up"]


@pytest.fixture
def server() -> Iterator[OverFace]:
    with native_face() as (url, server):
        until = time.monotonic() + PATIENCE
        while not _is_up(url):
            assert time.monotonic() < until, "the service's server never came up"
            time.sleep(0.05)
        server.call(server.log.clear)  # of the prompt with which the worker tries a server
        yield OverFace(url, server)


run = suite.run  # a fixture


@pytest.mark.parametrize("name", sorted(SUITE.keys() - APART.keys()))
def test_another_way_in_keeps_its_promise_over_the_face(
    server: OverFace, request: pytest.FixtureRequest, name: str, tmp_path: Path
) -> None:
    test: Callable[..., None] = SUITE[name]
    given = {"server": server, "tmp_path": tmp_path}
    wanted = inspect.signature(test).parameters
    if "run" in wanted:
        given["run"] = request.getfixturevalue("run")
    test(**{each: given[each] for each in wanted})
