import json

import pytest
from tests.workflow.conversion.editor import (
    OLD,
    SERVER,
    converted,
    document,
    inputs_of,
    node,
    node_type,
    subgraph,
)


def showing(entries, *values, nodes=(), **definition):
    """Return a workflow with an instance whose ``proxyWidgets`` are the entries."""
    made = subgraph("inner", *(nodes or [node(5, "Sample", 11, "fixed", 12)]), **definition)
    instance = node(9, "inner", *values, properties={"proxyWidgets": entries})
    return document(instance, definitions={"subgraphs": [made]})


def inner_value(saved, name, node_id="9:5", **more):
    return inputs_of(saved, node_id=node_id, **more)[name]


@pytest.mark.parametrize(
    ("entries", "values", "seed"),
    [
        pytest.param([["5", "seed"]], [3], 3, id="its-value"),
        pytest.param([["5", "steps"], ["5", "seed"]], [1, 3], 3, id="by-position"),
        pytest.param([[5, "seed"]], [3], 3, id="an-id-that-is-a-number"),
        pytest.param(json.dumps([["5", "seed"]]), [3], 3, id="saved-as-text"),
        pytest.param([["5", "seed"]], [], 11, id="without-a-value-the-inner-one"),
        pytest.param([["5", "seed"]], [None], 11, id="null-is-no-value"),
        pytest.param([["7", "seed"]], [3], 11, id="a-node-that-is-gone"),
        pytest.param([["5", "gone"]], [3], 11, id="a-widget-that-is-gone"),
        pytest.param([["5", "control_after_generate"]], ["fixed"], 11, id="a-widget-without-an-input"),
        pytest.param([["5", "6: 5: seed"]], [3], 3, id="a-name-with-ids-before-it"),
        pytest.param("no JSON", [3], 11, id="damaged-text"),
        pytest.param([["5"], 4, ["5", 6]], [3], 11, id="damaged-entries"),
    ],
)
def test_an_entry_gives_an_inner_widget_its_value(entries, values, seed):
    assert inner_value(showing(entries, *values), "seed") == seed


def test_1_27_takes_no_notice_of_them():
    assert inputs_of(showing([["5", "seed"]], 3), OLD, node_id="9:5")["seed"] == 11


def test_an_entry_whose_widget_has_an_input_already_sets_its_value():
    saved = showing(
        [["5", "seed"]],
        3,
        nodes=[node(5, "Sample", 11, "fixed", 12, widget_links={"seed": 1})],
        links=[(1, -10, 0, 5, 1)],
        inputs={"seed": ("INT", [1])},
    )

    assert inner_value(saved, "seed") == 3


def test_an_entry_of_the_instance_itself_goes_by_name():
    saved = showing(
        [["5", "steps"], ["-1", "seed"]],
        1,
        3,
        nodes=[node(5, "Sample", 11, "fixed", 12, widget_links={"seed": 1})],
        links=[(1, -10, 0, 5, 1)],
        inputs={"seed": ("INT", [1])},
    )

    assert inner_value(saved, "seed") == 3


def test_an_entry_replaces_a_link_between_inner_nodes():
    saved = showing(
        [["5", "seed"]],
        3,
        nodes=[node(4, "Number", 1), node(5, "Sample", 11, "fixed", widget_links={"seed": 1})],
        links=[(1, 4, 0, 5, 1)],
    )

    assert inner_value(saved, "seed") == 3


def test_each_instance_has_its_own_value():
    saved = showing([["5", "seed"]], 3)
    saved["nodes"].append(node(10, "inner", 4, properties={"proxyWidgets": [["5", "seed"]]}))
    saved["nodes"].append(node(11, "inner"))

    assert [entry["inputs"]["seed"] for entry in converted(saved).prompt.values()] == [3, 4, 11]


def test_entries_follow_renumbered_nodes():
    saved = showing([["9", "seed"]], 3, nodes=[node(9, "Sample", 11, "fixed")])

    assert inner_value(saved, "seed", node_id="9:91") == 3


def test_an_entry_reaches_a_widget_of_a_nested_instance():
    nested = subgraph(
        "nested",
        node(7, "Sample", 11, "fixed", widget_links={"seed": 1}),
        links=[(1, -10, 0, 7, 1)],
        inputs={"amount": ("INT", [1])},
    )
    saved = showing([["5", "seed"]], 3, nodes=[node(5, "nested")])
    saved["definitions"]["subgraphs"].append(nested)

    assert inner_value(saved, "seed", node_id="9:5:7") == 3


def test_the_audio_player_is_no_value():
    server = {**SERVER, "LoadAudio": node_type({"audio": [["a"], {"audio_upload": True}]})}
    saved = showing([["5", "audioUI"], ["5", "audio"]], "x", "b", nodes=[node(5, "LoadAudio", "a")])

    assert inputs_of(saved, node_id="9:5", server=server) == {"audio": "b"}


def primitive(kind, slot=1, **more):
    return showing(
        [["4", "value"]],
        3,
        nodes=[
            node(4, "PrimitiveNode", 8, outputs=[{"name": kind, "type": kind, "links": [1]}], **more),
            node(5, "Size", 64, 64, widget_links={"height": 1}),
        ],
        links=[(1, 4, 0, 5, slot)],
    )


def test_an_entry_takes_the_place_of_an_inner_primitive():
    assert inner_value(primitive("INT"), "height") == 3


def test_the_stale_slot_decides_which_input_that_is():
    inputs = inputs_of(primitive("INT", slot=0), node_id="9:5")

    assert inputs == {"width": 3, "height": 8}


def test_a_primitive_of_another_type_stays():
    assert inner_value(primitive("STRING"), "height") == 8


def test_a_primitive_whose_target_is_gone_stays():
    assert inner_value(primitive("INT", slot=9), "height") == 8


@pytest.mark.parametrize(
    ("inner_id", "changed"), [("7", "9:5:7"), ("8", "9:5:8")], ids=["the-first", "the-second"]
)
def test_an_inner_id_says_which_widget_of_a_nested_instance_is_meant(inner_id, changed):
    nested = subgraph(
        "nested",
        node(7, "Sample", 11, "fixed", widget_links={"seed": 1}),
        node(8, "Sample", 11, "fixed", widget_links={"seed": 2}),
        links=[(1, -10, 0, 7, 2), (2, -10, 1, 8, 2)],
        inputs={"one": ("INT", [1]), "two": ("INT", [2])},
    )
    saved = showing([["5", "seed", inner_id]], 3, nodes=[node(5, "nested")])
    saved["definitions"]["subgraphs"].append(nested)

    prompt = converted(saved).prompt

    assert {key: prompt[key]["inputs"]["seed"] for key in ("9:5:7", "9:5:8")} == {
        "9:5:7": 11,
        "9:5:8": 11,
        changed: 3,
    }


def test_nodes_that_rebuild_their_inputs_have_no_stale_slots():
    choices = {"options": [{"key": "on", "inputs": {"required": {"size": ["INT", {"default": 1}]}}}]}
    server = {"Dynamic": node_type({"mode": ["COMFY_DYNAMICCOMBO_V3", choices], "steps": ["INT", {}]})}
    saved = showing(
        [["4", "value"]],
        3,
        nodes=[
            node(4, "PrimitiveNode", 8, outputs=[{"name": "INT", "type": "INT", "links": [1]}]),
            node(5, "Dynamic", "on", 64, 64, widget_links={"mode.size": 1}),
        ],
        links=[(1, 4, 0, 5, 2)],  # the slot of `steps`
    )

    assert inputs_of(saved, node_id="9:5", server=server) == {"mode": "on", "mode.size": 3, "steps": 64}
