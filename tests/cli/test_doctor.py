from __future__ import annotations

import json

import pytest
from tests.cli.conftest import save, submitted


def findings(finished) -> dict[str, bool | None]:
    return {finding["name"]: finding["ok"] for finding in json.loads(finished.out)}


def test_a_ready_server_passes_every_check(comfywire, server):
    finished = comfywire("doctor", "--json")

    names = ["reach", "authentication", "version", "features", "state", "upload", "event", "view"]
    assert (finished.status, findings(finished)) == (0, dict.fromkeys(names, True))


def test_the_checks_leave_the_server_idle(comfywire, server):
    comfywire("doctor")

    assert [run.how for run in server.log] == ["success"]
    assert list((server.folder / "input").iterdir()) == []
    assert list((server.folder / "output").iterdir()) == []


def test_without_a_prompt_nothing_is_queued(comfywire, server):
    finished = comfywire("doctor", "--no-prompt", "--json")

    assert (finished.status, findings(finished)["event"], server.log) == (0, None, [])


@pytest.mark.parametrize(
    ("route", "status", "check", "hint"),
    [
        pytest.param("GET /queue", 500, "state", "GET /queue", id="state-cannot-be-read"),
        pytest.param("POST /upload/image", 413, "upload", "limits the size", id="uploads-are-refused"),
        pytest.param("GET /features", 500, "features", "proxy", id="features-break"),
    ],
)
def test_what_does_not_work_is_named_with_the_next_step(comfywire, server, *, route, status, check, hint):
    server.faults.replies.fail(route, status)

    finished = comfywire("doctor", "--no-prompt")

    rows = {line.split("\t")[0]: line for line in finished.out.splitlines()}
    assert (finished.status, "FAILED" in rows[check], hint in rows[check]) == (1, True, True)


def test_a_server_without_feature_flags_is_fine(comfywire, server):
    server.faults.replies.fail("GET /features", 404)

    assert findings(comfywire("doctor", "--no-prompt", "--json"))["features"] is True


@pytest.mark.parametrize(
    ("status", "check"),
    [
        pytest.param(401, "authentication", id="a-login-is-needed"),
        pytest.param(404, "reach", id="it-is-something-else"),
    ],
)
def test_a_server_that_cannot_be_used_at_all_is_status_2(comfywire, server, status, check):
    server.faults.replies.fail("GET /system_stats", status)

    finished = comfywire("doctor", "--json")

    assert (finished.status, findings(finished)) == (2, {check: False})


def test_events_that_do_not_arrive_are_found_out(comfywire, server):
    for kind in ("execution_start", "execution_cached", "executing", "progress_state", "executed"):
        server.faults.messages.drop(kind, times=None)
    server.faults.messages.drop("execution_success", times=None)

    finished = comfywire("doctor", "--json")

    assert (finished.status, findings(finished)["event"]) == (1, False)


def test_a_busy_server_is_not_blamed(comfywire, server, slow):
    server.wait(server.until_running(submitted(server, slow)), timeout=60)

    finished = comfywire("doctor", "--json")

    assert (finished.status, findings(finished)["event"]) == (0, None)
    assert len(server.log) == 1


def test_doctor_says_what_a_server_lacks_of_a_workflow_and_where_it_comes_from(comfywire, server, here):
    model = {
        "name": "mine.safetensors",
        "url": "https://example.com/mine.safetensors",
        "directory": "checkpoints",
        "hash": "abc",
        "hash_type": "SHA256",
    }
    nodes = [
        {"id": 1, "type": "Fancy", "widgets_values": [5], "properties": {"cnr_id": "fancy-pack"}},
        {
            "id": 2,
            "type": "CheckpointLoaderSimple",
            "widgets_values": ["mine.safetensors"],
            "properties": {"models": [model]},
        },
    ]
    file = save("lacking.json", {"version": 0.4, "nodes": nodes, "links": []})

    finished = comfywire("doctor", "--no-prompt", "--workflow", file, "--json")

    found = [entry for entry in json.loads(finished.out) if entry["name"] in {"node type", "model"}]
    assert finished.status == 1
    assert [(entry["sentence"], entry["next_step"]) for entry in found] == [
        ("the server has no node type 'Fancy', which 1 needs", "install the node pack fancy-pack"),
        (
            "the server does not offer 'mine.safetensors', which 2.ckpt_name needs",
            "download https://example.com/mine.safetensors into models/checkpoints (SHA256:abc)",
        ),
    ]


def test_doctor_says_that_nothing_is_lacking(comfywire, server, steps):
    finished = comfywire("doctor", "--no-prompt", "--workflow", steps, "--json")

    assert (finished.status, findings(finished)["workflow"]) == (0, True)
