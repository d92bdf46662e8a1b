from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.cli.conftest import save
from tests.server.wire import sleeper

SIGNALS = [pytest.param(signal.SIGINT, id="ctrl-c"), pytest.param(signal.SIGTERM, id="sigterm")]


def begin(start, *arguments: str) -> tuple:
    """Start a run, and return it with its prompt_id once it is queued."""
    running = start("run", *arguments, "--json")
    return running, json.loads(running.line())["prompt_id"]


@contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    """Let processes that are started meanwhile inherit that they ignore a signal."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_cancels_the_running_prompt_and_says_so(start, server, slow, number):
    running, prompt_id = begin(start, slow)
    server.wait(server.until_executing(prompt_id, "5"), timeout=60)

    running.signal(number)
    finished = running.end()

    assert (finished.status, finished.result["status"]) == (130, "interrupted")
    assert finished.err == f"comfywire: interrupted: prompt {prompt_id} was cancelled\n"
    assert [run.how for run in server.runs(prompt_id)] == ["interrupted"]


def test_a_signal_takes_back_a_pending_prompt_and_leaves_the_running_one_alone(start, server, slow):
    _, first = begin(start, slow)
    server.wait(server.until_running(first), timeout=60)
    running, second = begin(start, slow)

    running.signal()
    finished = running.end()

    assert finished.status == 130
    assert server.runs(second) == []
    assert [run.how for run in server.runs(first)] == ["running"]


def test_what_was_finished_before_the_signal_is_saved(start, server, here):
    prompt = sleeper(60)
    prompt["2"]["inputs"]["images"] = ["1", 0]
    prompt["6"] = {"class_type": "PreviewImage", "inputs": {"images": ["5", 0]}}
    running, _ = begin(start, save("two.json", prompt))
    while json.loads(running.line())["event"] != "executed":
        pass

    running.signal()
    finished = running.end()

    assert (finished.status, finished.result["saved"]) == (130, ["test_00001_.png"])


def test_a_signal_before_anything_is_queued_leaves_nothing(start, server, picture):
    server.faults.replies.stall("GET /object_info/EmptyImage")
    running = start("run", picture, "--set", "1.width=16")
    server.wait(server.until(lambda: server.requests["GET /object_info/{node_class}"] > 0), timeout=60)

    running.signal()
    finished = running.end()

    assert (finished.status, finished.err) == (
        130,
        "comfywire: interrupted; no prompt was left on the server\n",
    )


def test_a_second_signal_leaves_at_once(start, server, slow):
    server.faults.replies.stall("POST /interrupt")
    running, prompt_id = begin(start, slow)
    server.wait(server.until_executing(prompt_id, "5"), timeout=60)

    running.signal()
    assert json.loads(running.line())["event"] != "result"
    server.wait(server.until(lambda: server.requests["POST /interrupt"] > 0), timeout=60)
    running.signal()

    finished = running.end()
    assert (finished.status, finished.result["status"]) == (130, "interrupted")
    assert f"prompt {prompt_id} was left to the server" in finished.err


def test_a_signal_is_heard_by_a_command_that_a_script_runs_in_the_background(start, server, slow):
    with ignored(signal.SIGINT):  # as a shell starts what ends in &
        running, prompt_id = begin(start, slow)
    server.wait(server.until_executing(prompt_id, "5"), timeout=60)

    running.signal()

    assert running.end().status == 130


def test_a_signal_while_results_are_saved_says_how_to_fetch_them(start, server, picture):
    server.faults.replies.stall("GET /view")
    running, prompt_id = begin(start, picture)
    server.wait(server.until(lambda: server.requests["GET /view"] > 0), timeout=60)

    running.signal()
    finished = running.end()

    assert (finished.status, finished.result["status"]) == (130, "interrupted")
    assert f"`comfywire download {prompt_id}` fetches them" in finished.err
