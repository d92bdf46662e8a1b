import pytest
from tests.workflow.conversion.editor import BOTH, NEW, OLD, converted, document, inputs_of, node, subgraph

from comfywire.workflow.conversion.subgraphs import find_definitions, leaves_first, renumber, saved_nodes


def promoting(*instances, inner=None, links=(), nodes=()):
    """Return a workflow of instances of a subgraph that shows the seed and the steps of its Sample node 5."""
    sample = inner or node(5, "Sample", 11, "fixed", 12, widget_links={"seed": 1, "steps": 2})
    made = subgraph(
        "inner",
        sample,
        links=[(1, -10, 0, 5, 2), (2, -10, 1, 5, 3)],
        inputs={"seed": ("INT", [1]), "steps": ("INT", [2])},
    )
    return document(*nodes, *instances, links=links, definitions={"subgraphs": [made]})


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_nodes_of_a_subgraph_are_sent_once_for_each_instance(profile):
    prompt = converted(promoting(node(9, "inner"), node(10, "inner")), profile).prompt

    assert list(prompt) == ["9:5", "10:5"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([], (11, 12), id="the-inner-node's"),
        pytest.param([3], (3, 12), id="by-position"),
        pytest.param([3, 4, 5], (3, 4), id="surplus"),
        pytest.param([None, 4], (None, 4), id="null-is-a-value"),
    ],
)
def test_an_instance_has_values_of_its_own(values, expected):
    inputs = inputs_of(promoting(node(9, "inner", widgets_values=values)), node_id="9:5")

    assert (inputs["seed"], inputs["steps"]) == expected


def test_instances_do_not_share_their_values():
    prompt = converted(promoting(node(9, "inner", 1), node(10, "inner", 2))).prompt

    assert (prompt["9:5"]["inputs"]["seed"], prompt["10:5"]["inputs"]["seed"]) == (1, 2)


def test_a_link_from_outside_goes_before_the_instance_s_value():
    saved = promoting(
        node(9, "inner", 3, 4, widget_links={"seed": 7}),
        nodes=[node(2, "Number", 1)],
        links=[(7, 2, 0, 9, 0)],
    )

    inputs = inputs_of(saved, node_id="9:5")

    assert (inputs["seed"], inputs["steps"]) == (["2", 0], 4)


def test_1_27_finds_promoted_widgets_by_the_stale_slot_of_the_link():
    # The link of `steps` says slot 2, which is that of `seed` once the node has all its inputs.
    sample = node(5, "Sample", 11, "fixed", 12, widget_links={"seed": 1, "steps": 2})
    saved = promoting(node(9, "inner"), inner=sample)
    saved["definitions"]["subgraphs"][0]["links"][1]["target_slot"] = 2

    assert inputs_of(saved, OLD, node_id="9:5")["steps"] == 11
    assert inputs_of(saved, NEW, node_id="9:5")["steps"] == 12


def test_1_27_shares_texts_of_several_lines_among_instances():
    made = subgraph(
        "inner",
        node(5, "Text", "own", widget_links={"text": 1}),
        links=[(1, -10, 0, 5, 0)],
        inputs={"text": ("STRING", [1])},
    )
    saved = document(node(9, "inner", "one"), node(10, "inner", "two"), definitions={"subgraphs": [made]})

    assert [entry["inputs"]["text"] for entry in converted(saved, OLD).prompt.values()] == ["two", "two"]
    assert [entry["inputs"]["text"] for entry in converted(saved, NEW).prompt.values()] == ["one", "two"]


def nested(*values):
    inner = subgraph(
        "inner",
        node(5, "Sample", 11, "fixed", widget_links={"seed": 1}),
        links=[(1, -10, 0, 5, 2)],
        inputs={"seed": ("INT", [1])},
    )
    outer = subgraph(
        "outer",
        node(6, "inner", 33, widget_links={"seed": 1}),
        links=[(1, -10, 0, 6, 0)],
        inputs={"seed": ("INT", [1])},
    )
    return document(node(9, "outer", *values), definitions={"subgraphs": [outer, inner]})


@pytest.mark.parametrize(
    ("values", "expected"),
    [pytest.param([], 33, id="the-nested-one's"), pytest.param([44], 44, id="the-outermost's")],
)
def test_the_value_of_the_outermost_instance_counts(values, expected):
    assert inputs_of(nested(*values), node_id="9:6:5")["seed"] == expected


def test_1_27_loses_widgets_of_definitions_that_come_later():
    assert inputs_of(nested(44), OLD, node_id="9:6:5")["seed"] == 11


@pytest.mark.parametrize("mode", [2, 4], ids=["muted", "bypassed"])
@pytest.mark.parametrize(("profile", "sent"), [(NEW, []), (OLD, ["9:5"])], ids=["1.49", "1.27"])
def test_the_inside_of_an_instance_that_is_off(mode, profile, sent):
    assert list(converted(promoting(node(9, "inner", mode=mode)), profile).prompt) == sent


