"""Other people's clients, unchanged, in front of a fleet: they believe that the service is their ComfyUI.

Each does what it does in ``test_peers.py``, over two test servers; then again while the server that runs its
first job is killed, and while the worker that follows it is restarted.
"""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.peers import environments
from tests.peers.environments import NotInstalled, open_webui, skip
from tests.peers.face import Face, until
from tests.peers.test_peers import (
    DRIVERS,
    NODE_TIME,
    PHOTO,
    PROFILES,
    RAISED,
    REFUSED,
    Prompt,
    drive,
    interpreter,
    node,
    python_driver,
    shown,
    task_of,
)

from comfywire.server import server_in_thread
from comfywire.server.faults.rules import NodeRule

pytestmark = [pytest.mark.timeout(240)]
__all__ = ["interpreter", "node"]

Check = Callable[[dict[str, str]], None]


def saves_and_edits(found: dict[str, str]) -> None:
    assert (shown(found["picture"]), shown(found["edited"])) == ((0, 0, 3), PHOTO)


def saves(found: dict[str, str]) -> None:
    assert shown(found["picture"]) == (0, 0, 3)


def polls(found: dict[str, str]) -> None:
    assert shown(found["polled"]) == (0, 0, 4)


def says_what_is_wrong(found: dict[str, str]) -> None:
    assert REFUSED in found["refused"]


def refuses_by_itself(found: dict[str, str]) -> None:
    assert "expected INT, got str 'blue'" in found["refused"]


def hears_of_errors(found: dict[str, str]) -> None:
    assert RAISED in found["failed"]


def gets_pictures_from_the_socket(found: dict[str, str]) -> None:
    assert (shown(found["picture"]), shown(found["streamed"])) == ((0, 0, 3), (0, 0, 5))


def is_refused(found: dict[str, str]) -> None:
    assert "400: Bad Request" in found["refused"]


PYTHON: dict[str, list[Check]] = {
    "websocket_client": [gets_pictures_from_the_socket, says_what_is_wrong],
    "comfykit": [saves_and_edits, hears_of_errors, says_what_is_wrong],
    "comfy_api_simplified": [saves_and_edits, is_refused],
    "comfyui_xy": [saves_and_edits, says_what_is_wrong],
    "comfykit_http": [saves_and_edits, says_what_is_wrong],
    "comfyui_utils": [saves, says_what_is_wrong],
    "open_webui": [saves_and_edits],
    "sequences": [saves, polls],
}
COMMANDS: dict[str, list[Check]] = {"comfy_cli": [saves, refuses_by_itself], "comfy_mcp": [saves]}
NODE: dict[str, list[Check]] = {
    "saintno": [saves_and_edits, says_what_is_wrong],
    "stable_canvas": [gets_pictures_from_the_socket, hears_of_errors],
}
ALL = [*PYTHON, *NODE, *COMMANDS]


@pytest.fixture(scope="module")
def cli() -> str:
    try:
        return environments.commands()
    except NotInstalled as reason:
        skip(f"comfy-cli is not here: {reason}")


@pytest.fixture(scope="module")
def module() -> Path:
    try:
        return open_webui()
    except NotInstalled as reason:
        skip(f"the module of Open WebUI is not here: {reason}")


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    with server_in_thread(profile=PROFILES[0]) as one, server_in_thread(profile=PROFILES[1]) as other:
        served = Face(tmp_path_factory.mktemp("face"), [one, other])
        with served.running():
            yield served


@pytest.fixture
def fleet(face: Face) -> Iterator[Face]:
    begin_anew(face)
    yield face
    for server in face.servers:
        server.call(server.faults.clear)
        if not server.is_running:
            server.wait(server.faults.life.restart())


def begin_anew(face: Face) -> None:
    """Both servers up, nodes that take a moment, and nothing remembered."""
    face.until_up()
    for server in face.servers:
        server.faults.nodes.slow(NODE_TIME, node_id="1", times=None)
        # What was cached runs no node, and none is held.
        server.call(server.life.queue.set_flag, "free_memory", True)
        server.log.clear()


@pytest.fixture
def task(fleet: Face, tmp_path: Path) -> Prompt:
    return task_of([fleet.url] * len(PROFILES), tmp_path)


