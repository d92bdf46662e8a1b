"""/queue and /history as values: the truth about prompts at one moment."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfywire.errors import UnexpectedReply
from comfywire.protocol.messages import ExecutionError, ExecutionInterrupted, ExecutionSuccess
from comfywire.protocol.snapshots import HistoryEntry, QueueSnapshot, parse_history, parse_jobs, parse_queue


def test_pending_prompts_are_listed_in_the_order_in_which_they_will_run() -> None:
    reply = {
        "queue_running": [[0, "a", {"1": {}}, {}, []]],
        "queue_pending": [
            [3, "d", {}, {}, [], {}],
            [-1, "b", {}, {}, []],
            [1.5, "c", {}, {}, []],
            [3, "cc", {}],
        ],
    }

    snapshot = parse_queue(reply)

    assert (snapshot.running, snapshot.pending) == (("a",), ("b", "c", "cc", "d"))
    assert snapshot.graphs["a"] == {"1": {}}
    assert ("a" in snapshot, "d" in snapshot, "x" in snapshot) == (True, True, False)


def test_who_submitted_a_prompt_is_known_where_the_server_says_it() -> None:
    items = [
        [0, "a", {}, {"client_id": "me"}, []],
        [1, "b", {}, {"client_id": 3}, []],
        [2, "c", {}],
        [3, "d"],
    ]
    reply = {"queue_running": items[:1], "queue_pending": items[1:]}

    assert parse_queue(reply).client_ids == {"a": "me"}


@pytest.mark.parametrize(
    "reply",
    [
        None,
        [],
        {},
        {"queue_running": []},
        {"queue_running": [5], "queue_pending": []},
        {"queue_running": [[1]]},
    ],
    ids=["null", "list", "empty", "half", "no-item", "short-item"],
)
def test_a_queue_that_cannot_be_read_says_nothing(reply: object) -> None:
    with pytest.raises(UnexpectedReply):
        parse_queue(reply)


def test_a_listing_of_jobs_is_the_same_snapshot_without_graphs() -> None:
    reply = {
        "jobs": [
            {"id": "d", "status": "pending", "priority": 4},
            {"id": "b", "status": "pending", "priority": -1},
            {"id": "a", "status": "in_progress", "priority": 0},
            {"id": "x", "status": "completed"},
        ],
        "pagination": {"has_more": False},
    }

    assert parse_jobs(reply) == QueueSnapshot(("a",), ("b", "d"))


@pytest.mark.parametrize(
    "reply",
    [None, {}, {"jobs": 5}, {"jobs": [5]}, {"jobs": [], "pagination": {"has_more": True}}],
    ids=["null", "empty", "no-list", "no-jobs", "not-all"],
)
def test_a_listing_that_cannot_be_read_says_nothing(reply: object) -> None:
    with pytest.raises(UnexpectedReply):
        parse_jobs(reply)


def entry(status: object, **more: object) -> dict[str, object]:
    return {
        "p": {
            "prompt": [1, "p", {"9": {}}, {}, ["9"]],
            "outputs": {"9": {"text": ["x"]}},
            "status": status,
            **more,
        }
    }


def status(status_str: str, *messages: object) -> dict[str, object]:
    return {"status_str": status_str, "completed": status_str == "success", "messages": list(messages)}


START = ["execution_start", {"prompt_id": "p"}]
GOOD = ["execution_success", {"prompt_id": "p", "timestamp": 7}]
BAD = ["execution_error", {"prompt_id": "p", "node_id": "3", "exception_message": "no"}]
STOPPED = ["execution_interrupted", {"prompt_id": "p", "node_id": "3"}]


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        pytest.param(status("success", START, GOOD), ExecutionSuccess("p", 7), id="success"),
        pytest.param(
            status("error", START, BAD), ExecutionError("p", "3", exception_message="no"), id="a-node-raised"
        ),
        pytest.param(
            status("error", START, STOPPED), ExecutionInterrupted("p", "3"), id="an-interrupt-reads-error"
        ),
        pytest.param(
            status("success", START, BAD),
            ExecutionError("p", "3", exception_message="no"),
            id="status-str-lies-about-a-cycle",
        ),
        pytest.param(status("error", START, GOOD), ExecutionSuccess("p", 7), id="status-str-is-last-prompts"),
        pytest.param(status("success"), ExecutionSuccess("p"), id="no-messages-success"),
        pytest.param(
            status("error", "junk", ["x"], [5, {}]),
            ExecutionError("p", exception_message="the server recorded an error without its message"),
            id="no-messages-error",
        ),
        pytest.param(None, ExecutionSuccess("p"), id="no-status-at-all"),
    ],
)
def test_how_it_ended_is_read_from_the_messages_first(told: object, verdict: object) -> None:
    read = parse_history(entry(told), "p")

    shown, ran = {"9": {"text": ["x"]}}, frozenset({"9"})
    assert read == HistoryEntry(verdict, shown, {}, {"9": {}}, ran)  # type: ignore[arg-type]


def test_a_prompt_without_an_entry_has_not_ended() -> None:
    assert parse_history({}, "p") is None


@pytest.mark.parametrize("reply", [None, [], {"p": 5}], ids=["null", "list", "no-object"])
def test_a_history_that_cannot_be_read_says_nothing(reply: object) -> None:
    with pytest.raises(UnexpectedReply):
        parse_history(reply, "p")


def test_outputs_of_odd_shapes_are_left_out() -> None:
    read = parse_history(entry(None, outputs={"1": 5, "2": {"images": []}}, meta=[], prompt=[]), "p")

    assert read is not None
    assert (read.outputs, read.meta, read.graph) == ({"2": {"images": []}}, {}, {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["p", "status", "outputs", "prompt"]), inner)
    ),
)


@given(JSON)
def test_any_json_is_a_snapshot_or_our_own_error(reply: object) -> None:
    for parse in (parse_queue, parse_jobs, lambda answer: parse_history(answer, "p")):
        with contextlib.suppress(UnexpectedReply):
            assert isinstance(parse(reply), QueueSnapshot | HistoryEntry | None)
