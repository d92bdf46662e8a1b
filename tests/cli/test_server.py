from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import PATIENCE, save
from tests.server.wire import image


def begin(start, *options: str, **more: Any) -> tuple:
    """Start a server, and return it with its address."""
    running = start("server", "--port", "0", *options, **more)
    found = re.search(r"http://\S+", running.line())
    assert found is not None
    return running, found[0]


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


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


def test_it_says_what_it_is_where_and_how_to_reach_it(start):
    running, url = begin(start, "--profile", "0.33.0")

    said = [running.line() for _ in range(6)]

    assert "ComfyUI 0.33.0" in said[0]
    assert f"{url}/ in a browser" in said[1]
    assert f"comfywire run workflow_api.json --server {url}" in said[3]
    assert f"comfywire.Client('{url}')" in said[4]


def test_without_a_browser_it_says_so_and_goes_on(start, comfywire, picture):
    running, url = begin(
        start, "--open", env={**os.environ, "BROWSER": "no-such-browser", "PATH": "", "DISPLAY": ""}
    )

    assert "there is no browser that can be started from here" in running.error()
    assert comfywire("run", picture, "--server", url).status == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.test"])
def test_a_public_address_without_a_token_is_misuse(comfywire, host):
    finished = comfywire("server", "--port", "0", "--host", host)

    assert finished.status == 2
    assert "--host" in finished.err
    assert "give it a token" in finished.err


def test_with_a_token_others_are_let_in_and_are_told_where(start, comfywire, monkeypatch, picture):
    running = start(
        "server", "--port", "0", "--host", "0.0.0.0", env={**os.environ, "COMFYWIRE_TOKEN": "let me in"}
    )
    found = re.search(r"http://127\.0\.0\.1:(\d+)", running.line())
    assert found is not None
    said = [running.line() for _ in range(6)]

    assert f"http://{socket.gethostname()}:{found[1]}" in said[1]
    assert "let me in" not in "".join(said)
    assert comfywire("run", picture, "--server", found[0]).status == 2
    monkeypatch.setenv("COMFYWIRE_TOKEN", "let me in")
    assert comfywire("run", picture, "--server", found[0]).status == 0


def test_open_shows_the_page_in_a_browser(start, here):
    Path("browser").write_text('#!/bin/sh\nprintf %s "$1" > opened.part && mv opened.part opened\n')
    Path("browser").chmod(0o755)
    running, url = begin(
        start, "--open", "--token", "let me in", env={**os.environ, "BROWSER": f"{here}/browser %s"}
    )

    until(lambda: Path("opened").exists())
    running.signal()
    running.end()

    assert Path("opened").read_text() == f"{url}/?token=let%20me%20in"


def test_a_workflow_that_wants_too_much_memory_fails_alone(start, comfywire, picture):
    _, url = begin(start, "--memory", "0.5")
    huge = image()
    scale = {
        "image": ["1", 0],
        "upscale_method": "bicubic",
        "width": 16384,
        "height": 16384,
        "crop": "disabled",
    }
    huge["3"] = {"class_type": "ImageScale", "inputs": scale}
    huge["2"]["inputs"]["images"] = ["3", 0]

    failed = comfywire("run", save("huge.json", huge), "--server", url)

    assert (failed.status, "MemoryError" in failed.err + failed.out) == (1, True)
    assert comfywire("run", picture, "--server", url).status == 0


def test_the_size_of_requests_is_bounded(start):
    _, url = begin(start, "--max-upload-size", "0.01")

    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(f"{url}/upload/image", b"x" * 20_000)


@pytest.mark.parametrize(("option", "types"), [("--stub-missing", 1), ("--no-stub-missing", 0)])
def test_what_a_real_server_has_is_offered_and_stood_in_for_if_wanted(start, here, option, types):
    loader = {"ckpt_name": [["mine.safetensors"], {}]}
    known = {
        "CheckpointLoaderSimple": {"input": {"required": loader}, "output": ["MODEL"], "output_node": False},
        "Elsewhere": {"input": {"required": {}}, "output": ["IMAGE"], "output_node": False},
    }
    save(here / "known.json", known)
    _, url = begin(start, "--object-info", "known.json", option)

    def described(name: str) -> Any:
        with urllib.request.urlopen(f"{url}/object_info/{name}") as reply:
            return json.loads(reply.read())

    assert len(described("Elsewhere")) == types
    checkpoints = described("CheckpointLoaderSimple")["CheckpointLoaderSimple"]["input"]["required"][
        "ckpt_name"
    ]
    assert checkpoints[0][0] == "mine.safetensors"
