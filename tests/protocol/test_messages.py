"""Text frames become messages; junk becomes our own error and nothing else."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfywire.errors import UnexpectedReply
from comfywire.protocol.messages import (
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    FeatureFlags,
    NodeProgress,
    Progress,
    ProgressState,
    Status,
    Unknown,
)
from comfywire.protocol.parsing import parse_text


def frame(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, "data": fields})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            frame("status", status={"exec_info": {"queue_remaining": 2}}, sid="me"),
            Status(2, "me"),
            id="greeting",
        ),
        pytest.param(frame("status", status={}), Status(None), id="status-without-a-number"),
        pytest.param(frame("status"), Status(None), id="status-without-anything"),
        pytest.param(frame("feature_flags", a=True), FeatureFlags({"a": True}), id="flags"),
        pytest.param(
            frame("execution_start", prompt_id="p", timestamp=5), ExecutionStart("p", 5), id="start"
        ),
        pytest.param(
            frame("execution_cached", prompt_id="p", nodes=["1", 2]),
            ExecutionCached("p", ("1", "2")),
            id="cached",
        ),
        pytest.param(
            frame("execution_cached", prompt_id="p"), ExecutionCached("p"), id="cached-without-nodes"
        ),
        pytest.param(
            frame("executing", prompt_id="p", node="1", display_node="0"),
            Executing("p", "1", "0"),
            id="executing",
        ),
        pytest.param(frame("executing", prompt_id="p", node=None), Executing("p", None), id="the-end"),
        pytest.param(frame("executing", node="4"), Executing(None, "4"), id="greeting-after-a-reconnect"),
        pytest.param(frame("executing", prompt_id="p", node=4), Executing("p", "4"), id="a-number-as-id"),
        pytest.param(
            frame("executed", prompt_id="p", node="9", output={"images": []}, display_node="8"),
            Executed("p", "9", {"images": []}, "8"),
            id="executed",
        ),
        pytest.param(
            frame("executed", prompt_id="p", node="9", output=None),
            Executed("p", "9", None),
            id="cached-node",
        ),
        pytest.param(
            frame("progress", prompt_id="p", node="1", value=1, max=4),
            Progress("p", "1", 1, 4),
            id="progress",
        ),
        pytest.param(frame("execution_success", prompt_id="p"), ExecutionSuccess("p"), id="success"),
        pytest.param(
            frame("execution_interrupted", prompt_id="p", node_id="1", node_type="T", executed=["0"]),
            ExecutionInterrupted("p", "1", "T", ("0",)),
            id="interrupted",
        ),
        pytest.param(
            frame("crystools.monitor", cpu=3), Unknown("crystools.monitor", None), id="an-extension"
        ),
        pytest.param(
            frame("executing", prompt_id="p"), Unknown("executing", None, "p"), id="no-node-is-no-end"
        ),
        pytest.param(
            frame("executing", prompt_id="p", node=[1]), Unknown("executing", None, "p"), id="odd-node"
        ),
        pytest.param(
            frame("progress", prompt_id="p", value="x", max=1), Unknown("progress", None, "p"), id="odd-steps"
        ),
        pytest.param(
            frame("executed", prompt_id="p", node="1", output=3), Unknown("executed", None, "p"), id="odd-out"
        ),
        pytest.param('{"type": "status", "data": 5}', Unknown("status", None), id="data-is-no-object"),
        pytest.param('{"type": "status"}', Unknown("status", None), id="no-data"),
    ],
)
def test_a_frame_becomes_its_message(text: str, expected: object) -> None:
    message = parse_text(text)

    if isinstance(message, Unknown):
        assert message.raw == json.loads(text)
        message = Unknown(message.type, None, message.prompt_id)
    assert message == expected


def test_an_error_keeps_what_the_server_said() -> None:
    message = parse_text(
        frame(
            "execution_error",
            prompt_id="p",
            node_id="3",
            node_type="KSampler",
            exception_type="ValueError",
            exception_message="no\n",
            traceback=["a", "b"],
            current_outputs=["1"],
            current_inputs={"seed": [1]},
            unknown_key=1,
        )
    )

    assert message == ExecutionError(
        "p", "3", "KSampler", "ValueError", "no", ("a", "b"), (), {"seed": [1]}, ("1",)
    )


def test_a_blocked_node_is_told_from_a_failed_prompt() -> None:
    blocked = parse_text(frame("execution_error", prompt_id="p", exception_type="ExecutionBlocked"))

    assert isinstance(blocked, ExecutionError)
    assert blocked.is_block


def test_bare_nan_is_read() -> None:
    message = parse_text(
        '{"type": "progress", "data": {"prompt_id": "p", "node": "1", "value": NaN, "max": 1}}'
    )

    assert isinstance(message, Progress)
    assert math.isnan(message.value)


def test_a_progress_state_reads_the_nodes_that_can_be_read() -> None:
    nodes = {
        "1": {"value": 1, "max": 4, "state": "running", "display_node_id": "1", "new": 0},
        "2": {"value": 0, "max": 0, "state": "finished"},
        "3": {"value": "x", "max": 1},
        "4": "junk",
    }

    message = parse_text(frame("progress_state", prompt_id="p", nodes=nodes))

    assert isinstance(message, ProgressState)
    assert message.nodes == {
        "1": NodeProgress(1, 4, "running", "1"),
        "2": NodeProgress(0, 0, "finished", None),
    }
    assert [node.fraction for node in message.nodes.values()] == [0.25, 1.0]


@pytest.mark.parametrize(
    "text",
    ["", "junk", "[1, 2]", "5", "null", '{"data": {}}', '{"type": 5, "data": {}}', "[" * 100_000, "9" * 5000],
    ids=["empty", "words", "list", "number", "null", "no-type", "odd-type", "too-deep", "too-long-a-number"],
)
def test_what_is_no_message_raises_our_own_error(text: str) -> None:
    with pytest.raises(UnexpectedReply):
        parse_text(text)


KINDS = st.sampled_from(
    "status feature_flags execution_start execution_cached executing executed progress progress_state "
    "execution_success execution_error execution_interrupted other".split()
)
NAMES = st.sampled_from(
    "prompt_id node nodes value max output status sid timestamp traceback executed".split()
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(kind=KINDS, fields=st.dictionaries(NAMES, VALUES))
def test_wrong_types_anywhere_never_raise(kind: str, fields: dict[str, object]) -> None:
    message = parse_text(json.dumps({"type": kind, "data": fields}))

    if isinstance(message, ProgressState):
        assert all(0 <= node.fraction <= 1 or math.isnan(node.value) for node in message.nodes.values())


@given(st.text() | st.binary())
def test_any_frame_is_a_message_or_our_own_error(text: str | bytes) -> None:
    with contextlib.suppress(UnexpectedReply):
        parse_text(text)
