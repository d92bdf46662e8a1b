import copy

import pytest

from comfywire.errors import UnknownNode
from comfywire.workflow import Workflow

PROMPT = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
    "6": {
        "class_type": "CLIPTextEncode",
        "inputs": {"text": "a cat", "clip": ["4", 1]},
        "_meta": {"title": "Positive"},
    },
    "7": {
        "class_type": "CLIPTextEncode",
        "inputs": {"text": "blurry", "clip": ["4", 1]},
        "_meta": {"title": "Negative"},
    },
    "12:3": {
        "class_type": "KSampler",
        "inputs": {"seed": 1, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0]},
    },
    "9": {"class_type": "SaveImage", "inputs": {"images": ["12:3", 0], "filename_prefix": "cat"}},
}
OBJECT_INFO = {
    "CheckpointLoaderSimple": {"output": ["MODEL", "CLIP", "VAE"], "output_node": False},
    "SaveImage": {"output": [], "output_node": True},
}


@pytest.fixture
def workflow():
    return Workflow.load(PROMPT, object_info=OBJECT_INFO)


@pytest.mark.parametrize(
    ("name", "node_id"),
    [
        pytest.param("6", "6", id="an-id"),
        pytest.param(6, "6", id="an-id-as-a-number"),
        pytest.param("12:3", "12:3", id="the-id-of-a-node-in-a-subgraph"),
        pytest.param("Positive", "6", id="a-title"),
        pytest.param("KSampler", "12:3", id="a-class-type-that-stands-once"),
    ],
)
def test_a_node_is_found_by(workflow, name, node_id):
    assert workflow[name].id == node_id


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "KSamplr",
            "the workflow has no node 'KSamplr'; did you mean 'KSampler' (node 12:3)?",
            id="a-misspelt-class-type",
        ),
        pytest.param(
            "positive",
            "the workflow has no node 'positive'; did you mean 'Positive' (node 6)?",
            id="a-title-in-another-case",
        ),
        pytest.param(
            "CLIPTextEncode",
            "'CLIPTextEncode' stands 2 times: node 6 (CLIPTextEncode 'Positive'), "
            "node 7 (CLIPTextEncode 'Negative'); name one by its id or title",
            id="a-class-type-that-stands-twice",
        ),
        pytest.param(
            "zzz",
            "the workflow has no node 'zzz'; its nodes are 4 'CheckpointLoaderSimple', 6 'Positive', "
            "7 'Negative', 12:3 'KSampler', 9 'SaveImage'",
            id="nothing-like-it",
        ),
    ],
)
def test_an_unclear_name_raises_with_what_is_there(workflow, name, message):
    with pytest.raises(UnknownNode) as raised:
        workflow[name]

    assert str(raised.value) == message


def test_an_id_wins_over_a_title():
    workflow = Workflow({"1": {"class_type": "A"}, "2": {"class_type": "B", "_meta": {"title": "1"}}})

    assert workflow["1"].class_type == "A"


def test_a_name_that_is_a_title_here_but_a_type_there_is_ambiguous():
    workflow = Workflow(
        {"1": {"class_type": "KSampler", "_meta": {"title": "Refiner"}}, "2": {"class_type": "KSampler"}}
    )

    with pytest.raises(UnknownNode, match="stands 2 times"):
        workflow["KSampler"]


@pytest.mark.parametrize(
    ("name", "is_there"),
    [
        ("6", True),
        (6, True),
        ("Positive", True),
        ("CLIPTextEncode", True),
        ("VAEDecode", False),
        (None, False),
    ],
)
def test_a_workflow_contains_its_ids_titles_or_types(workflow, name, is_there):
    assert (name in workflow) is is_there


def test_find_selects_by_type_or_title(workflow):
    assert [node.id for node in workflow.find(class_type="CLIPTextEncode")] == ["6", "7"]
    assert [node.id for node in workflow.find(class_type="CLIPTextEncode", title="Negative")] == ["7"]
    assert workflow.find(title="nobody") == []


def test_output_nodes_are_those_the_server_calls_so(workflow):
    assert [node.id for node in workflow.output_nodes] == ["9"]


def test_a_node_of_unknown_type_that_feeds_nothing_counts_as_output():
    prompt = {"1": {"class_type": "X", "inputs": {}}, "2": {"class_type": "Y", "inputs": {"x": ["1", 0]}}}

    assert [node.id for node in Workflow(prompt, object_info={}).output_nodes] == ["2"]


def test_a_workflow_iterates_over_its_nodes(workflow):
    assert [node.id for node in workflow] == list(PROMPT)
    assert len(workflow) == 5
    assert repr(workflow) == "<Workflow: 5 nodes>"


def test_a_copy_changes_alone(workflow):
    other = workflow.copy()

    other["Positive"].text = "a dog"

    assert workflow["Positive"].text == "a cat"


def test_loading_a_dictionary_leaves_it_alone():
    mine = copy.deepcopy(PROMPT)
    workflow = Workflow.load(mine)

    workflow["Positive"].text = "a dog"

    assert mine == PROMPT


def test_without_a_node_its_links_are_gone(workflow):
    smaller = workflow.without("Negative")

    assert "7" not in smaller
    assert "negative" not in smaller["KSampler"]
    assert smaller["KSampler"].positive == ["6", 0]
    assert workflow["KSampler"].negative == ["7", 0]


def test_without_takes_a_node_too(workflow):
    assert "7" not in workflow.without(workflow["Negative"])


def test_without_a_node_that_is_not_there_raises(workflow):
    with pytest.raises(UnknownNode, match="no node 'VAEDecode'"):
        workflow.without("VAEDecode")


def test_a_saved_workflow_loads_again(workflow, tmp_path):
    workflow["Positive"].text = "kočka 🐈"
    workflow.save(tmp_path / "api.json")

    assert Workflow.load(tmp_path / "api.json").prompt == workflow.prompt
