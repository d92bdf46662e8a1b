"""Nothing is wrong without a word: what is said of values that do not fit what is known of a node."""

import pytest
from tests.workflow.conversion.editor import converted, document, node, node_type

from comfywire.workflow.catalogues.packaged import packaged
from comfywire.workflow.conversion.convert import convert

CUSTOM = "custom_nodes.Some-Pack"
WIDGETS = {
    "steps": ["INT", {"default": 20}],
    "name": ["STRING", {"default": ""}],
    "mode": [["a", "b"]],
    "on": ["BOOLEAN", {"default": False}],
}
SERVER = {
    "Core": node_type(WIDGETS),
    "Pack": node_type(WIDGETS, python_module=CUSTOM),
    "ShowText|pysssss": node_type({"text": ["STRING", {"forceInput": True}]}, python_module=CUSTOM),
    "PreviewAny": node_type({"source": ["*"]}),
    "Out": node_type({}, output=("INT",)),
}
FITTING = [30, "x", "b", True]


def said(*nodes, links=()):
    return converted(document(*nodes, links=links), server=SERVER).warnings


@pytest.mark.parametrize(
    "saved",
    [
        pytest.param(node(1, "Core", *FITTING), id="as-many"),
        pytest.param(node(1, "Pack", *FITTING), id="as-many-of-a-pack's"),
        pytest.param(node(1, "Core", *FITTING[:2]), id="an-older-file-of-a-core-node"),
        pytest.param(node(1, "Core"), id="none"),
        pytest.param(node(1, "Core", *FITTING, "", None), id="nothing-in-those-beyond"),
        pytest.param(node(1, "Core", "30", 4, "gone", None), id="spelt-otherwise"),
        pytest.param(node(1, "ShowText|pysssss", "what it showed"), id="a-display"),
        pytest.param(node(1, "PreviewAny", "what it showed", None, False), id="a-core-display"),
        pytest.param(
            node(1, "Pack", *FITTING[:2], widget_links={"steps": None, "name": None}),
            id="the-file-names-the-first-widgets",
        ),
        pytest.param({**node(1, "Pack", *FITTING, 7), "mode": 2}, id="it-is-muted"),
    ],
)
def test_what_fits_is_not_worth_a_word(saved):
    assert said(saved) == []


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        pytest.param(node(1, "Core", *FITTING, 7), "5 values for its 4 widgets", id="more"),
        pytest.param(node(1, "Pack", *FITTING, 7), "5 values for its 4 widgets", id="more-of-a-pack's"),
        pytest.param(
            node(1, "Pack", *FITTING[:2]), "so 'mode', 'on' got the default", id="fewer-of-a-pack's"
        ),
        pytest.param(
            node(1, "Pack", *FITTING[:2], widget_links={"name": None, "steps": None}),
            "2 values for its 4 widgets",
            id="the-file-has-another-order",
        ),
        pytest.param(node(1, "Core", "fixed", *FITTING[1:]), "'steps' got a value of another", id="a-number"),
        pytest.param(node(1, "Core", 1, "x", True, True), "'mode' got a value of another", id="a-choice"),
        pytest.param(node(1, "Core", 1, "x", "b", "y"), "'on' got a value of another", id="a-boolean"),
        pytest.param(node(1, "Core", 1, [2], "b", True), "'name' got a value of another", id="a-text"),
    ],
)
def test_what_does_not_fit_is_named_with_what_to_do(saved, words):
    (warning,) = said(saved)

    assert warning.startswith(f"node 1 ({saved['type']}): ")
    assert words in warning
    assert "compare it with the editor, or export from there in API format" in warning


def test_a_value_that_a_link_replaces_is_not_looked_at():
    linked = node(1, "Core", "junk", *FITTING[1:], widget_links={"steps": 3})

    assert said(linked, node(2, "Out"), links=[(3, 2, 0, 1, 0)]) == []


def test_a_link_to_an_input_that_is_gone_is_named():
    gone = node(1, "Core", *FITTING, widget_links={"height": 3})

    (warning,) = said(gone, node(2, "Out"), links=[(3, 2, 0, 1, 0)])

    assert "its input 'height' is linked in the file and no longer exists; the link is dropped" in warning


def test_two_inputs_of_one_name_are_named():
    twice = node(1, "Pack", *FITTING, widget_links={"steps": 3})
    twice["inputs"].append({"name": "steps", "type": "INT", "link": None})

    (warning,) = said(twice, node(2, "Out"), links=[(3, 2, 0, 1, 0)])

    assert "the file has two inputs 'steps'" in warning


def test_a_node_inside_a_subgraph_is_named_by_its_way():
    inner = {"id": "sub", "name": "sub", "nodes": [node(5, "Core", *FITTING, 7)], "links": []}
    saved = document(node(1, "sub"), definitions={"subgraphs": [inner]})

    (warning,) = converted(saved, server=SERVER).warnings

    assert warning.startswith("node 1:5 (Core): ")


def test_where_no_server_was_asked_none_is_said_to_lack_a_type():
    offline = convert(document(node(1, "Unheard", 5)), packaged()).warnings
    asked = convert(document(node(1, "Unheard", 5)), SERVER).warnings

    assert offline[0].startswith("node 1: node type 'Unheard' is not among those that ship with Comfywire; ")
    assert offline[0].endswith("; give a server or its --object-info")
    assert asked[0].startswith("node 1: the server has no node type 'Unheard'; ")


def test_a_file_with_a_counter_that_is_behind_is_said_to_confuse_the_editor():
    inner = {
        "id": "sub",
        "nodes": [node(5, "Core", *FITTING, widget_links={"name": 1}), node(6, "Out")],
        "links": [{"id": 1, "origin_id": 6, "origin_slot": 0, "target_id": 5, "target_slot": 0}],
        "inputs": [],
        "state": {"lastLinkId": 0},
    }
    host = {**node(1, "sub"), "properties": {"proxyWidgets": [["5", "steps"]]}}
    saved = document(host, definitions={"subgraphs": [inner]})

    (warning,) = converted(saved, server=SERVER).warnings

    assert warning.startswith("node 1:5 (Core): its input 'name' keeps link 1; the editor gives this number")
    assert converted({**saved, "last_link_id": 9}, server=SERVER).warnings == []
