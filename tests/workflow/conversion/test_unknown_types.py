import pytest
from tests.workflow.conversion.editor import NEW, OLD, converted, document, node

from comfywire.workflow.conversion.unknown import UnknownType, node_pack


def unheard(*values, **more):
    conversion = converted(document(node(1, "Unheard", *values, **more)), more.pop("profile", NEW))
    return conversion.prompt["1"], conversion


NAMED = {"amount": None, "seed": None, "mode": None}


@pytest.mark.parametrize(
    ("more", "inputs"),
    [
        pytest.param({}, {}, id="no-values"),
        pytest.param(
            {"widgets_values": [1, 2, "x"], "widget_links": NAMED},
            dict(zip(NAMED, [1, 2, "x"], strict=True)),
            id="by-the-inputs",
        ),
        pytest.param(
            {"widgets_values": [1, 2, "fixed", "x"], "widget_links": NAMED},
            dict(zip(NAMED, [1, 2, "x"], strict=True)),
            id="a-seed-has-a-control-value-without-a-name",
        ),
        pytest.param(
            {"widgets_values": {"amount": 1, "control_after_generate": "fixed"}}, {"amount": 1}, id="a-dict"
        ),
        pytest.param(
            {"widgets_values": [1], "widgets_values_named": {"amount": 1}},
            {"amount": 1},
            id="named-beside-the-list",
        ),
    ],
)
def test_an_unknown_node_is_converted_where_the_file_names_its_values(more, inputs):
    entry, conversion = unheard(**more)

    assert entry == {"class_type": "Unheard", "inputs": inputs, "_meta": {"title": "Unheard"}}
    assert conversion.unknown == [UnknownType("1", "Unheard", None, is_complete=True)]


@pytest.mark.parametrize(
    ("profile", "names"), [(NEW, ["UNKNOWN", "UNKNOWN_1"]), (OLD, ["UNKNOWN"])], ids=["1.49", "1.27"]
)
def test_elsewhere_it_is_sent_as_the_front_end_sends_it(profile, names):
    conversion = converted(document(node(1, "Unheard", [5], "x")), profile)

    entry = conversion.prompt["1"]
    assert "class_type" not in entry
    assert list(entry["inputs"]) == names
    assert entry["inputs"][names[-1]] == "x"
    assert conversion.unknown == [UnknownType("1", "Unheard", None, is_complete=False)]


def test_a_value_that_is_no_scalar_is_sent_as_json():
    assert unheard([5, {"a": 1}])[0]["inputs"] == {"UNKNOWN": '[5, {"a": 1}]'}


def test_links_of_an_unknown_node_are_kept():
    saved = document(
        node(2, "Load"),
        node(3, "Unheard", links={"image": 1}),
        node(1, "Save", links={"images": 2}),
        links=[(1, 2, 0, 3, 0), (2, 3, 4, 1, 0)],
    )

    prompt = converted(saved).prompt

    assert (prompt["3"]["inputs"]["image"], prompt["1"]["inputs"]["images"]) == (["2", 0], ["3", 4])


def test_a_bypassed_unknown_node_passes_on_by_the_saved_types():
    unknown = node(3, "Unheard", mode=4, outputs=[{"name": "out", "type": "IMAGE"}])
    unknown["inputs"] = [
        {"name": "m", "type": "MASK", "link": None},
        {"name": "i", "type": "IMAGE", "link": 1},
    ]
    saved = document(
        node(2, "Load"),
        unknown,
        node(1, "Save", links={"images": 2}),
        links=[(1, 2, 0, 3, 1), (2, 3, 0, 1, 0)],
    )

    assert converted(saved).prompt["1"]["inputs"]["images"] == ["2", 0]


@pytest.mark.parametrize(
    ("properties", "pack"),
    [
        pytest.param({"cnr_id": "comfyui-kjnodes"}, "comfyui-kjnodes", id="registry"),
        pytest.param({"aux_id": "kijai/ComfyUI-KJNodes"}, "kijai/ComfyUI-KJNodes", id="repository"),
        pytest.param({"cnr_id": "a", "aux_id": "b"}, "a", id="the-registry-first"),
        pytest.param({"cnr_id": ""}, None, id="empty"),
        pytest.param(None, None, id="no-properties"),
    ],
)
def test_the_file_names_the_node_pack(properties, pack):
    assert node_pack({"properties": properties}) == pack


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        pytest.param(
            {"properties": {"cnr_id": "pack"}},
            "node 1: the server has no node type 'Unheard' (the file says that it comes from pack); "
            "it was converted from the file alone",
            id="with-its-pack",
        ),
        pytest.param(
            {"widgets_values": [1]},
            "node 1: the server has no node type 'Unheard'; the file does not say which inputs its values "
            "belong to, so the server will refuse it",
            id="refused",
        ),
    ],
)
def test_the_warning_says_what_happened(more, sentence):
    assert unheard(**more)[1].warnings == [sentence]
