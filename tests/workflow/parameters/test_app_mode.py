"""What authors chose in the editor's App mode. What the editor's page shows of 54 files is in ../shared."""

import json
from pathlib import Path

import pytest

from comfywire.workflow import Workflow
from comfywire.workflow.parameters.app_mode import opens_in_app_mode

SHARED = Path(__file__).parents[4] / "shared" / "app-mode"
TRUTHS = sorted(SHARED.glob("*/*.truth.json"))
NO_FORM_THERE = {"c40_null_entry"}  # the page cannot load the file at all, for one pick that is null
NO_OUTPUT = {("c22_output_forms", "1")}  # an EmptyImage: a job of it alone would be refused


def name_of(path: Path) -> str:
    return path.name.removesuffix(".truth.json")


@pytest.fixture(scope="module", params=TRUTHS or [SHARED], ids=name_of)
def pair(request):
    if request.param is SHARED:
        pytest.skip("../shared/app-mode is not here: it holds other people's workflows")
    path = request.param
    saved = path.with_name(f"{name_of(path)}.json").read_bytes()
    return name_of(path), json.loads(path.read_text()), Workflow.load(saved).parameters()


def test_the_form_has_what_the_editor_shows_in_order(pair):
    name, truth, parameters = pair
    shown = {
        tuple(f"{place['node']}.{place['input']}" for place in row["prompt_inputs"]): row["label"]
        for row in reversed(truth["inputs"] or [])  # of a pick that stands twice, the first place counts
    }
    wanted = {places: label for places, label in reversed(shown.items()) if places}

    chosen = {parameter.inputs: parameter.label for parameter in parameters if parameter.label}

    assert name in NO_FORM_THERE or list(chosen.items()) == list(wanted.items())
    assert not chosen or len(chosen) == len(parameters)


def test_values_and_limits_are_those_of_the_editor(pair):
    _, truth, parameters = pair
    rows = {row["label"]: row for row in truth["inputs"] or [] if row["prompt_inputs"]}

    for parameter in parameters:
        row = rows.get(parameter.label)
        if row is not None and len(rows) == len(parameters):
            assert parameter.default == row["value"]
            limits = row.get("limits", {})
            if parameter.type in {"int", "float"}:
                assert (parameter.minimum, parameter.maximum) == (limits["min"], limits["max"])


def test_outputs_are_those_of_the_author_in_order(pair):
    name, truth, parameters = pair
    wanted = [node for node in dict.fromkeys(truth["outputs"] or []) if (name, node) not in NO_OUTPUT]

    found = [node for nodes in parameters.outputs.values() for node in nodes if ":" not in node]

    assert not wanted or found == wanted


# --- of our own ---------------------------------------------------------------------------------------------

OBJECT_INFO = {
    "Draw": {
        "input": {"required": {
            "text": ["STRING", {"multiline": True, "tooltip": "What."}],
            "width": ["INT", {"min": 1, "max": 99}],
            "kind": ["COMFY_DYNAMICCOMBO_V3", {"options": [
                {"key": "large", "inputs": {"required": {"size": ["INT", {"min": 5, "max": 6}]}}},
                {"key": "small", "inputs": {}},
            ]}],
        }},
        "output": ["IMAGE"],
        "search_aliases": None,  # by which servers newer than 0.3.64 are known
    },
    "CustomCombo": {
        "input": {"required": {"choice": ["COMBO", {"options": []}]}}, "output": ["STRING", "INT"],
    },
    "Save": {"input": {"required": {"images": ["IMAGE"]}}, "output": [], "output_node": True},
}  # fmt: skip


def slot(name: str, link: int | None = None, **more) -> dict:
    return {"name": name, "type": "*", "widget": {"name": name}, "link": link, **more}


def document(picks: object, outputs: object = (2,), *, nodes=(), links=(), **draw) -> dict:
    plain = {"id": 1, "type": "Draw", "mode": 0, "outputs": [], "widgets_values": ["a cat", 9, "large", 5]}
    save = {"id": 2, "type": "Save", "mode": 0, "title": "Final", "inputs": [{"name": "images", "link": 1}]}
    shown = {"id": 3, "type": "Save", "mode": 0, "title": "Draft", "inputs": [{"name": "images", "link": 2}]}
    chosen = {"inputs": picks, "outputs": list(outputs) if isinstance(outputs, tuple) else outputs}
    return {
        "nodes": [{**plain, **draw}, save, shown, *nodes],
        "links": [[1, 1, 0, 2, 0, "IMAGE"], [2, 1, 0, 3, 0, "IMAGE"], *links],
        "version": 0.4,
        "extra": {"linearData": chosen},
    }