def test_the_inside_of_a_nested_instance_that_is_off_is_sent():
    saved = nested()
    saved["definitions"]["subgraphs"][0]["nodes"][0]["mode"] = 2

    assert list(converted(saved).prompt) == ["9:6:5"]


def two_slots_of_one_name():
    made = subgraph(
        "inner",
        node(5, "Sample", 11, "fixed", 12, widget_links={"seed": 1, "steps": 2}),
        links=[(1, -10, 0, 5, 1), (2, -10, 1, 5, 2)],
    )
    made["inputs"] = [
        {"name": "it", "type": "INT", "linkIds": [1]},
        {"name": "it", "type": "INT", "linkIds": [2]},
    ]
    instance = node(9, "inner")
    instance["inputs"] = [{"name": "it", "type": "INT", "link": 7}, {"name": "it", "type": "INT", "link": 8}]
    return document(
        node(2, "Number", 1),
        node(3, "Number", 1),
        instance,
        links=[(7, 2, 0, 9, 0), (8, 3, 0, 9, 1)],
        definitions={"subgraphs": [made]},
    )


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        pytest.param(NEW, (["2", 0], ["3", 0]), id="1.49-in-order"),
        pytest.param(OLD, (["3", 0], ["3", 0]), id="1.27-the-last"),
    ],
)
def test_inputs_of_one_name(profile, expected):
    inputs = inputs_of(two_slots_of_one_name(), profile, node_id="9:5")

    assert (inputs["seed"], inputs["steps"]) == expected


def renumbered(saved: dict) -> dict[str, dict[int, int]]:
    definitions = find_definitions(saved)
    return renumber(saved, saved_nodes(saved), {key: saved_nodes(made) for key, made in definitions.items()})


def test_inner_ids_that_are_taken_are_renumbered():
    made = [
        subgraph("one", node(3, "Load"), node(4, "Load")),
        subgraph("two", node(4, "Load"), node(95, "Load")),
    ]
    saved = document(node(3, "one"), node(9, "two"), definitions={"subgraphs": made})

    assert renumbered(saved) == {"one": {3: 91}, "two": {4: 92}}
    assert list(converted(saved).prompt) == ["3:91", "3:4", "9:92", "9:95"]
    assert list(converted(saved, OLD).prompt) == ["3:3", "3:4", "9:4", "9:95"]


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        pytest.param({"last_node_id": 50}, 51, id="schema-0.4"),
        pytest.param({"last_node_id": 0, "state": {"lastNodeId": 60}}, 61, id="schema-1"),
        pytest.param({"last_node_id": "?"}, 4, id="the-largest-id-where-there-is-none"),
    ],
)
def test_new_ids_follow_the_file_s_counter(counters, expected):
    saved = document(
        node(3, "one"), definitions={"subgraphs": [subgraph("one", node(3, "Load"))]}, **counters
    )

    assert renumbered(saved) == {"one": {3: expected}}


def test_links_follow_a_renumbered_node():
    made = subgraph(
        "one",
        node(3, "Load"),
        node(4, "Save", links={"images": 1}),
        links=[(1, 3, 0, 4, 0)],
    )
    saved = document(node(3, "one"), definitions={"subgraphs": [made]})

    assert inputs_of(saved, node_id="3:4")["images"] == ["3:91", 0]


def test_definitions_are_loaded_after_those_they_use():
    definitions = {
        "outer": subgraph("outer", node(1, "middle"), node(2, "inner")),
        "middle": subgraph("middle", node(3, "inner")),
        "inner": subgraph("inner", node(4, "Load")),
    }

    assert leaves_first({name: saved_nodes(made) for name, made in definitions.items()}) == [
        "inner",
        "middle",
        "outer",
    ]


def test_slots_without_a_list_of_links_are_found_by_the_links():
    saved = promoting(node(9, "inner", 3))
    for slot in saved["definitions"]["subgraphs"][0]["inputs"]:
        del slot["linkIds"]

    assert inputs_of(saved, node_id="9:5")["seed"] == 3


def test_definitions_inside_definitions_are_found():
    inner = subgraph("inner", node(5, "Load"))
    outer = {**subgraph("outer", node(6, "inner")), "definitions": {"subgraphs": [inner]}}

    assert list(converted(document(node(9, "outer"), definitions={"subgraphs": [outer]})).prompt) == ["9:6:5"]


def test_inputs_of_one_name_are_told_apart_by_type():
    saved = two_slots_of_one_name()
    saved["definitions"]["subgraphs"][0]["inputs"][1]["type"] = "FLOAT"
    saved["nodes"][2]["inputs"][0]["type"] = "FLOAT"

    inputs = inputs_of(saved, node_id="9:5")

    assert (inputs["seed"], inputs["steps"]) == (["3", 0], ["2", 0])


def test_values_of_an_instance_that_are_too_many_are_named_at_the_nodes_that_got_them():
    done = converted(promoting(node(9, "inner", 3, 20, "gone")))

    (warning,) = done.warnings
    assert warning.startswith("node 9:5 (Sample): node 9 has 3 values for 2 inputs of its subgraph")
