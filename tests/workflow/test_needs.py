"""What a workflow needs of a server, and where its file says that it comes from."""

from tests.workflow.conversion.editor import document, node, node_type, subgraph

from comfywire.workflow import Workflow
from comfywire.workflow.needs import Need, needs_of

SERVER = {
    "Loader": node_type({"file": [["here.safetensors"]]}, output=("MODEL",)),
    "Text": node_type({"text": ["STRING", {}]}),
}
MODEL = {
    "name": "mine.safetensors",
    "url": "https://example.com/mine.safetensors",
    "directory": "checkpoints",
    "hash": "abc",
    "hash_type": "SHA256",
}


def needs(*nodes, **more):
    return needs_of(Workflow.load(document(*nodes, **more), SERVER))


def test_a_model_has_what_the_file_says_of_it():
    listed = node(1, "Loader", "sub/mine.safetensors", properties={"models": [MODEL]})

    found = needs(listed, node(2, "Loader", "here.safetensors"))

    assert found == [
        Need("node type", "Loader", "1, 2", "nodes", is_there=True),
        Need(
            "model", "sub/mine.safetensors", "1.file", "", is_there=False, url=MODEL["url"],
            folder="checkpoints", hash="SHA256:abc",
        ),
        Need("model", "here.safetensors", "2.file", "", is_there=True),
    ]  # fmt: skip


def test_models_are_found_inside_subgraphs_and_at_the_top_of_the_file():
    inner = subgraph("inner", node(5, "Text", "a", properties={"models": [MODEL]}))
    other = {"name": "other.pt", "url": "https://example.com/other.pt"}

    found = needs(node(1, "inner"), definitions={"subgraphs": [inner]}, models=[other])

    models = [(need.name, need.url, need.where) for need in found if need.kind == "model"]
    assert models == [("other.pt", other["url"], ""), ("mine.safetensors", MODEL["url"], "")]


def test_a_missing_type_has_its_pack_and_what_only_browsers_have_is_no_need():
    found = needs(
        node(1, "Fancy", 5, properties={"aux_id": "somebody/fancy"}),
        node(2, "SetNode", "x", properties={"cnr_id": "comfyui-kjnodes"}),
    )

    assert found == [Need("node type", "Fancy", "1", "somebody/fancy", is_there=False)]
