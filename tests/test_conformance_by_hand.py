"""The conformance suite on a server that somebody names, as it is run on a real ComfyUI."""

import subprocess
import sys
from pathlib import Path

import pytest

from comfywire.server import Server, server_in_thread

ROOT = Path(__file__).parents[1]
GREETING = "tests/conformance/test_sockets.py::test_the_first_message_is_the_status_with_the_client_id"


def run_suite(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", GREETING, "--comfyui", url, "-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=80, check=False)


@pytest.fixture
def server():
    with server_in_thread() as server:
        yield server


def test_a_server_that_is_named_is_asked_once_and_by_nobody_else(server: Server):
    ran = run_suite(server.url)

    assert "1 passed" in ran.stdout, ran.stdout
    assert server.requests["GET /ws"] == 1


def test_a_server_with_prompts_in_its_queue_is_left_alone(server: Server):
    server.faults.nodes.hold(times=None)
    graph = {"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}}
    server.wait(server.faults.prompts.submit(graph))

    ran = run_suite(server.url)

    assert f"{server.url} has prompts queued" in ran.stdout
    assert server.wait(held(server)) == 1


async def held(server: Server) -> int:
    return server.life.queue.remaining()
