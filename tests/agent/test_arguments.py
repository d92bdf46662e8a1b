"""What both desks, of one ComfyUI and of the service, are given: read, or refused with the next step."""

import pytest

pytest.importorskip("mcp_types", reason="agents need the extra 'mcp'")

from comfywire.agent.arguments import Misunderstood, graph_of, limit_of, seconds_of


def test_what_is_left_out_has_a_meaning():
    assert (limit_of({}), limit_of({"limit": None}), seconds_of({})) == (20, 20, None)
    assert graph_of({"workflow": {}, "outputs": []}) == ({}, None)


@pytest.mark.parametrize(
    ("read", "arguments", "words"),
    [
        pytest.param(limit_of, {"limit": 0}, "limit is a number from 1", id="none"),
        pytest.param(limit_of, {"limit": True}, "and not True", id="a-limit-that-is-true"),
        pytest.param(seconds_of, {"seconds": True}, "and not True", id="seconds-that-are-true"),
        pytest.param(seconds_of, {"seconds": -1}, "above 0", id="seconds-that-are-over"),
        pytest.param(graph_of, {}, "workflow is missing", id="no-graph"),
        pytest.param(
            graph_of, {"workflow": {}, "outputs": "9"}, "a list of node ids", id="a-text-for-a-list"
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words(read, arguments, words):
    with pytest.raises(Misunderstood, match=words):
        read(arguments)
