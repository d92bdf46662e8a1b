"""Subgraphs of the editor's files are set by their own titles, and the widgets that they show."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.workflow.conversion.editor import SERVER, document, node, subgraph

from comfywire.errors import InvalidParameter, UnknownNode
from comfywire.workflow import Parameter, Parameters, Workflow, parse_setting

# As 0.33.0 describes its nodes; the older front end has rules of its own for nested subgraphs.
NEWER = {name: {**entry, "search_aliases": []} for name, entry in SERVER.items()}


def sampler(**more: Any) -> dict[str, Any]:
    return node(5, "Sample", 11, "fixed", 12, widget_links={"seed": 1, "steps": 2}, **more)


def titled() -> Workflow:
    """Two instances of a subgraph with a sampler and a node that saves, and a plain node."""
    made = subgraph(
        "inner",
        sampler(),
        node(6, "Save", "out", 90, links={"images": 3}),
        links=[(1, -10, 0, 5, 2), (2, -10, 1, 5, 3), (3, 5, 0, 6, 0)],
        inputs={"seed": ("INT", [1]), "steps": ("INT", [2])},
    )
    made["inputs"][1]["label"] = "How often"
    return Workflow.load(
        document(
            node(9, "inner", 3, 4, title="My Sampler"),
            node(10, "inner", 5, 6, title="The other"),
            node(7, "Text", "x"),
            definitions={"subgraphs": [made]},
        ),
        SERVER,
    )


@pytest.mark.parametrize("name", ["My Sampler", "9", 9])
def test_a_subgraph_is_found_by_title_or_id(name):
    found = titled()[name]

    assert (found.id, found.title, found.inputs) == (
        "9",
        "My Sampler",
        {"seed": 3, "steps": 4, "How often": 4},
    )
    assert str(found) == "node 9 (subgraph 'My Sampler')"


def test_what_it_shows_is_set_inside_of_it_alone():
    workflow = titled()

    workflow["My Sampler"].steps = 50
    workflow["The other"]["How often"] = 60

    assert workflow["9:5"].steps == 50
    assert workflow["10:5"].steps == 60
    assert workflow["My Sampler"].steps == 50


@pytest.mark.parametrize("text", ["My Sampler.steps=50", "9.steps=50", "My Sampler.How often=50"])
def test_settings_of_the_command_line_reach_it(text):
    workflow = titled()

    parse_setting(workflow, text).apply()

    assert workflow["9:5"].steps == 50


def test_values_and_parameters_reach_it():
    workflow = titled()
    declared = Parameters({"often": Parameter("often", ("The other.steps",), "int")})

    direct = workflow.bind({"My Sampler.steps": "50", "9.seed": "random"}, new_seed=lambda: 77)
    by_name = workflow.bind({"often": 60}, declared)

    assert direct.workflow["9:5"].steps == 50
    assert (direct.workflow["9:5"].seed, direct.values["9.seed"]) == (77, 77)
    assert by_name.workflow["10:5"].steps == 60
    assert workflow["9:5"].steps == 4


def test_its_outputs_are_called_by_its_title():
    workflow = titled()

    assert workflow.parameters().select_outputs(workflow, "My Sampler") == ["9:6"]
    assert workflow.parameters().select_outputs(workflow, ["10"]) == ["10:6"]
    assert Parameters({}, {"final": ("The other",)}).select_outputs(workflow, "final") == ["10:6"]


def test_two_values_for_one_widget_are_refused():
    with pytest.raises(InvalidParameter, match="are both given"):
        titled().bind({"My Sampler.steps": 1, "9:5.steps": 2})


@pytest.mark.parametrize("value", ["x", 0.5], ids=["text", "fraction"])
def test_a_value_is_checked_by_the_node_inside(value):
    with pytest.raises(InvalidParameter, match="steps"):
        titled().bind({"My Sampler.steps": value})


def test_what_it_does_not_show_is_refused_with_the_nearest():
    workflow = titled()

    with pytest.raises(InvalidParameter, match="has no input 'step'; did you mean 'steps'"):
        workflow["My Sampler"].step = 5
    with pytest.raises(UnknownNode, match="My Sampler"):
        workflow["My Sampel"]
    with pytest.raises(InvalidParameter, match="is not in the prompt"):
        workflow["My Sampler"].output(0)
    with pytest.raises(InvalidParameter, match="cannot be taken away"):
        del workflow["My Sampler"].steps


def test_a_nodes_own_title_comes_first():
    made = subgraph("inner", sampler(title="Same"), links=[(1, -10, 0, 5, 2)], inputs={"seed": ("INT", [1])})
    saved = document(node(9, "inner", 3, title="Same"), definitions={"subgraphs": [made]})

    assert Workflow.load(saved, SERVER)["Same"].id == "9:5"


def test_a_subgraph_in_a_subgraph_is_set_by_either_title():
    leaf = subgraph("leaf", sampler(), links=[(1, -10, 0, 5, 2)], inputs={"seed": ("INT", [1])})
    middle = subgraph(
        "middle",
        node(3, "leaf", 21, title="Leaf", widget_links={"seed": 1}),
        links=[(1, -10, 0, 3, 0)],
        inputs={"outer seed": ("INT", [1])},
    )
    saved = document(node(9, "middle", 31, title="Middle"), definitions={"subgraphs": [middle, leaf]})
    workflow = Workflow.load(saved, NEWER)
    assert workflow["9:3:5"].seed == 31

    workflow["Middle"]["outer seed"] = 41
    assert workflow["Leaf"].seed == 41
    workflow["9:3"].seed = 51
    assert workflow["9:3:5"].seed == workflow["Middle"]["outer seed"] == 51


def test_a_copy_and_another_catalogue_keep_them():
    workflow = titled()
    node_of = copy.copy(workflow["My Sampler"])

    for other in (workflow.copy(), workflow.described_by(SERVER), workflow.without("7")):
        other["My Sampler"].steps = 99
        assert other["9:5"].steps == 99
    assert (workflow["9:5"].steps, node_of.steps) == (4, 4)
