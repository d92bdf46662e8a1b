from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import save
from tests.server.wire import image

NOBODY = "http://127.0.0.1:9"
EDITORS = {
    "version": 0.4,
    "last_node_id": 2,
    "last_link_id": 1,
    "nodes": [
        {
            "id": 1, "type": "EmptyImage", "mode": 0, "inputs": [], "widgets_values": [16, 8, 1, 255],
            "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}],
        },
        {
            "id": 2, "type": "SaveImage", "mode": 0, "widgets_values": ["editor"], "outputs": [],
            "inputs": [{"name": "images", "type": "IMAGE", "link": 1}],
        },
    ],
    "links": [[1, 1, 0, 2, 0, "IMAGE"]],
}  # fmt: skip


@pytest.fixture
def editors(here) -> str:
    return save("editor.json", EDITORS)


def broken() -> dict:
    prompt = image()
    prompt["1"]["inputs"]["width"] = 0
    return prompt


def test_convert_writes_api_format_without_a_server(comfywire, editors):
    finished = comfywire("convert", editors, "--offline", "-o", "api.json")

    prompt = json.loads(Path("api.json").read_text(encoding="utf-8"))
    assert finished.status == 0
    assert prompt["1"]["inputs"] == {"width": 16, "height": 8, "batch_size": 1, "color": 255}
    assert prompt["2"]["inputs"] == {"images": ["1", 0], "filename_prefix": "editor"}


def test_convert_prints_when_no_file_is_named(comfywire, editors):
    assert json.loads(comfywire("convert", editors, "--offline").out)["2"]["class_type"] == "SaveImage"


def test_a_server_that_was_named_and_does_not_answer_is_an_error(comfywire, editors):
    assert comfywire("convert", editors, "--server", NOBODY).status == 2


def test_the_editors_json_runs(comfywire, server, editors):
    finished = comfywire("run", editors, "--set", "EmptyImage.color=0")

    assert (finished.status, Path("editor_00001_.png").exists()) == (0, True)


def test_node_types_come_from_a_file(comfywire, editors):
    types: dict[str, Any] = {
        "EmptyImage": {"input": {"required": {"breadth": ["INT", {}]}}, "output": ["IMAGE"]}
    }
    types["SaveImage"] = {"input": {"required": {"images": ["IMAGE"]}}, "output": [], "output_node": True}
    save("types.json", types)

    prompt = json.loads(comfywire("convert", editors, "--object-info", "types.json").out)

    assert prompt["1"]["inputs"]["breadth"] == 16


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'], ids=["no-json", "a-list", "no-types"])
def test_a_file_that_has_no_node_types_is_refused(comfywire, editors, content):
    Path("types.json").write_text(content, encoding="utf-8")

    finished = comfywire("convert", editors, "--object-info", "types.json")

    assert (finished.status, "--object-info" in finished.err) == (2, True)


@pytest.mark.parametrize(
    ("prompt", "status", "words"),
    [
        pytest.param(image(), 0, "", id="nothing"),
        pytest.param(broken(), 1, "refused: node 1 (EmptyImage)", id="out-of-range"),
    ],
)
def test_validate_says_what_would_be_refused(comfywire, server, here, *, prompt, status, words):
    finished = comfywire("validate", save("checked.json", prompt))

    assert (finished.status, finished.out.startswith(words)) == (status, True)
    assert server.url in finished.err


def test_validate_speaks_json(comfywire, server, here):
    [problem] = json.loads(comfywire("validate", save("checked.json", broken()), "--json").out)

    assert (problem["node_id"], problem["input"], problem["effect"]) == ("1", "width", "refused")


@pytest.mark.parametrize(
    "loader",
    [
        pytest.param(("CheckpointLoaderSimple", "ckpt_name", 2), id="a-list-that-is-empty"),
        pytest.param(("VAELoader", "vae_name", 0), id="a-list-with-what-is-built-in"),
    ],
)
def test_models_are_not_missed_where_no_server_says_which_there_are(comfywire, steps, loader):
    class_type, name, slot = loader
    prompt = json.loads(Path(steps).read_text(encoding="utf-8"))
    prompt["12"] = {"class_type": class_type, "inputs": {name: "mine.safetensors"}}
    prompt["8"]["inputs"]["vae"] = ["12", slot]

    assert comfywire("validate", save("own.json", prompt), "--offline").status == 0


def test_run_with_validate_sends_nothing_that_would_be_refused(comfywire, server, here):
    finished = comfywire("run", save("checked.json", broken()), "--validate", "--json")

    assert (finished.status, finished.result["status"]) == (1, "rejected")
    assert "POST /prompt" not in server.requests


def test_inspect_shows_nodes_parameters_and_needs(comfywire, server, steps):
    rows = [line.split("\t") for line in comfywire("inspect", steps).out.splitlines()]

    assert ["6", "CLIPTextEncode", "Positive", ""] in rows
    assert ["9", "SaveImage", "SaveImage", "output"] in rows
    assert ["model", "comfywire-placeholder.safetensors", "yes", "4.ckpt_name", "", "", ""] in rows
    assert "seed" in [row[0] for row in rows]


