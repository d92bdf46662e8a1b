import pytest
from tests.workflow.conversion.editor import NEW, SERVER, document, inputs_of, node, node_type, subgraph

from comfywire.workflow.conversion.known import KnownTypes
from comfywire.workflow.conversion.layout import InputSocket
from comfywire.workflow.conversion.load_graphs import load_graphs
from comfywire.workflow.conversion.packs.pack import Packs
from comfywire.workflow.conversion.slot_types import bypass_group_input, bypass_input, fits
from comfywire.workflow.object_info import ObjectInfo

MIXED = [
    InputSocket("clip", "CLIP"),
    InputSocket("image", "IMAGE"),
    InputSocket("mask", "IMAGE,MASK"),
    InputSocket("steps", "INT"),
]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("IMAGE", "IMAGE", True, id="the-same"),
        pytest.param("image", "IMAGE", True, id="in-another-case"),
        pytest.param("IMAGE", "MASK", False, id="different"),
        pytest.param("*", "MASK", True, id="anything"),
        pytest.param("MASK", "", True, id="an-untyped-slot"),
        pytest.param("IMAGE,MASK", "MASK", True, id="one-of-several"),
        pytest.param("IMAGE,MASK", "VIDEO,AUDIO", False, id="none-of-several"),
    ],
)
def test_slots_fit_by_type(one, other, expected):
    assert fits(one, other) is expected


@pytest.mark.parametrize(
    ("output", "wanted", "slot", "expected"),
    [
        pytest.param("IMAGE", "IMAGE", 1, 1, id="the-same-slot-first"),
        pytest.param("IMAGE", "IMAGE", 0, 1, id="else-the-very-type"),
        pytest.param("MASK", "MASK", 0, 2, id="else-one-that-fits-both"),
        pytest.param("IMAGE", "VIDEO", 0, None, id="else-none"),
        pytest.param("IMAGE", "*", 2, 2, id="anything-takes-the-same-slot"),
        pytest.param("IMAGE", "*", 9, 0, id="anything-takes-the-first-where-there-is-no-such-slot"),
        pytest.param("INT", "INT", 0, 3, id="widgets-have-sockets-too"),
    ],
)
def test_a_bypassed_node_passes_on_an_input_by_type(output, wanted, slot, expected):
    assert bypass_input(MIXED, output, wanted, slot) == expected


def test_a_bypassed_node_without_inputs_passes_nothing_on():
    assert bypass_input([], "IMAGE", "*", 0) is None


@pytest.mark.parametrize(
    ("wanted", "slot", "expected"),
    [
        pytest.param("IMAGE", 1, 1, id="the-same-slot"),
        pytest.param("INT", 0, 3, id="another"),
        pytest.param("MASK", 0, None, id="not-one-of-several"),
        pytest.param("*", 0, None, id="not-anything"),
    ],
)
def test_a_bypassed_group_node_wants_the_very_type(wanted, slot, expected):
    assert bypass_group_input(MIXED, wanted, slot) == expected


def test_an_input_of_a_match_group_takes_the_type_of_its_partner():
    template = {"template": {"template_id": "switch", "allowed_types": "*"}}
    server = {
        **SERVER,
        "Switch": node_type(
            {"on_false": ["COMFY_MATCHTYPE_V3", template], "on_true": ["COMFY_MATCHTYPE_V3", template]},
            output=("COMFY_MATCHTYPE_V3",),
        ),
        "Mix": node_type({"model": ["MODEL"], "image": ["IMAGE"]}, output=("IMAGE",)),
    }
    saved = document(
        node(3, "Load"),
        node(4, "Mix", links={"model": 2, "image": 3}, mode=4),
        node(1, "Switch", links={"on_false": 4, "on_true": 5}),
        links=[(2, 3, 1, 4, 0), (3, 3, 0, 4, 1), (4, 4, 0, 1, 0), (5, 3, 0, 1, 1)],
    )

    assert inputs_of(saved, server=server)["on_false"] == ["3", 0]  # by the image, not by the first slot


def test_a_match_group_counts_what_comes_from_outside_a_subgraph():
    template = {"template": {"template_id": "switch", "allowed_types": "*"}}
    server = {
        **SERVER,
        "Switch": node_type(
            {"on_false": ["COMFY_MATCHTYPE_V3", template], "on_true": ["COMFY_MATCHTYPE_V3", template]}
        ),
        "Mix": node_type({"model": ["MODEL"], "image": ["IMAGE"]}, output=("IMAGE",)),
    }
    inner = subgraph(
        "inner",
        node(4, "Mix", links={"model": 3, "image": 4}, mode=4),
        node(1, "Switch", links={"on_false": 5, "on_true": 6}),
        links=[(3, -10, 1, 4, 0), (4, -10, 0, 4, 1), (5, 4, 0, 1, 0), (6, -10, 0, 1, 1)],
        inputs={"picture": ("IMAGE", [4, 6]), "model": ("MODEL", [3])},
    )
    saved = document(
        node(2, "Load"),
        node(9, "inner", links={"picture": 1}),
        links=[(1, 2, 0, 9, 0)],
        definitions={"subgraphs": [inner]},
    )

    assert inputs_of(saved, node_id="9:1", server=server)["on_false"] == ["2", 0]


def test_types_with_nothing_in_common_match_anything():
    template = {"template": {"template_id": "t", "allowed_types": "MASK"}}
    server = {
        **SERVER,
        "Pair": node_type({"a": ["COMFY_MATCHTYPE_V3", template], "b": ["COMFY_MATCHTYPE_V3", template]}),
    }
    saved = document(
        node(2, "Load"),
        node(3, "Blend", links={"image": 1}, mode=4),
        node(1, "Pair", links={"a": 2, "b": 3}),
        links=[(1, 2, 0, 3, 0), (2, 3, 0, 1, 0), (3, 2, 0, 1, 1)],
    )

    assert inputs_of(saved, server=server)["a"] == ["2", 0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(["deep", "b"], ["mask", "mode", "mode.kind", "mode.kind.image", "steps"], id="nested"),
        pytest.param(["deep", "a"], ["mask", "mode", "mode.kind", "steps"], id="another-choice-inside"),
        pytest.param(["flat"], ["mask", "mode", "mode.image", "steps"], id="another-choice"),
    ],
)
def test_the_sockets_of_dynamic_combos_follow_their_values(values, expected):
    kind = {"options": [{"key": "a"}, {"key": "b", "inputs": {"required": {"image": ["IMAGE"]}}}]}
    mode = {
        "options": [
            {"key": "flat", "inputs": {"required": {"image": ["IMAGE"]}}},
            {"key": "deep", "inputs": {"required": {"kind": ["COMFY_DYNAMICCOMBO_V3", kind]}}},
        ]
    }
    server = {
        "Dynamic": node_type(
            {"mask": ["MASK"], "mode": ["COMFY_DYNAMICCOMBO_V3", mode], "steps": ["INT", {}]},
            output=("IMAGE",),
        )
    }
    known_types = KnownTypes(ObjectInfo(server), NEW, Packs([]))

    loaded = load_graphs(document(node(1, "Dynamic", *values)), known_types, lambda options: options[0])
    made = loaded.root.nodes["1"]

    assert [socket.name for socket in made.sockets] == expected
