import copy
import math
from pathlib import Path

import pytest

from comfywire.errors import InvalidParameter, UnknownNode
from comfywire.workflow import Workflow

OBJECT_INFO = {
    "KSampler": {
        "input": {
            "required": {"seed": ["INT", {"min": 0}], "steps": ["INT", {}], "model": ["MODEL"]},
            "optional": {"denoise": ["FLOAT", {}]},
        },
        "output": ["LATENT"],
    },
    "Loader": {
        "input": {"required": {}},
        "output": ["MODEL", "CLIP", "MASK", "MASK"],
        "output_name": ["MODEL", "clip model", "inner", "outer"],
    },
    "Dynamic": {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", {}]}}, "output": []},
}


@pytest.fixture
def workflow():
    prompt = {
        "1": {"class_type": "Loader", "inputs": {}},
        "3": {"class_type": "KSampler", "inputs": {"seed": 1, "odd name": 2, "title": "t"}},
        "4": {"class_type": "Unknown", "inputs": {"x": 1}, "_meta": {"title": "Mine"}},
        "5": {"class_type": "Dynamic", "inputs": {}},
    }
    return Workflow(prompt, object_info=OBJECT_INFO)


def test_an_input_is_an_attribute_that_changes_the_prompt(workflow):
    workflow["KSampler"].seed = 42

    assert workflow["KSampler"].seed == 42
    assert workflow.prompt["3"]["inputs"]["seed"] == 42


def test_an_item_reaches_names_that_are_no_attributes(workflow):
    workflow["3"]["odd name"] = 3
    workflow["3"]["title"] = "other"

    assert (workflow["3"]["odd name"], workflow["3"]["title"]) == (3, "other")
    assert workflow["3"].title == "KSampler"


def test_an_input_that_only_object_info_knows_may_be_set(workflow):
    workflow["KSampler"].denoise = 0.5

    assert workflow.prompt["3"]["inputs"]["denoise"] == 0.5


def test_a_dynamic_input_takes_children(workflow):
    workflow["5"]["images.image0"] = workflow["1"].output(0)

    assert workflow.prompt["5"]["inputs"] == {"images.image0": ["1", 0]}


def test_inputs_of_a_node_without_any_can_be_set():
    workflow = Workflow({"3": {"class_type": "KSampler"}}, object_info=OBJECT_INFO)

    workflow["3"].seed = 1

    assert workflow.prompt == {"3": {"class_type": "KSampler", "inputs": {"seed": 1}}}


@pytest.mark.parametrize(
    ("node", "name", "message"),
    [
        pytest.param(
            "3", "sede", "node 3 (KSampler) has no input 'sede'; did you mean 'seed'?", id="a-near-match"
        ),
        pytest.param(
            "3",
            "denoize",
            "node 3 (KSampler) has no input 'denoize'; did you mean 'denoise'?",
            id="not-set-yet",
        ),
        pytest.param(
            "4", "qqqq", "node 4 (Unknown 'Mine') has no input 'qqqq'; it has x", id="nothing-like-it"
        ),
        pytest.param("1", "q", "node 1 (Loader) has no input 'q'; it has no inputs", id="no-inputs"),
    ],
)
def test_an_unknown_input_is_refused_with_near_matches(workflow, node, name, message):
    with pytest.raises(InvalidParameter) as raised:
        setattr(workflow[node], name, 1)

    assert str(raised.value) == message
    assert name not in workflow.prompt[node]["inputs"]


def test_reading_an_input_without_a_value_raises(workflow):
    with pytest.raises(InvalidParameter, match="has no value for 'steps'"):
        _ = workflow["3"].steps


def test_hasattr_tells_whether_an_input_has_a_value(workflow):
    assert hasattr(workflow["3"], "seed")
    assert not hasattr(workflow["3"], "steps")
    assert not hasattr(workflow["3"], "_repr_html_")


def test_an_input_can_be_taken_away(workflow):
    del workflow["3"].seed

    assert "seed" not in workflow["3"]
    with pytest.raises(InvalidParameter, match="has no value for 'seed'"):
        del workflow["3"]["seed"]


@pytest.mark.parametrize("name", ["id", "class_type", "title", "inputs"])
def test_what_a_node_is_cannot_be_assigned(workflow, name):
    with pytest.raises(AttributeError, match="read-only"):
        setattr(workflow["3"], name, "x")


@pytest.mark.parametrize(
    ("slot", "link"),
    [
        pytest.param(1, ["1", 1], id="a-position"),
        pytest.param("clip model", ["1", 1], id="a-name"),
        pytest.param("CLIP", ["1", 1], id="a-type-that-one-output-has"),
        pytest.param("outer", ["1", 3], id="a-name-among-outputs-of-one-type"),
    ],
)
def test_a_link_is_made_from_an_output(workflow, slot, link):
    workflow["3"].model = workflow["1"].output(slot)

    assert workflow["3"].model == link


@pytest.mark.parametrize(
    ("node", "slot", "message"),
    [
        pytest.param(
            "1", "MASK", "no single output 'MASK'; its outputs are 0 'MODEL', 1 'clip model'", id="two"
        ),
        pytest.param("1", "IMAGE", "no single output 'IMAGE'", id="none"),
        pytest.param("4", "IMAGE", "outputs of 'Unknown' are not known", id="unknown-type"),
    ],
)
def test_an_output_that_cannot_be_told_raises(workflow, node, slot, message):
    with pytest.raises(InvalidParameter, match=message):
        workflow[node].output(slot)


def test_ids_in_links_become_texts(workflow):
    workflow["3"].model = (1, 0)

    assert workflow["3"].model == ["1", 0]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(["99", 0], id="a-link-to-nowhere"),
        pytest.param([512, 512], id="a-list-of-two-that-the-server-takes-for-a-link"),
        pytest.param(["1", True], id="a-slot-that-is-no-number"),
        pytest.param(Path("x"), id="an-object"),
        pytest.param({"a": {1: 2}}, id="a-key-that-is-no-text"),
        pytest.param([object()], id="a-list-of-objects"),
    ],
)
def test_a_value_that_no_prompt_can_carry_is_refused(workflow, value):
    with pytest.raises(InvalidParameter, match=r"node 3 \(KSampler\): 'seed' is given"):
        workflow["3"].seed = value


