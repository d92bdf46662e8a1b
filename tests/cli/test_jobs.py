from __future__ import annotations

import json
import uuid

import pytest
from tests.cli.conftest import save, submitted
from tests.server.wire import image


@pytest.fixture
def two(server, slow) -> tuple[str, str]:
    """The ids of a prompt that runs and of one that waits."""
    first = submitted(server, slow)
    server.wait(server.until_executing(first, "5"), timeout=60)
    return first, submitted(server, slow)


def test_queue_shows_what_runs_and_what_waits(comfywire, two):
    first, second = two

    assert comfywire("queue").out.splitlines() == [f"running\t{first}\t3", f"1\t{second}\t3"]


def test_queue_speaks_json(comfywire, two):
    assert json.loads(comfywire("queue", "--json").out) == {"running": [two[0]], "pending": [two[1]]}


def test_an_empty_queue_says_so_beside_the_output(comfywire, server):
    finished = comfywire("queue")

    assert (finished.out, finished.err) == ("", "the queue is empty\n")


def test_cancel_ends_the_named_prompt_and_no_other(comfywire, server, two):
    first, second = two

    finished = comfywire("cancel", second)

    assert (finished.status, finished.out) == (0, f"prompt {second} was cancelled\n")
    assert [run.how for run in server.runs(first)] == ["running"]
    assert server.runs(second) == []


def test_cancel_ends_a_running_prompt(comfywire, server, two):
    finished = comfywire("cancel", *two)

    assert (finished.status, len(finished.out.splitlines())) == (0, 2)
    assert [run.how for run in server.runs(two[0])] == ["interrupted"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(image, "had ended already, and well", id="succeeded"),
        pytest.param(
            lambda: {
                **image(),
                "3": {"class_type": "TestSyncError", "inputs": {"value": ["1", 0]}},
                "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
            },
            "had ended already: ",
            id="failed",
        ),
    ],
)
def test_cancel_says_what_had_ended_already(comfywire, server, here, make, words):
    prompt_id = comfywire("run", save("done.json", make()), "--json").result["prompt_id"]

    finished = comfywire("cancel", prompt_id)

    assert (finished.status, words in finished.out) == (1, True)


def test_cancel_says_that_a_prompt_is_not_there(comfywire, server):
    unknown = str(uuid.uuid4())

    finished = comfywire("cancel", unknown)

    assert finished.status == 1
    assert finished.out.startswith(
        f"prompt {unknown} is not on {server.url}: `comfywire queue` shows what is"
    )


def test_interrupt_stops_what_runs(comfywire, server, two):
    comfywire("interrupt")

    server.wait(server.until_done(two[0]), timeout=60)
    assert [run.how for run in server.runs(two[0])] == ["interrupted"]


def test_interrupt_with_an_id_leaves_another_prompt_alone(comfywire, server, two):
    comfywire("interrupt", two[1])

    assert [run.how for run in server.runs(two[0])] == ["running"]


def test_history_lists_what_ended(comfywire, server, picture, half):
    good = comfywire("run", picture, "--json").result["prompt_id"]
    bad = comfywire("run", half, "--json").result["prompt_id"]

    rows = [line.split("\t") for line in comfywire("history").out.splitlines()]

    assert [(row[0], row[2], row[4]) for row in rows] == [(good, "success", "1"), (bad, "error", "1")]


def test_history_of_one_prompt_lists_its_outputs(comfywire, server, picture):
    prompt_id = comfywire("run", picture, "--json").result["prompt_id"]

    assert comfywire("history", prompt_id).out == "2\timages\ttest_00001_.png\n"


def test_history_shows_a_text_that_came_letter_by_letter_as_one(comfywire, server, picture):
    prompt_id = comfywire("run", picture, "--json").result["prompt_id"]
    server.call(server.faults.history.alter, prompt_id, outputs={"2": {"text": list("a quiet sea")}})

    assert comfywire("history", prompt_id).out == "2\ttext\ta quiet sea\n"
    assert len(comfywire("download", prompt_id).out.splitlines()) == 1


def test_history_speaks_the_servers_json(comfywire, server, picture):
    prompt_id = comfywire("run", picture, "--json").result["prompt_id"]

    assert json.loads(comfywire("history", "--json").out)[prompt_id]["status"]["status_str"] == "success"
