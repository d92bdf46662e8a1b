import pytest

from comfywire.workflow.catalogues.packaged import packaged
from comfywire.workflow.object_info import Input, ObjectInfo, OutputSlot, parse_input, parse_inputs

RAW = {
    "Sampler": {
        "input": {
            "required": {
                "model": ["MODEL"],
                "steps": ["INT", {"default": 20, "min": 1, "max": 9, "step": 2}],
            },
            "optional": {"name": [["a", "b"], {"tooltip": "which"}]},
            "hidden": {"prompt": "PROMPT"},
        },
        "input_order": {"required": ["steps", "model"], "optional": ["name"]},
        "output": ["LATENT", ["x", "y"]],
        "output_name": ["latent"],
        "output_is_list": [False, True],
        "display_name": "A sampler",
        "description": "Samples.",
        "category": "sampling",
        "python_module": "nodes",
        "output_node": True,
        "deprecated": True,
        "experimental": True,
        "api_node": True,
    },
    "Bare": {"name": "Bare"},
    "Damaged": 5,
}


@pytest.fixture
def object_info():
    return ObjectInfo(RAW)


def test_a_node_type_has_what_the_server_says(object_info):
    made = object_info["Sampler"]

    assert (made.display_name, made.description, made.category) == ("A sampler", "Samples.", "sampling")
    assert (made.python_module, made.class_type) == ("nodes", "Sampler")
    assert made.is_output_node
    assert made.is_deprecated
    assert made.is_experimental
    assert made.is_api_node


def test_a_node_type_of_which_the_server_says_little(object_info):
    made = object_info["Bare"]

    assert (made.display_name, made.category, made.inputs, made.outputs) == ("Bare", "", {}, ())
    assert not made.is_output_node


def test_inputs_stand_in_the_server_s_order(object_info):
    assert list(object_info["Sampler"].inputs) == ["steps", "model", "name"]


def test_inputs_that_the_order_lacks_come_last():
    sections = {"required": {"a": ["INT"], "b": ["INT"]}, "optional": {"c": ["INT"]}}

    assert list(parse_inputs(sections, {"required": ["b"]})) == ["b", "a", "c"]


def test_outputs_have_names_types_and_say_whether_they_are_lists(object_info):
    assert object_info["Sampler"].outputs == (
        OutputSlot("latent", "LATENT"),
        OutputSlot("COMBO", "COMBO", is_list=True),
    )


def test_a_number_has_its_limits(object_info):
    steps = object_info["Sampler"].inputs["steps"]

    assert (steps.default, steps.minimum, steps.maximum, steps.step) == (20, 1, 9, 2)


def test_a_combo_has_its_choices(object_info):
    name = object_info["Sampler"].inputs["name"]

    assert (name.type, name.choices, name.required, name.tooltip) == ("COMBO", ("a", "b"), False, "which")


@pytest.mark.parametrize(
    ("entry", "choices"),
    [
        pytest.param(["COMBO", {"options": ["a"]}], ("a",), id="new-form"),
        pytest.param([["a"], {}], ("a",), id="old-form"),
        pytest.param(
            ["COMBO", {"options": ["a"], "remote": {"route": "/x"}}], None, id="fetched-by-the-browser"
        ),
        pytest.param(["COMFY_DYNAMICCOMBO_V3", {"options": [{"key": "a"}, {"no": 1}]}], ("a",), id="dynamic"),
        pytest.param(["INT", {}], None, id="no-combo"),
    ],
)
def test_choices_have_several_forms(entry, choices):
    assert parse_input("it", entry).choices == choices


def test_a_dynamic_combo_has_further_inputs_by_choice():
    made = parse_input(
        "it", ["COMFY_DYNAMICCOMBO_V3", {"options": [{"key": "a", "inputs": {"required": {"n": ["INT"]}}}]}]
    )

    assert made.variants == {"a": (Input("n", "INT"),)}
    assert parse_input("it", ["INT"]).variants == {}


@pytest.mark.parametrize(
    ("entry", "is_widget"),
    [
        pytest.param(["INT"], True, id="a-number"),
        pytest.param(["MODEL"], False, id="a-model"),
        pytest.param(["INT", {"forceInput": True}], False, id="a-number-to-be-linked"),
        pytest.param(["FLOAT,INT", {"widgetType": "FLOAT"}], True, id="a-type-beside-it"),
    ],
)
def test_a_widget_is_what_a_person_types(entry, is_widget):
    assert parse_input("it", entry).is_widget is is_widget


@pytest.mark.parametrize(
    ("options", "upload"),
    [
        ({"image_upload": True}, "image"),
        ({"animated_image_upload": True}, "image"),
        ({"video_upload": True}, "video"),
        ({"audio_upload": True}, "audio"),
        ({"file_upload": True}, "file"),
        ({"image_upload": False}, None),
    ],
)
def test_uploads_say_what_they_take(options, upload):
    assert parse_input("it", [["a"], options]).upload == upload


def test_a_text_may_have_several_lines():
    assert parse_input("it", ["STRING", {"multiline": True}]).is_multiline


@pytest.mark.parametrize("entry", [None, 5, [], {}, ["INT", 5], "INT"], ids=repr)
def test_a_damaged_input_is_read_somehow(entry):
    made = parse_input("it", entry)

    assert (made.name, made.default, made.minimum) == ("it", None, None)


def test_a_damaged_entry_is_no_node_type(object_info):
    assert "Damaged" not in object_info
    with pytest.raises(KeyError):
        object_info["Damaged"]


def test_it_is_a_mapping_by_class_type(object_info):
    assert (len(object_info), list(object_info)) == (3, ["Sampler", "Bare", "Damaged"])
    assert object_info.get("gone") is None
    assert object_info["Sampler"] is object_info["Sampler"]


def test_the_packaged_catalogue_has_the_core_nodes():
    assert packaged()["KSampler"].inputs["seed"].maximum == 2**64 - 1
    assert packaged() is packaged()