def test_assigning_a_node_says_how_to_name_its_output(workflow):
    with pytest.raises(InvalidParameter, match=r"node.output\(0\)"):
        workflow["3"].model = workflow["1"]


@pytest.mark.parametrize("value", [None, 1.5, math.inf, [1, 2, 3], {"__value__": [1, 2]}, "text", True])
def test_json_values_are_taken_as_they_are(workflow, value):
    workflow["4"].x = value

    assert workflow["4"].x == value


def test_a_node_survives_copy_but_not_removal(workflow):
    node = workflow["3"]
    assert copy.copy(node).id == "3"

    del workflow.prompt["3"]

    with pytest.raises(UnknownNode, match="no longer"):
        _ = node.seed


def test_nodes_are_equal_when_they_are_the_same_place(workflow):
    assert workflow["3"] == workflow["KSampler"]
    assert workflow["3"] != workflow["1"]
    assert len({workflow["3"], workflow["KSampler"]}) == 1


def test_a_node_shows_itself(workflow):
    assert repr(workflow["4"]) == "<node 4 (Unknown 'Mine'): x>"
    assert repr(workflow["1"]) == "<node 1 (Loader): no inputs>"
    assert {"seed", "title", "output"} <= set(dir(workflow["3"]))
    assert "odd name" not in dir(workflow["3"])


DYNAMIC = {
    "Resize": {
        "input": {"required": {"kind": ["COMFY_DYNAMICCOMBO_V3", {"options": [
            {"key": "by size", "inputs": {"required": {"width": ["INT", {"max": 99}], "crop": [
                "COMFY_DYNAMICCOMBO_V3", {"options": [
                    {"key": "middle", "inputs": {"required": {"edge": ["FLOAT", {"max": 1.0}]}}},
                ]},
            ]}}},
            {"key": "by factor", "inputs": {"required": {"factor": ["FLOAT", {}]}}},
        ]}]}},
        "output": ["IMAGE"],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind", "most"),
    [
        pytest.param("kind.width", "INT", 99, id="of-the-choice-made"),
        pytest.param("kind.crop.edge", "FLOAT", 1.0, id="of-a-choice-inside"),
        pytest.param("kind.factor", "*", None, id="of-another-choice"),
        pytest.param("kind.crop.width", "*", None, id="of-no-choice"),
    ],
)
def test_what_a_dynamic_combo_brings_is_known_by_the_choice_made(name, kind, most):
    inputs = {"kind": "by size", "kind.width": 5, "kind.crop": "middle", "kind.crop.edge": 0.5}
    workflow = Workflow({"1": {"class_type": "Resize", "inputs": inputs}}, object_info=DYNAMIC)

    spec = workflow["1"].spec(name)

    assert spec is not None
    assert (spec.name, spec.type, spec.maximum) == (name, kind, most)


def test_a_choice_of_other_values_brings_nothing():
    workflow = Workflow({"1": {"class_type": "Resize", "inputs": {"kind": ["2", 0]}}}, object_info=DYNAMIC)

    spec = workflow["1"].spec("kind.width")

    assert spec is not None
    assert spec.type == "*"


@pytest.mark.parametrize(("choice", "index"), [("c", 2), ("", -1), ("new", -1)])
def test_a_custom_combos_index_follows_its_choice(choice, index):
    inputs = {"choice": "a", "index": 0, "option1": "a", "option2": "b", "option3": "c", "option4": ""}
    workflow = Workflow({"1": {"class_type": "CustomCombo", "inputs": inputs}})

    workflow["1"]["choice"] = choice

    assert workflow["1"]["index"] == index
