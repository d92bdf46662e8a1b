from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import save, submitted
from tests.cli.test_main import failing, rejected

from comfywire.cli.json_lines import print_json
from comfywire.cli.naming import NodeNames
from comfywire.cli.run.dialect import describe
from comfywire.client import JobProgress
from comfywire.client.events import (
    Executing,
    ExecutionInterrupted,
    PreviewImage,
    ProgressState,
    ProgressText,
    SocketImage,
    Unknown,
)

COMMON = {"event", "prompt_id", "seconds"}


def test_every_line_is_an_event_of_one_prompt(comfywire, server, steps):
    finished = comfywire("run", steps, "--json")

    assert all(set(event) >= COMMON for event in finished.events)
    assert len({event["prompt_id"] for event in finished.events}) == 1
    assert finished.err == ""


def test_the_story_is_told_in_order(comfywire, server, steps):
    # Progress is news: a late reader gets what follows.
    server.call(server.faults.nodes.slow, 1, steps=20, node_id="3")
    told = [event["event"] for event in comfywire("run", steps, "--json").events]

    once = ["submitted", "execution_start", "executed", "execution_success", "saved", "result"]
    assert [kind for kind in told if kind in once] == once
    assert {"executing", "progress", "progress_state"} < set(told)


def test_the_result_lists_every_output_and_where_it_went(comfywire, server, steps):
    result = comfywire("run", steps, "--json").result

    assert result["status"] == "success"
    assert result["error"] is None
    assert result["saved"] == ["test_00001_.png"]
    assert result["outputs"] == [
        {
            "node_id": "9",
            "class_type": "SaveImage",
            "kind": "image",
            "key": "images",
            "filename": "test_00001_.png",
            "subfolder": "",
            "type": "output",
            "path": "test_00001_.png",
        }
    ]


def test_nodes_are_told_with_type_and_title(comfywire, server, steps):
    nodes = {event["node_id"]: event for event in comfywire("run", steps, "--json").of("executing")}

    assert (nodes["6"]["class_type"], nodes["6"]["title"]) == ("CLIPTextEncode", "Positive")


def test_steps_are_told_with_a_fraction_that_never_falls(comfywire, server, steps):
    finished = comfywire("run", steps, "--json")

    fractions = [event["fraction"] for event in finished.events if "fraction" in event]
    values = [event["value"] for event in finished.of("progress") if event["node_id"] == "3"]
    assert fractions == sorted(fractions)
    assert values == sorted(values)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            (failing(), "failed", "JobFailed", {"node_id", "exception_type", "traceback"}), id="failed"
        ),
        pytest.param(
            (rejected(), "rejected", "WorkflowRejected", {"sentences", "node_errors"}), id="rejected"
        ),
    ],
)
def test_the_result_of_a_failure_says_why(comfywire, server, row):
    prompt, status, error, fields = row

    finished = comfywire("run", save("bad.json", prompt), "--json")

    result = finished.result
    assert (finished.status, result["event"], result["status"]) == (1, "result", status)
    assert result["error"]["type"] == error
    assert fields <= set(result["error"])
    assert f"comfywire: {result['error']['message']}\n" == finished.err


def test_a_file_that_is_no_workflow_ends_in_a_result_too(comfywire, here):
    Path("broken.json").write_text("{", encoding="utf-8")

    finished = comfywire("run", "broken.json", "--json")

    assert (finished.status, finished.result["status"], finished.result["prompt_id"]) == (2, "failed", None)


def test_what_was_finished_before_a_failure_is_in_the_result(comfywire, server, half):
    result = comfywire("run", half, "--json").result

    assert (result["status"], result["saved"]) == ("failed", ["test_00001_.png"])


def test_a_prompt_that_somebody_deleted_is_lost(start, server, slow):
    server.wait(server.until_running(submitted(server, slow)), timeout=60)
    running = start("run", slow, "--json")
    prompt_id = json.loads(running.line())["prompt_id"]

    server.call(server.faults.prompts.delete, prompt_id)
    finished = running.end()

    assert (finished.status, finished.result["status"]) == (1, "lost")


def test_a_prompt_that_somebody_interrupted_is_interrupted(start, server, slow):
    running = start("run", slow, "--json")
    # Not earlier: an interrupt in the moment in which a prompt starts is forgotten, here as on ComfyUI.
    server.wait(server.until_executing(json.loads(running.line())["prompt_id"], "5"), timeout=60)

    server.call(server.faults.prompts.interrupt)
    finished = running.end()

    assert (finished.status, finished.result["status"]) == (130, "interrupted")
    assert "was interrupted" in finished.err


def test_a_job_that_took_too_long_is_timed_out(comfywire, server, slow):
    finished = comfywire("run", slow, "--json", "--timeout", "0.3")

    assert (finished.status, finished.result["status"]) == (1, "timed_out")


NOBODY = JobProgress("q", "running", 0.25, 1, 4)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        pytest.param(Executing("q", None), None, id="the-end-is-told-by-the-result"),
        pytest.param(
            PreviewImage(b"1234", "image/jpeg", "q", "3"),
            {"event": "preview", "node_id": "3", "media_type": "image/jpeg", "bytes": 4},
            id="a-preview-is-told-by-its-size",
        ),
        pytest.param(
            SocketImage("q", "3", b"1234", "image/png"),
            {"event": "image", "node_id": "3", "media_type": "image/png", "bytes": 4},
            id="a-picture-over-the-socket",
        ),
        pytest.param(
            ProgressText("3", "loading"),
            {"event": "progress_text", "node_id": "3", "text": "loading"},
            id="a-line-of-text",
        ),
        pytest.param(
            ProgressState("q", {"3": {"value": 1, "max": 4, "state": "running"}, "4": {"state": "finished"}}),
            {
                "event": "progress_state",
                "running": {"3": {"value": 1, "max": 4}},
                "nodes_done": 1,
                "nodes_total": 4,
                "fraction": 0.25,
            },
            id="only-what-runs-of-the-state",
        ),
        pytest.param(
            Unknown("crystools.monitor", {"type": "crystools.monitor", "data": {"cpu": 1}}, "q"),
            {"event": "unknown", "type": "crystools.monitor", "raw": {"cpu": 1}},
            id="an-extensions-message",
        ),
        pytest.param(Unknown(77, b"raw"), None, id="an-unknown-frame-is-nothing-to-tell"),
        pytest.param(
            ExecutionInterrupted("q", "10.0.0.1"),
            {"event": "execution_interrupted", "node_id": "10.0.0.1", "class_type": "Grow", "title": "Grow"},
            id="a-node-that-another-expanded-into-is-called-like-it",
        ),
    ],
)
def test_an_event_is_told(event, words):
    assert describe(event, NOBODY, NodeNames({"10": {"class_type": "Grow"}})) == words


def test_numbers_that_json_does_not_have_become_null(capsys):
    print_json({"event": "executed", "output": {"x": [float("nan"), float("inf"), 1.5, None, {1, 2}]}})

    assert json.loads(capsys.readouterr().out)["output"] == {"x": [None, None, 1.5, None, "{1, 2}"]}