@pytest.fixture
def commands(request: pytest.FixtureRequest) -> Callable[[str], list[str]]:
    def command(name: str) -> list[str]:
        if name in COMMANDS:
            return python_driver(request.getfixturevalue("cli"), name)
        if name in PYTHON:
            own = [str(request.getfixturevalue("module"))] if name == "open_webui" else []
            return [*python_driver(request.getfixturevalue("interpreter"), name), *own]
        program, modules = request.getfixturevalue("node")
        return [program, str(DRIVERS / f"{name}.mjs"), str(modules)]

    return command


class Driven(threading.Thread):
    """A client at work, beside the test."""

    def __init__(self, command: list[str], task: Prompt) -> None:
        super().__init__(daemon=True)
        self._command, self._task = command, task
        self._found: list[dict[str, str]] = []
        self._failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._found = list(drive(self._command, self._task))
        except BaseException as failure:  # noqa: BLE001 - the test's thread raises it
            self._failure = failure

    def found(self) -> list[dict[str, str]]:
        self.join()
        if self._failure is not None:
            raise self._failure
        return self._found


@contextlib.contextmanager
def held_at_work(client: Driven, fleet: Face) -> Iterator[Sequence[NodeRule]]:
    """Have the client begin, and its first prompt stay at its first node as long as the context lasts."""
    held = [server.faults.nodes.hold(node_id="1") for server in fleet.servers]
    client.start()
    until(lambda: any(rule.hits for rule in held) or not client.is_alive())
    try:
        yield held
    finally:
        for rule in held:
            rule.release()


def must_have_found(client: Driven, name: str) -> None:
    """Each of its results is what a ComfyUI gives."""
    for found in client.found():
        for check in checks_of(name):
            check(found)


def checks_of(name: str) -> list[Check]:
    return (PYTHON | NODE | COMMANDS)[name]


@pytest.mark.parametrize("name", ALL)
def test_a_client_has_what_a_comfyui_gives(
    fleet: Face, task: Prompt, commands: Callable[[str], list[str]], name: str
) -> None:
    for found in drive(commands(name), task):
        for check in checks_of(name):
            check(found)

    assert fleet.runs()
    assert {times for _, times in fleet.runs()} == {1}


@pytest.mark.parametrize("name", ALL)
def test_a_client_does_not_notice_that_a_server_was_killed(
    fleet: Face, task: Prompt, commands: Callable[[str], list[str]], name: str
) -> None:
    client = Driven(commands(name), task)
    with held_at_work(client, fleet) as held:
        (_, running), (_, other) = sorted(
            zip(held, fleet.servers, strict=True), key=lambda pair: not pair[0].hits
        )
        lost = running.log[-1].prompt_id
        running.wait(running.faults.life.kill())

    must_have_found(client, name)
    assert lost in {run.prompt_id for run in other.log}
    assert {prompt_id for prompt_id, times in fleet.runs() if times > 1} == {lost}


# What SaveImageWebsocket sends before the next worker listens is lost, and stable_canvas begins with that.
@pytest.mark.parametrize("name", [name for name in ALL if name != "stable_canvas"])
def test_a_client_does_not_notice_that_the_worker_was_restarted(
    fleet: Face, task: Prompt, commands: Callable[[str], list[str]], name: str
) -> None:
    client = Driven(commands(name), task)
    with held_at_work(client, fleet):
        fleet.restart_worker()

    must_have_found(client, name)
    assert {times for _, times in fleet.runs()} == {1}


@pytest.mark.parametrize("name", ["sequences"])
def test_a_client_that_asks_again_outlives_the_death_of_the_api(
    fleet: Face, task: Prompt, commands: Callable[[str], list[str]], name: str
) -> None:
    client = Driven(commands(name), task)
    with held_at_work(client, fleet):
        fleet.restart_api(is_killed=True)

    must_have_found(client, name)
    assert {times for _, times in fleet.runs()} == {1}


# It waits on a socket, and gives up when that breaks, as on a ComfyUI.
@pytest.mark.parametrize("name", ["websocket_client"])
def test_the_prompt_of_a_client_that_gives_up_is_in_history_with_its_picture(
    fleet: Face, task: Prompt, commands: Callable[[str], list[str]], name: str
) -> None:
    client = Driven(commands(name), task)
    with held_at_work(client, fleet):
        ((prompt_id, _),) = fleet.runs()
        fleet.restart_api(is_killed=True)

    with pytest.raises(AssertionError):
        client.found()
    until(lambda: fleet.history(prompt_id))
    (image,) = fleet.history(prompt_id)["outputs"]["2"]["images"]
    assert shown(base64.b64encode(fleet.view(image)).decode()) == (0, 0, 3)
    assert fleet.runs() == [(prompt_id, 1)]