def parameters(*args, **kwargs):
    return Workflow.load(document(*args, **kwargs), object_info=OBJECT_INFO).parameters()


def test_the_author_s_inputs_are_the_parameters_in_the_author_s_order():
    found = parameters([[1, "width", {"description": "In pixels."}], ["1", "text"]])

    assert [(each.name, each.label, each.inputs, each.role, each.group) for each in found] == [
        ("width", "width", ("1.width",), "width", ""),
        ("prompt", "text", ("1.text",), "prompt", ""),
    ]
    assert [each.help for each in found] == ["In pixels.", "What."]


def test_a_label_names_the_parameter_and_what_it_drives_tells_its_role():
    found = parameters(
        [[1, "text"], [1, "width"]], inputs=[slot("text", label="描述"), slot("width", label="Wide!")]
    )

    assert [(each.name, each.label, each.role) for each in found] == [
        ("prompt", "描述", "prompt"),
        ("wide", "Wide!", "width"),
    ]


def test_only_the_author_s_outputs_are_named():
    assert parameters([[1, "text"]], (3, "3", 99, None, 1, 1.5, True)).outputs == {"draft": ("3",)}


def test_without_an_output_that_is_there_all_are_named():
    assert parameters([[1, "text"]], (99,)).outputs == {"final": ("2",), "draft": ("3",)}


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        pytest.param([[1, "text"]], (), id="no-output-chosen"),
        pytest.param([[1, "text"]], None, id="no-list-of-outputs"),
        pytest.param([[1, "text"]], (True, None, 1.5, ""), id="outputs-that-are-no-ids"),
        pytest.param({"0": [1, "text"]}, (2,), id="no-list-of-inputs"),
        pytest.param([[9, "text"]], (2,), id="a-node-that-is-not-there"),
        pytest.param([[1, "nothing"]], (2,), id="an-input-that-is-not-there"),
        pytest.param(
            [None, 5, [], [1], [None, "text"], [True, "text"], [1.5, "text"], ["", "text"]], (2,), id="junk"
        ),
        pytest.param(
            [["1:text", "text"], ["a:b:c:d", "text"], ["::", "text"], [":1", "text"]], (2,), id="odd-ids"
        ),
        pytest.param([["x:1:width:2", "width"], ["x:9:width", "width"]], (2,), id="widget-ids-of-nothing"),
    ],
)
def test_without_a_choice_that_counts_the_usual_inputs_are_taken(inputs, outputs):
    found = parameters(inputs, outputs)

    assert {each.label for each in found} == {""}
    assert found["prompt"].inputs == ("1.text",)


@pytest.mark.parametrize("data", [None, [], "x", {"inputs": 5, "outputs": 5}])
def test_damaged_choices_are_no_choices(data):
    saved = {**document([]), "extra": {"linearData": data}}

    assert {each.label for each in Workflow.load(saved, object_info=OBJECT_INFO).parameters()} == {""}


def test_a_whole_number_may_be_written_with_a_point():
    assert [each.inputs for each in parameters([[1.0, "text"]], (2.0,))] == [("1.text",)]


def test_a_widget_id_names_node_and_widget_whatever_stands_behind_it():
    found = parameters([["some-graph:1:te%78t", "width"]])

    assert [each.inputs for each in found] == [("1.text",)]


@pytest.mark.parametrize(("mode", "opens"), [(True, True), (False, False), ("true", False), (None, False)])
def test_only_a_mode_that_is_true_opens_as_an_app(mode, opens):
    saved = document([[1, "text"]])
    saved["extra"]["linearMode"] = mode

    assert opens_in_app_mode(Workflow.load(saved, object_info=OBJECT_INFO)) is opens


def test_one_input_is_asked_for_once():
    assert len(parameters([[1, "text"], ["1", "text"], ["g:1:text", "text"], [1, "width"]])) == 2


def test_an_input_that_is_linked_is_left_out():
    primitive = {"id": 4, "type": "PrimitiveNode", "mode": 0, "widgets_values": [7, "fixed"],
                 "outputs": [{"name": "INT", "type": "INT", "links": [3]}]}  # fmt: skip
    more = {"nodes": [primitive], "links": [[3, 4, 0, 1, 0, "INT"]], "inputs": [slot("width", 3)]}

    assert [each.inputs for each in parameters([[1, "text"], [1, "width"]], **more)] == [("1.text",)]


