"""Other people's clients, as published, get from our server what they get from ComfyUI.

Each is driven by a program of its own in ``drivers/``, in an environment of its own, against a server of
either version: it is told on standard input what to do, and prints what it was given.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.peers import environments
from tests.peers.environments import NotInstalled, node_modules, python, skip

from comfywire.server import Server, server_in_thread

DRIVERS = Path(__file__).parent / "drivers"
DRIVER_TIMEOUT = 60
PROFILES = ("0.3.64", "0.33.0")
PHOTO = (200, 100, 50)
# Some begin to listen when the reply is read, and never hear of what ended before.
NODE_TIME = 0.1
# comfy-api-proxy reads history, then the queue: what ends in between is lost to it ("expired"). comfy-sdk
# asks at once and half a second later, so this is as far from both as can be.
BETWEEN_READS = 0.25
Prompt = dict[str, Any]

# The first test makes the environments.
pytestmark = [pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def interpreter() -> str:
    try:
        return python()
    except NotInstalled as reason:
        skip(f"the clients from PyPI are not here: {reason}")


@pytest.fixture(scope="module")
def node() -> tuple[str, Path]:
    try:
        return node_modules()
    except NotInstalled as reason:
        skip(f"the clients from npm are not here: {reason}")


def test_a_registry_that_is_not_there_is_a_reason_to_skip(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

    with pytest.raises(NotInstalled, match="comfy-api-proxy"):
        python()

    assert not (tmp_path / "python.installed").exists()


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)], ids=["ci", "a-desk"]
)
def test_what_is_missing_is_skipped_but_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)

    with pytest.raises(outcome, match="no npm"):
        skip("no npm")


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    with server_in_thread(profile=PROFILES[0]) as one, server_in_thread(profile=PROFILES[1]) as other:
        for server in (one, other):
            server.faults.nodes.slow(NODE_TIME, node_id="1", times=None)
        yield [one, other]


@pytest.fixture
def task(servers: list[Server], tmp_path: Path) -> Prompt:
    return task_of([server.url for server in servers], tmp_path)


def task_of(urls: list[str], folder: Path) -> Prompt:
    """What every driver is told; each does what its client can."""
    Image.new("RGB", (8, 8), PHOTO).save(folder / "photo.png")
    return {
        "servers": urls,
        "file": str(folder / "photo.png"),
        "picture": saving(3),
        "polled": saving(4),
        "streamed": {"1": colour(5), "stream": node_of("Stream", "SaveImageWebsocket", images=["1", 0])},
        "edit": {"1": node_of("Load", "LoadImage", image="photo.png"), "2": save("1")},
        "broken": {"1": colour(6), "5": node_of("Break", "TestSyncError", value=["1", 0]), "2": save("5")},
        "wrong": {"1": colour("blue"), "2": save("1")},
    }


def node_of(title: str, class_type: str, **inputs: Any) -> Prompt:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}


def colour(number: int | str) -> Prompt:
    return node_of("Colour", "EmptyImage", width=8, height=8, batch_size=1, color=number)


def save(node_id: str) -> Prompt:
    return node_of("Save", "SaveImage", images=[node_id, 0], filename_prefix="peer")


def saving(number: int) -> Prompt:
    return {"1": colour(number), "2": save("1")}


def drive(command: Sequence[str], task: Prompt) -> Iterator[dict[str, str]]:
    """Run a driver; return what it got from each server."""
    found: list[dict[str, str]] = printed_by(command, task)
    assert len(found) == len(PROFILES)
    yield from found


def printed_by(command: Sequence[str], task: Prompt) -> Any:
    """Run a driver with its task; return what it printed."""
    pipe = subprocess.PIPE
    # A session of its own: what a driver started, such as a proxy, ends with it.
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as driver:
        try:
            printed, complaints = driver.communicate(json.dumps(task), timeout=DRIVER_TIMEOUT)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGKILL)
    assert driver.returncode == 0, complaints + printed
    return json.loads(printed)


def shown(text: str) -> tuple[int, ...]:
    """The colour of a picture in base64."""
    with Image.open(BytesIO(base64.b64decode(text))) as image:
        pixel = image.convert("RGB").getpixel((0, 0))
        assert isinstance(pixel, tuple)
        return pixel


def python_driver(interpreter: str, name: str) -> list[str]:
    # -P: a driver is named after the client that it imports, and must not be what is found.
    return [interpreter, "-P", str(DRIVERS / f"{name}.py")]


RAISED = "Intentional sync execution error"
REFUSED = "invalid literal for int() with base 10: 'blue'"


def test_the_way_of_comfyuis_example_scripts(interpreter: str, task: Prompt) -> None:
    for found in drive(python_driver(interpreter, "websocket_client"), task):
        assert shown(found["picture"]) == (0, 0, 3)
        assert shown(found["streamed"]) == (0, 0, 5)
        assert REFUSED in found["refused"]


def test_comfykit(interpreter: str, servers: list[Server], task: Prompt) -> None:
    for found in drive(python_driver(interpreter, "comfykit"), task):
        assert (shown(found["picture"]), shown(found["edited"])) == ((0, 0, 3), PHOTO)
        assert RAISED in found["failed"]
        assert REFUSED in found["refused"]

    for server in servers:
        assert [run.how for run in server.log] == ["success", "success", "error"]


def test_comfy_sdk_through_comfy_api_proxy(interpreter: str, servers: list[Server], task: Prompt) -> None:
    for server in servers:
        server.call(server.faults.clear)
        server.faults.nodes.slow(BETWEEN_READS, node_id="1", times=None)

    for found in drive(python_driver(interpreter, "comfy_sdk"), task):
        assert (shown(found["picture"]), shown(found["edited"])) == ((0, 0, 3), PHOTO)
        assert RAISED in found["failed"]
        assert REFUSED in found["refused"]


def test_comfy_api_simplified(interpreter: str, task: Prompt) -> None:
    for found in drive(python_driver(interpreter, "comfy_api_simplified"), task):
        assert (shown(found["picture"]), shown(found["edited"])) == ((0, 0, 3), PHOTO)
        assert "400: Bad Request" in found["refused"]


def test_comfyui_xy(interpreter: str, task: Prompt) -> None:
    for found in drive(python_driver(interpreter, "comfyui_xy"), task):
        assert (shown(found["picture"]), shown(found["edited"])) == ((0, 0, 3), PHOTO)
        assert REFUSED in found["refused"]


def test_saintnos_sdk(node: tuple[str, Path], task: Prompt) -> None:
    for found in drive([node[0], str(DRIVERS / "saintno.mjs"), str(node[1])], task):
        assert (shown(found["picture"]), shown(found["edited"])) == ((0, 0, 3), PHOTO)
        assert REFUSED in found["refused"]


def test_stable_canvas_client(node: tuple[str, Path], task: Prompt) -> None:
    for found in drive([node[0], str(DRIVERS / "stable_canvas.mjs"), str(node[1])], task):
        assert shown(found["picture"]) == (0, 0, 3)
        assert shown(found["polled"]) == (0, 0, 4)
        assert shown(found["streamed"]) == (0, 0, 5)
        assert RAISED in found["failed"]
        assert "Prompt outputs failed validation" in found["refused"]
