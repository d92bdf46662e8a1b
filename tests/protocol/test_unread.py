"""Progress states that stay text until somebody looks into them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfywire.protocol.messages import ProgressState
from comfywire.protocol.parsing import parse_envelope, parse_text
from comfywire.protocol.unread import UnreadNodes, unread_progress

NODE = {"value": 1.0, "max": 4.0, "state": "running", "display_node_id": "7"}
NODES = st.dictionaries(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))


def frame(prompt_id: object, nodes: object) -> str:
    return json.dumps({"type": "progress_state", "data": {"prompt_id": prompt_id, "nodes": nodes}})


def test_a_progress_state_is_not_read_before_somebody_asks() -> None:
    unread = unread_progress('{"type": "progress_state", "data": {"prompt_id": "q", "nodes": {junk}}}')

    assert unread is not None
    assert unread[0] == "q"


def test_junk_in_an_unread_progress_state_names_no_nodes() -> None:
    message = parse_text('{"type": "progress_state", "data": {"prompt_id": "q", "nodes": {junk}}}')

    assert isinstance(message, ProgressState)
    assert dict(message.nodes) == {}


@given(prompt_id=st.text(), nodes=NODES)
def test_reading_late_finds_what_reading_at_once_finds(
    prompt_id: str, nodes: dict[str, dict[str, object]]
) -> None:
    text = frame(prompt_id, nodes)

    assert parse_text(text) == parse_envelope(json.loads(text))


def test_the_nodes_of_an_unread_progress_state_are_read() -> None:
    message = parse_text(frame("q", {"7": NODE}))

    assert isinstance(message, ProgressState)
    assert isinstance(message.raw_nodes, UnreadNodes)
    assert message.nodes["7"].fraction == 0.25
    assert repr(message.raw_nodes) == repr({"7": NODE})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(frame(None, {"7": NODE}), id="no-prompt"),
        pytest.param(frame('q"', {"7": NODE}), id="an-id-with-escapes"),
        pytest.param(frame("q", []), id="nodes-that-are-a-list"),
        pytest.param(frame("q", {"7": NODE}).replace(": ", ":"), id="spelled-by-another-server"),
        pytest.param(frame("q", {}).replace("progress_state", "progress"), id="another-message"),
    ],
)
def test_what_looks_different_is_read_at_once(text: str) -> None:
    assert unread_progress(text) is None
