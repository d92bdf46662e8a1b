"""The same promises through the blocking client and the command line."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import comfywire
from comfywire.server import Server, server_in_thread

from .conftest import picture

PATIENCE = 60
"""Seconds for what the tests beside this one hold to a few: who waits here is another process or thread."""


@pytest.fixture
def server() -> Iterator[Server]:
    with server_in_thread() as running:
        yield running


def on_server(server: Server, action: Any) -> Any:
    """Do something in the server's own loop."""
    return server.call(action)


@pytest.mark.fault("B1")
def test_a_blocking_client_survives_a_cut_socket(server: Server) -> None:
    gate = server.faults.nodes.hold(class_type="SaveImage")
    with comfywire.sync.Client(server.url) as client:
        job = client.submit(picture())
        server.wait(server.until_executing(job.prompt_id, "2"))
        server.wait(server.faults.sockets.cut("rst"))
        gate.release()

        result = job.result(timeout=PATIENCE)

    assert [output.filename for output in result.outputs] == ["c1_00001_.png"]


@pytest.mark.fault("B3")
def test_a_blocking_client_survives_a_deaf_socket(server: Server) -> None:
    with comfywire.sync.Client(server.url) as client:
        client.run(picture(1), timeout=PATIENCE)
        on_server(server, server.faults.sockets.deafen)

        result = client.run(picture(2), timeout=PATIENCE)

    assert [output.filename for output in result.outputs] == ["c2_00001_.png"]


@pytest.mark.fault("B7")
def test_a_blocking_client_raises_what_the_node_raised(server: Server) -> None:
    server.faults.nodes.fail("no paint", class_type="SaveImage")

    with comfywire.sync.Client(server.url) as client, pytest.raises(comfywire.JobFailed, match="no paint"):
        client.run(picture(), timeout=PATIENCE)


@pytest.mark.fault("B19")
def test_a_blocking_client_never_runs_a_prompt_twice(server: Server) -> None:
    server.faults.replies.drop("POST /prompt", when="after")

    with comfywire.sync.Client(server.url) as client:
        client.run(picture(), timeout=PATIENCE)

    assert len(server.log) == 1


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Any:
    """Start `comfywire run` on a held prompt; return the process."""
    workflow = tmp_path / "picture.json"
    workflow.write_text(json.dumps(picture()))

    def start(*options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "comfywire", "run", str(workflow), "--server", server.url, *options]
        return subprocess.Popen(
            command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    return start


def until_running(server: Server) -> str:
    """Wait until the held prompt runs; return its id."""
    server.wait(server.until(lambda: bool(server.log)), PATIENCE)
    prompt_id = server.log[0].prompt_id
    server.wait(server.until_executing(prompt_id, "2"), PATIENCE)
    return prompt_id


@pytest.mark.fault("B2")
def test_the_command_line_saves_what_ended_while_the_socket_was_gone(
    server: Server, run: Any, tmp_path: Path
) -> None:
    gate = server.faults.nodes.hold(class_type="SaveImage")
    with run() as process:
        until_running(server)
        server.faults.replies.fail("GET /ws", 503, times=None)
        server.wait(server.faults.sockets.cut("rst"))
        gate.release()
        _, said = process.communicate(timeout=PATIENCE)

    assert (process.returncode, said) == (0, "")
    assert (tmp_path / "c1_00001_.png").exists()


@pytest.mark.fault("B8")
def test_the_command_line_says_that_somebody_interrupted_the_prompt(server: Server, run: Any) -> None:
    server.faults.nodes.slow(30, class_type="SaveImage")
    with run() as process:
        until_running(server)
        on_server(server, server.faults.prompts.interrupt)
        _, said = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert "was interrupted at node 2 (SaveImage)" in said


@pytest.mark.fault("B10")
def test_the_command_line_says_that_the_server_forgot_the_prompt(server: Server, run: Any) -> None:
    gate = server.faults.nodes.hold(class_type="SaveImage")
    with run() as process:
        until_running(server)
        server.wait(server.faults.life.kill(restart_after=0.2))
        gate.release()
        _, said = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert "is no longer on" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.fault("B22")
def test_the_command_line_names_each_mistake(server: Server, tmp_path: Path) -> None:
    graph = picture()
    graph["1"]["inputs"]["width"] = -1
    workflow = tmp_path / "wrong.json"
    workflow.write_text(json.dumps(graph))

    ended = subprocess.run(
        [sys.executable, "-m", "comfywire", "run", str(workflow), "--server", server.url],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert ended.returncode == 1
    assert "node 1 (EmptyImage): width -1 is below the minimum 1" in ended.stderr


def test_two_threads_share_a_blocking_client(server: Server) -> None:
    found: dict[int, str | None] = {}

    with comfywire.sync.Client(server.url) as client:

        def work(color: int) -> None:
            found[color] = client.run(picture(color), timeout=PATIENCE).outputs[0].filename

        threads = [threading.Thread(target=work, args=(color,)) for color in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=PATIENCE)

    assert found == {color: f"c{color}_00001_.png" for color in range(4)}
