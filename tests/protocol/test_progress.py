"""One number for a whole job: it never falls, and ends at 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfywire.protocol.messages import (
    Executed,
    ExecutionCached,
    ExecutionSuccess,
    Message,
    Progress,
    ProgressState,
)
from comfywire.protocol.progress import ProgressTally, required_nodes

GRAPH = {
    "1": {"inputs": {}},
    "2": {"inputs": {"image": ["1", 0], "list": [1, 2], "text": "x"}},
    "3": {"inputs": {"image": ["2", 0]}},
    "4": {"inputs": {"image": ["1", 0]}},
}


def state(**nodes: tuple[float, float, str]) -> ProgressState:
    return ProgressState(
        "p",
        {name[1:]: {"value": value, "max": most, "state": how} for name, (value, most, how) in nodes.items()},
    )


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (None, {"1", "2", "3", "4"}),
        (["3"], {"1", "2", "3"}),
        (["4"], {"1", "4"}),
        (["x"], set()),
        ([], set()),
    ],
    ids=["all", "a-branch", "the-other", "unknown", "none"],
)
def test_required_are_the_targets_and_what_they_need(targets: list[str] | None, expected: set[str]) -> None:
    assert required_nodes(GRAPH, targets) == expected


def test_a_graph_of_odd_shapes_is_walked_all_the_same() -> None:
    assert required_nodes({"1": 5, "2": {"inputs": 5}, "3": {"inputs": {"a": ["1", 0]}}}, ["3", "2"]) == {
        "1",
        "2",
        "3",
    }


@pytest.mark.parametrize(
    ("messages", "fraction", "done"),
    [
        pytest.param([], 0.0, 0, id="nothing-heard"),
        pytest.param([ExecutionCached("p", ("1", "2"))], 0.5, 2, id="cached-nodes-are-done"),
        pytest.param([Executed("p", "1")], 0.25, 1, id="an-executed-node-is-done"),
        pytest.param([Progress("p", "1", 1, 2)], 0.125, 0, id="a-running-node-counts-by-its-steps"),
        pytest.param([Progress("p", "1", 0, 0)], 0.0, 0, id="a-node-without-steps"),
        pytest.param([Progress("p", "1", 9, 2)], 0.25, 0, id="more-steps-than-there-are"),
        pytest.param([state(n1=(1, 2, "running"), n2=(1, 4, "running"))], 0.1875, 0, id="two-run-at-once"),
        pytest.param(
            [state(n1=(1, 1, "finished"), n2=(1, 2, "running"))], 0.375, 1, id="finished-and-running"
        ),
        pytest.param(
            [state(n1=(1, 1, "finished")), Executed("p", "1")], 0.25, 1, id="told-twice-counted-once"
        ),
        pytest.param(
            [state(**{"n10.0.1": (1, 1, "finished")})], 0.0, 0, id="nodes-of-an-expansion-are-not-ours"
        ),
        pytest.param([ExecutionSuccess("p")], 0.0, 0, id="a-success-that-is-only-heard-of"),
        pytest.param([Executed("p", node) for node in GRAPH], 0.99, 4, id="all-nodes-done-and-no-end"),
    ],
)
def test_the_fraction_counts_what_was_heard(messages: list[Message], fraction: float, done: int) -> None:
    tally = ProgressTally(GRAPH)
    for message in messages:
        tally.hear(message)

    assert (tally.fraction, tally.nodes_done) == (fraction, done)


def test_it_is_one_only_when_the_job_has_ended_well() -> None:
    tally = ProgressTally(GRAPH)

    tally.hear(
        state(n1=(1, 1, "finished"), n2=(1, 1, "finished"), n3=(1, 1, "finished"), n4=(1, 1, "finished"))
    )

    assert tally.fraction < 1.0


def test_a_graph_that_is_not_known_has_no_progress_until_the_end() -> None:
    tally = ProgressTally(())
    tally.hear(Executed("p", "1"))

    assert tally.fraction == 0.0
    tally.end()
    assert tally.fraction == 1.0


def test_steps_are_those_of_the_newest_message() -> None:
    tally = ProgressTally(GRAPH)
    tally.hear(Progress("p", "1", 3, 20))

    assert (tally.steps_of("1"), tally.steps_of("2"), tally.steps_of(None)) == ((3, 20), None, None)
    tally.hear(state(n1=(4, 20, "running")))
    assert tally.steps_of("1") == (4, 20)


NODES = st.sampled_from(["1", "2", "3", "4", "x"])
MESSAGES = st.one_of(
    st.builds(lambda node: Executed("p", node), NODES),
    st.builds(lambda nodes: ExecutionCached("p", tuple(nodes)), st.lists(NODES)),
    st.builds(
        lambda node, value, most: Progress("p", node, value, most), NODES, st.floats(-1, 9), st.floats(-1, 9)
    ),
    st.builds(lambda value, most: state(n1=(value, most, "running")), st.floats(-1, 9), st.floats(-1, 9)),
)


@given(st.lists(MESSAGES))
def test_it_never_falls_and_stays_between_zero_and_one(messages: list[Message]) -> None:
    tally = ProgressTally(GRAPH)

    seen = [0.0]
    for message in messages:
        tally.hear(message)
        seen.append(tally.fraction)

    assert seen == sorted(seen)
    assert seen[-1] < 1.0
