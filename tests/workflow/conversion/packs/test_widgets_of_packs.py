"""Widgets that only a node pack's JavaScript knows of: what says that they are there."""

import pytest
from tests.workflow.conversion.editor import converted, document, inputs_of, node, node_type

CUSTOM = "custom_nodes.Some-Pack"
FORMATS = {
    "formats": {
        "mp4": [["crf", "INT", {"default": 19, "min": 0, "max": 100, "step": 1}], ["pix", ["a", "b"]]],
        "gif": [["dither", "BOOLEAN", {"default": True}]],
        "odd": {"rate": 8},
    }
}
SERVER = {
    "Paint": node_type(
        {"color": ["TINT", {"default": "#fff", "widgetType": "SOME_PICKER"}], "size": ["INT", {}]},
        python_module=CUSTOM,
    ),
    "Registered": node_type({"color": ["COLORCODE", {}], "size": ["INT", {}]}, python_module=CUSTOM),
    "Strange": node_type(
        {"a": ["INT", {}], "color": ["TINT", {"default": "#000"}], "b": ["INT", {}]}, python_module=CUSTOM
    ),
    "Undefaulted": node_type({"color": ["TINT", {}], "size": ["INT", {}]}, python_module=CUSTOM),
    "Combine": node_type(
        {"rate": ["INT", {}], "format": [["mp4", "gif", "odd"], FORMATS], "save": ["BOOLEAN", {}]},
        python_module=CUSTOM,
    ),
    "Menu": node_type(
        {
            "text": ["STRING", {}],
            "Select to add LoRA": [["Select the LoRA to add", "a.safetensors"]],
            "style": [["Select the style", "plain"]],
        }
    ),
    "Tint": node_type({}, output=("TINT",)),
}


def inputs(*nodes, links=()):
    return inputs_of(document(*nodes, links=links), server=SERVER)


def warnings(*nodes):
    return converted(document(*nodes), server=SERVER).warnings


@pytest.mark.parametrize("kind", ["Paint", "Registered"])
def test_a_widget_type_makes_an_input_a_widget(kind):
    assert inputs(node(1, kind, "#f00", 5)) == {"color": "#f00", "size": 5}
    assert warnings(node(1, kind, "#f00", 5)) == []


def test_such_a_widget_can_be_linked_by_the_type_of_its_input():
    made = inputs(node(1, "Paint", "#f00", 5, links={"color": 7}), node(2, "Tint"), links=[(7, 2, 0, 1, 0)])

    assert made == {"color": ["2", 0], "size": 5}


def test_one_value_too_many_is_that_of_an_input_of_unknown_type_with_a_default():
    assert inputs(node(1, "Strange", 1, "#f00", 2)) == {"a": 1, "color": "#f00", "b": 2}
    assert "'color' of unknown type" in warnings(node(1, "Strange", 1, "#f00", 2))[0]


@pytest.mark.parametrize(
    ("saved", "links"),
    [
        pytest.param([1, 2], {}, id="no-value-too-many"),
        pytest.param([1, 2, 3], {"color": 7}, id="it-is-linked"),
    ],
)
def test_else_that_input_is_a_socket(saved, links):
    made = inputs(
        node(1, "Strange", *saved, links=links), node(2, "Tint"), links=[(7, 2, 0, 1, 0)] if links else []
    )

    assert (made["a"], made["b"]) == (1, 2)
    assert made.get("color") == (["2", 0] if links else None)


def test_without_a_default_the_file_has_to_call_it_a_widget():
    said = node(1, "Undefaulted", "#f00", 5, widget_links={"color": None})

    assert inputs(said) == {"color": "#f00", "size": 5}
    assert inputs(node(1, "Undefaulted", "#f00", 5)) == {"size": "#f00"}
    assert "'size' got a value of another kind" in warnings(node(1, "Undefaulted", "#f00", 5))[0]


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        pytest.param(
            {"format": "mp4", "crf": 23, "pix": "b", "save": True, "videopreview": {}},
            {"rate": 0, "format": "mp4", "crf": 23, "pix": "b", "save": True},
            id="by-name",
        ),
        pytest.param(
            {"format": "mp4", "pix": "b", "dither": False},
            {"rate": 0, "format": "mp4", "crf": 19, "pix": "b", "save": False},
            id="missing-ones-have-their-default-and-those-of-other-formats-go",
        ),
        pytest.param(
            {"format": "gif"}, {"rate": 0, "format": "gif", "dither": True, "save": False}, id="another"
        ),
        pytest.param({"format": "odd"}, {"rate": 0, "format": "odd", "save": False}, id="no-list"),
        pytest.param({"format": "gone"}, {"rate": 0, "format": "gone", "save": False}, id="unknown"),
    ],
)
def test_a_format_brings_its_own_widgets(saved, expected):
    assert inputs(node(1, "Combine", widgets_values=saved)) == expected


def test_a_list_is_poured_over_the_widgets_of_the_format():
    made = inputs(node(1, "Combine", 8, "gif", False, True))

    assert made == {"rate": 8, "format": "gif", "dither": False, "save": True}


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        pytest.param(["x", "a.safetensors", "plain"], ("Select the LoRA to add", "plain"), id="chosen"),
        pytest.param(["x", "gone", "gone"], ("Select the LoRA to add", "Select the style"), id="no-choice"),
    ],
)
def test_a_menu_sends_its_caption(saved, expected):
    made = inputs(node(1, "Menu", *saved))

    assert (made["Select to add LoRA"], made["style"]) == expected
