from __future__ import annotations

import json
import re
import signal
import socket
import urllib.request
from pathlib import Path

import pytest
from tests.cli.conftest import save
from tests.server.wire import image


def begin(start, *options: str) -> tuple:
    """Start a server, and return it with its address."""
    running = start("server", "--port", "0", *options)
    found = re.search(r"http://\S+", running.line())
    assert found is not None
    return running, found[0]


def test_it_says_where_it_is_and_runs_workflows(start, comfywire, picture):
    _, url = begin(start)

    assert comfywire("run", picture, "--server", url).status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_signal_stops_it_cleanly(start, number):
    running, _ = begin(start)
    line = next(line for line in iter(running.line, "") if "files are in" in line)

    running.signal(number)
    finished = running.end()

    assert (finished.status, finished.err) == (0, "stopped\n")
    assert not Path(line.split()[-1]).exists()


def test_faults_are_made_over_the_wire_only_if_allowed(start):
    answers = {}
    for options in ((), ("--faults",)):
        _, url = begin(start, *options)
        asked = json.dumps({"fault": "history.late", "seconds": 0.1}).encode()
        request = urllib.request.Request(f"{url}/comfywire/faults", asked, method="POST")
        try:
            with urllib.request.urlopen(request) as reply:
                answers[options] = reply.status
        except urllib.error.HTTPError as error:
            with error:
                answers[options] = error.code

    assert answers == {(): 405, ("--faults",): 200}


def test_a_port_that_is_taken_is_named(comfywire):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        finished = comfywire("server", "--port", port)

    assert (finished.status, f"port {port}" in finished.err, "--port" in finished.err) == (2, True, True)


def test_a_folder_of_ones_own_stays(start, comfywire, here):
    running, url = begin(start, "--folder", "mine")
    comfywire("run", save("one.json", image()), "--server", url, "--no-save")
    running.signal()
    running.end()

    assert Path("mine/output/test_00001_.png").exists()


def test_nodes_of_ones_own_are_loaded(start, comfywire, here):
    Path("mine.py").write_text(
        "class Say:\n"
        "    RETURN_TYPES, FUNCTION, OUTPUT_NODE, CATEGORY = (), 'say', True, 'mine'\n"
        "    @classmethod\n"
        "    def INPUT_TYPES(cls): return {'required': {'what': ('STRING', {})}}\n"
        "    def say(self, what): return {'ui': {'text': (what,)}}\n",
        encoding="utf-8",
    )
    _, url = begin(start, "--nodes", "mine.py")
    say = save("say.json", {"1": {"class_type": "Say", "inputs": {"what": "hello"}}})

    assert "Say (node 1): hello" in comfywire("run", say, "--server", url).out


def test_a_file_without_nodes_is_refused(comfywire, here):
    Path("empty.py").write_text("", encoding="utf-8")

    finished = comfywire("server", "--nodes", "empty.py")

    assert (finished.status, "NODE_CLASS_MAPPINGS" in finished.err) == (2, True)