def test_a_primitive_s_value_is_what_it_feeds():
    primitive = {"id": 4, "type": "PrimitiveNode", "mode": 0, "widgets_values": [7, "fixed"],
                 "outputs": [{"name": "INT", "type": "INT", "links": [3]}]}  # fmt: skip
    more = {"nodes": [primitive], "links": [[3, 4, 0, 1, 0, "INT"]], "inputs": [slot("width", 3)]}

    (found,) = parameters([[4, "value"]], **more)

    assert (found.inputs, found.type, found.default, found.maximum) == (("1.width",), "int", 7, 99)


def test_a_node_that_is_off_has_nothing_to_set():
    assert {each.label for each in parameters([[1, "text"]], mode=2)} == set()


def test_titles_that_declare_parameters_come_first():
    assert [*parameters([[1, "width"]], title="$idea.text").by_name] == ["idea"]


def test_what_a_dynamic_combo_brings_has_its_own_limits():
    kind, size = parameters([[1, "kind"], [1, "kind.size"]])

    assert (kind.type, kind.choices, kind.default) == ("choice", ("large", "small"), "large")
    assert (size.label, size.type, size.minimum, size.maximum) == ("size", "int", 5, 6)


def test_a_custom_combo_offers_its_options_and_moves_its_index():
    combo = {"id": 4, "type": "CustomCombo", "mode": 0, "widgets_values": ["b", 1, "a", "b", ""]}
    workflow = Workflow.load(document([[4, "choice"]], nodes=[combo]), object_info=OBJECT_INFO)

    (choice,) = workflow.parameters()
    bound = workflow.bind({choice.name: "a"}).workflow

    assert (choice.type, choice.choices, choice.default) == ("choice", ("a", "b"), "b")
    assert (bound["4"].choice, bound["4"]["index"]) == ("a", 0)


# --- subgraphs ----------------------------------------------------------------------------------------------

INNER = {
    "id": "5a000000-0000-4000-8000-00000000000a",
    "name": "Drawing",
    "nodes": [{"id": 20, "type": "Draw", "mode": 0, "inputs": [slot("width", 1)],
               "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [2]}],
               "widgets_values": ["a cat", 9, "large", 5]}],
    "links": [
        {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 20, "target_slot": 0, "type": "INT"},
        {"id": 2, "origin_id": 20, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "IMAGE"},
    ],
    "inputs": [{"name": "breadth", "type": "INT", "label": "Breite", "linkIds": [1]}],
    "outputs": [{"name": "IMAGE", "type": "IMAGE", "linkIds": [2]}],
}  # fmt: skip


def inside(picks: list, *hosts: dict):
    saved = [{"type": INNER["id"], "mode": 0, "inputs": [slot("breadth")], "widgets_values": [33], **host}
             for host in hosts]  # fmt: skip
    shown = document(picks, nodes=saved)
    return Workflow.load(
        {**shown, "definitions": {"subgraphs": [INNER]}}, object_info=OBJECT_INFO
    ).parameters()


@pytest.mark.parametrize(
    "pick",
    [
        pytest.param([11, "breadth"], id="the-instance-and-its-input"),
        pytest.param([20, "width"], id="the-node-inside"),
        pytest.param(["9a000000-0000-4000-8000-000000000001:11", "breadth"], id="a-locator"),
        pytest.param(["g:11:breadth", ""], id="a-widget-id"),
    ],
)
def test_a_widget_of_a_node_inside_is_shown_by_its_instance(pick):
    (found,) = inside([pick], {"id": 11})

    assert (found.name, found.label, found.inputs, found.default) == (
        "breite",
        "Breite",
        ("11:20.width",),
        33,
    )


def test_a_node_inside_of_two_instances_is_none():
    labels = {each.label for each in inside([[20, "width"], [12, "breadth"]], {"id": 11}, {"id": 12})}

    assert labels == {"Breite"}
    assert [each.inputs for each in inside([[20, "width"], [12, "breadth"]], {"id": 11}, {"id": 12})] == [
        ("12:20.width",)
    ]


@pytest.mark.parametrize("pick", [[20, "text"], [11, "width"], ["11:20", "width"], ["11:20:width", "width"]])
def test_what_no_instance_shows_is_left_out(pick):
    assert {each.label for each in inside([pick], {"id": 11})} == {""}


def test_a_widget_that_an_old_file_promotes_is_shown():
    properties = {"proxyWidgets": [["20", "text"]]}
    host = {"id": 11, "properties": properties, "inputs": [], "widgets_values": []}

    (found,) = inside([[20, "text"]], host)

    assert (found.name, found.label, found.default) == ("prompt", "text", "a cat")
    assert found.inputs == ("11:20.text",)
