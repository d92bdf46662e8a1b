import io
import json
import os
import re
from pathlib import Path

import pytest

from comfywire.errors import UnreadableWorkflow
from comfywire.workflow import Workflow

PROMPT = {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "č"}}}
TEXT = json.dumps(PROMPT, ensure_ascii=False)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(PROMPT, id="a-dictionary"),
        pytest.param(TEXT, id="text"),
        pytest.param("\ufeff \n" + TEXT, id="text-with-a-byte-order-mark"),
        pytest.param(TEXT.encode(), id="bytes"),
        pytest.param(bytearray(TEXT.encode()), id="a-bytearray"),
        pytest.param(memoryview(TEXT.encode()), id="a-memoryview"),
        pytest.param(TEXT.encode("utf-8-sig"), id="bytes-with-a-byte-order-mark"),
        pytest.param(TEXT.encode("utf-16"), id="utf-16-as-powershell-writes-it"),
    ],
)
def test_a_prompt_is_loaded_from(source):
    assert Workflow.load(source).prompt == PROMPT


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path"])
def test_a_prompt_is_loaded_from_a_path(tmp_path, kind):
    path = tmp_path / "workflow.txt"
    path.write_text(TEXT, encoding="utf-8")

    assert Workflow.load(kind(path)).prompt == PROMPT


@pytest.mark.parametrize("file", [io.StringIO(TEXT), io.BytesIO(TEXT.encode())], ids=["text", "binary"])
def test_a_prompt_is_loaded_from_an_open_file(file):
    assert Workflow.load(file).prompt == PROMPT


def test_what_the_server_left_in_a_prompt_is_dropped():
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "is_changed": ["hash"], "_meta": {}}
    }

    loaded = Workflow.load(prompt)

    assert loaded.prompt == {"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {}}}
    assert "is_changed" in prompt["1"]


def test_a_document_beside_the_prompt_is_kept():
    document: dict = {"nodes": [], "links": []}

    loaded = Workflow.load({"prompt": PROMPT, "workflow": document})

    assert (loaded.prompt, loaded.document) == (PROMPT, document)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"\x00\x01\x02", "neither JSON nor", id="other-bytes"),
        pytest.param("[1]", "this text holds a list of 1", id="a-list"),
        pytest.param('{"a"', "this text looks like JSON, but breaks off", id="half-a-text"),
        pytest.param("x\0y", "cannot be read", id="a-name-that-no-file-has"),
        pytest.param("x" * 5000, "cannot be read", id="a-name-too-long"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_a_sentence(source, message):
    with pytest.raises(UnreadableWorkflow, match=message):
        Workflow.load(source)


def test_a_missing_file_is_named_with_its_likeliest_neighbour(tmp_path):
    (tmp_path / "portrait_api.json").write_text(TEXT, encoding="utf-8")

    with pytest.raises(UnreadableWorkflow, match=r"there is no file .*; did you mean 'portrait_api.json'\?"):
        Workflow.load(tmp_path / "potrait_api.json")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(
        UnreadableWorkflow, match=f"there is no folder {re.escape(repr(str(tmp_path / 'none')))}"
    ):
        Workflow.load(tmp_path / "none" / "x.json")


def test_a_folder_is_no_workflow(tmp_path):
    with pytest.raises(UnreadableWorkflow, match="directory"):
        Workflow.load(tmp_path)


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "x.json").touch()

    with pytest.raises(UnreadableWorkflow, match=r"'x.json' is empty"):
        Workflow.load(tmp_path / "x.json")


def test_an_open_file_is_named_by_its_own_name(tmp_path):
    (tmp_path / "x.json").write_text("[]", encoding="utf-8")

    with (tmp_path / "x.json").open("rb") as file, pytest.raises(UnreadableWorkflow, match=r"'x.json' holds"):
        Workflow.load(file)


def test_the_editors_document_is_converted_with_the_packaged_catalogue():
    widgets = [64, 32, 1, 255]
    document = {
        "nodes": [
            {
                "id": 1,
                "type": "EmptyImage",
                "widgets_values": widgets,
                "outputs": [{"type": "IMAGE", "links": [5]}],
            },
            {"id": 2, "type": "SaveImage", "inputs": [{"name": "images", "type": "IMAGE", "link": 5}]},
        ],
        "links": [[5, 1, 0, 2, 0, "IMAGE"]],
        "version": 0.4,
    }

    loaded = Workflow.load(document)

    assert loaded["EmptyImage"].inputs == {"width": 64, "height": 32, "batch_size": 1, "color": 255}
    assert loaded["SaveImage"].images == ["1", 0]
    assert (loaded.document, loaded.warnings) == (document, ())


def test_a_document_is_converted_with_the_servers_own_catalogue():
    node = {"id": 1, "type": "Mine", "widgets_values": [5]}
    object_info = {"Mine": {"input": {"required": {"depth": ["INT", {}]}}, "output": []}}

    assert Workflow.load({"nodes": [node], "links": [], "version": 0.4}, object_info)["Mine"].depth == 5


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="pipes have no path on this system")
def test_a_pipe_is_read_though_it_cannot_seek():
    reading, writing = os.pipe()
    os.write(writing, TEXT.encode())
    os.close(writing)

    assert Workflow.load(f"/dev/fd/{reading}").prompt == PROMPT
    os.close(reading)


def test_a_stream_without_end_is_refused():
    class Endless(io.BytesIO):
        def read(self, size=-1):
            return bytes(size)

    with pytest.raises(UnreadableWorkflow, match="larger than 512 MiB; give its path instead"):
        Workflow.load(Endless())


def test_json_beyond_reason_is_refused(tmp_path):
    with (tmp_path / "large.json").open("wb") as file:
        file.write(b"{")
        file.truncate(40 << 20)

    with pytest.raises(UnreadableWorkflow, match="larger than 32 MiB"):
        Workflow.load(tmp_path / "large.json")


def test_what_is_no_source_is_a_mistake_of_the_caller():
    with pytest.raises(TypeError, match="not from a int"):
        Workflow.load(5)  # type: ignore[arg-type]  # that is the mistake


def test_a_dictionary_that_holds_itself_is_no_workflow():
    inputs: dict[str, object] = {}
    inputs["itself"] = inputs

    with pytest.raises(UnreadableWorkflow, match="nested too deeply"):
        Workflow.load({"1": {"class_type": "EmptyImage", "inputs": inputs}})


def test_one_option_of_a_dynamic_prompt_is_drawn():
    text = {
        "id": 1,
        "type": "CLIPTextEncode",
        "inputs": [],
        "outputs": [],
        "widgets_values": ["a {red|blue} hill"],
    }
    document = {"nodes": [{**text, "mode": 0, "order": 0}], "links": [], "version": 0.4}

    drawn = Workflow.load(document, choose=lambda options: options[-1])

    assert (Workflow.load(document)["1"].text, drawn["1"].text) == ("a red hill", "a blue hill")
