"""Two nodes of one id: which is sent, and that it is said."""

import pytest
from tests.workflow.conversion.editor import NEW, OLD, converted, document, node

FIRST, SECOND = node(1, "Text", "first"), node(1, "Number", 2.5)
LINKED = node(1, "Blend", 0.25, links={"image": 5})
LOAD = node(2, "Load", "a.png")
LINK = (5, 2, 0, 1, 0)


def types(*nodes, profile=NEW, links=()):
    done = converted(document(*nodes, links=links), profile)
    return {node_id: entry["class_type"] for node_id, entry in done.prompt.items()}, done.warnings


@pytest.mark.parametrize(
    ("nodes", "links", "kind"),
    [
        pytest.param((FIRST, SECOND), [], "Number", id="the-last-where-neither-is-linked"),
        pytest.param((FIRST, LINKED, LOAD), [LINK], "Text", id="else-the-first"),
        pytest.param((LINKED, FIRST, LOAD), [LINK], "Blend", id="the-first-if-it-is-linked"),
    ],
)
def test_one_of_both_is_sent(nodes, links, kind):
    found, warnings = types(*nodes, links=links)

    assert found["1"] == kind
    assert warnings[0].startswith("node 1: 2 nodes have this id, and one of them is sent")


def test_1_27_pours_the_data_of_both_into_the_first():
    done = converted(document(node(1, "Text", "first"), node(1, "Text", "second")), OLD)

    assert done.prompt["1"]["inputs"] == {"text": "second"}
    assert done.prompt["91"]["inputs"] == {"text": ""}