def test_inspect_names_the_pack_of_a_node_that_is_not_there(comfywire, here):
    document = json.loads(json.dumps(EDITORS))
    document["nodes"][0] |= {"type": "Fancy", "properties": {"cnr_id": "fancy-pack"}}

    finished = comfywire("inspect", save("fancy.json", document), "--offline", "--json")

    needs = {need["name"]: need for need in json.loads(finished.out)["needs"]}
    assert (needs["Fancy"]["is_there"], needs["Fancy"]["source"]) == (False, "fancy-pack")


def test_parameters_are_set_by_name(comfywire, server, steps):
    finished = comfywire("run", steps, "-p", "prompt=a red barn", "-p", "steps=2", "--json")

    assert finished.status == 0, finished.err
    ran = server.call(server.life.queue.history_page, None, -1)[finished.result["prompt_id"]]["prompt"][2]
    assert (ran["6"]["inputs"]["text"], ran["3"]["inputs"]["steps"]) == ("a red barn", 2)


def test_parameters_are_written_once_for_editing(comfywire, steps):
    first = comfywire("inspect", steps, "--offline", "--write")
    second = comfywire("inspect", steps, "--offline", "--write")

    assert (first.status, second.status) == (0, 2)
    assert "[parameters.seed]" in Path("steps.params.toml").read_text(encoding="utf-8")


def test_only_the_named_outputs_run(comfywire, server, here):
    prompt = image()
    prompt["3"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}

    result = comfywire("run", save("two.json", prompt), "--output", "SaveImage", "--json").result

    assert [output["node_id"] for output in result["outputs"]] == ["2"]


def test_inspect_draws_the_graph(comfywire, steps):
    assert "flowchart" in comfywire("inspect", steps, "--offline", "--graph", "mermaid").out


def test_nodes_shows_one_type(comfywire):
    finished = comfywire("nodes", "KSampler", "--offline")

    assert "\nInputs\nmodel\tMODEL" in finished.out
    assert finished.out.endswith("\nOutputs\n0\tLATENT\tLATENT\n")


def test_nodes_finds_types_by_a_part_of_their_title(comfywire):
    listed = comfywire("nodes", "load checkpoint", "--offline").out.splitlines()

    assert "CheckpointLoaderSimple" in [line.split("\t")[0] for line in listed]


def test_nodes_names_near_matches(comfywire):
    finished = comfywire("nodes", "Ksmapler", "--offline")

    assert (finished.status, "did you mean 'KSampler'" in finished.err) == (1, True)


PACK = """
from comfywire.workflow import Pack

def halve(node):
    return {"width": node.values["width"] // 2}

PACK = Pack("halves", nodes={"EmptyImage": halve})
"""


@pytest.fixture
def doubtful(here) -> str:
    """A file that has a value more than its first node has widgets."""
    nodes: Any = EDITORS["nodes"]
    first, second = nodes
    longer = {**first, "widgets_values": [16, 8, 1, 9, 7]}
    return save("doubtful.json", {**EDITORS, "nodes": [longer, second]})


@pytest.mark.parametrize("command", ["convert", "validate", "inspect", "run"])
def test_doubts_are_printed_and_refused_by_strict(comfywire, server, doubtful, command):
    told, refused = comfywire(command, doubtful), comfywire(command, doubtful, "--strict")

    words = "node 1 (EmptyImage): the file has 5 values for its 4 widgets"
    assert (told.status, words in told.err) == (0, True)
    assert (refused.status, words in refused.err) == (1, True)


def test_inspect_shows_what_the_author_chose(comfywire):
    chosen = {"linearData": {"inputs": [[1, "height"]], "outputs": [2]}, "linearMode": True}
    path = save("app.json", {**EDITORS, "extra": chosen})

    shown = comfywire("inspect", path, "--offline").out
    described = json.loads(comfywire("inspect", path, "--offline", "--json").out)

    assert "Parameters (-p NAME=VALUE), as the author chose them" in shown
    assert [(each["name"], each["role"]) for each in described["parameters"]] == [("height", "height")]
    assert described["opens_in_app_mode"] is True


def test_strict_takes_what_fits(comfywire, editors):
    assert comfywire("convert", editors, "--offline", "--strict").status == 0


@pytest.mark.parametrize("command", ["convert", "run"])
def test_a_pack_that_is_named_has_its_say(comfywire, server, editors, command):
    Path("halves.py").write_text(PACK, encoding="utf-8")

    finished = comfywire(command, editors, "--pack", "halves.py")

    assert finished.status == 0
    prompt = json.loads(finished.out) if command == "convert" else server.log[-1].prompt
    assert prompt["1"]["inputs"]["width"] == 8


def test_a_pack_that_cannot_be_loaded_is_misuse(comfywire, editors):
    Path("empty.py").write_text("", encoding="utf-8")

    finished = comfywire("convert", editors, "--offline", "--pack", "empty.py")

    assert (finished.status, "'empty.py' has no PACK" in finished.err) == (2, True)
