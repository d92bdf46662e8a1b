import pytest

from comfywire.errors import InvalidParameter
from comfywire.workflow import Workflow
from comfywire.workflow.fit import misfit, takes_only_links
from comfywire.workflow.object_info import Input


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("INT", 0.5),
        ("INT", float("inf")),
        ("INT", True),
        ("FLOAT", False),
        ("BOOLEAN", "false"),
        ("BOOLEAN", None),
        ("BOOLEAN", 2),
        ("STRING", None),
        ("STRING", True),
        ("STRING", {"a": 1}),
    ],
)
def test_what_the_server_would_take_for_another_value_does_not_fit(kind, value):
    assert misfit(Input("x", kind), value).startswith("takes ")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("INT", 5),
        ("INT", 5.0),
        ("INT", "5"),
        ("FLOAT", 5),
        ("BOOLEAN", 0),
        ("STRING", 5),
        ("STRING", {"__value__": ["a"]}),
        ("STRING", {"__type": "core/ASSET"}),
        ("*", None),
        ("COMBO", True),
    ],
)
def test_what_the_server_takes_as_it_is_meant_fits(kind, value):
    assert misfit(Input("x", kind), value) == ""


@pytest.mark.parametrize(
    ("kind", "is_link"),
    [("IMAGE", True), ("IMAGE,MASK", True), ("INT,IMAGE", False), ("*", False), ("MY_WIDGET", False)],
)
def test_only_what_core_nodes_hand_on_is_a_link_for_certain(kind, is_link):
    assert takes_only_links(Input("x", kind)) is is_link


def test_a_value_for_a_link_names_the_node_that_it_comes_from():
    workflow = Workflow(
        {
            "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
            "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        }
    )

    with pytest.raises(InvalidParameter, match=r"takes IMAGE .* comes from, node 1 \(LoadImage\)"):
        workflow["2"].image = "b.png"
    with pytest.raises(InvalidParameter, match="takes MASK"):
        Workflow({"1": {"class_type": "MaskToImage", "inputs": {}}})["1"].mask = "b.png"
