"""What nodes show in other forms than a list of files: models by their bare names, texts letter by letter."""

# ruff: noqa: N802 - INPUT_TYPES is ComfyUI's name

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.client.graphs import file
from tests.client.models_3d import CRATE, NODES, crate

from comfywire import Client, Result
from comfywire.client.results.shown import read_shown, whole_texts
from comfywire.server import Server

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "client"
CAPTION = "A weathered lighthouse on a basalt cliff at dusk, waves breaking. " * 46


class PlainText:
    """Shows a bare text where a list is due, under the key that it is told."""

    RETURN_TYPES = ()
    FUNCTION = "go"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {})}, "optional": {"key": ("STRING", {})}}

    def go(self, text: str, key: str = "text") -> dict[str, Any]:
        return {"ui": {key: text}}


@pytest.fixture(params=["0.3.64", "0.33.0"])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    nodes = {**NODES, "PlainText": PlainText, "BCPlainText": PlainText}
    async with Server(profile=request.param, nodes=nodes) as server:
        for suffix in ("obj", "ply", "splat"):
            path = server.folder / f"input/3d/crate.{suffix}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(CRATE)
        yield server


@pytest.fixture
async def client(both: Server) -> AsyncIterator[Client]:
    async with Client(both.url) as client:
        yield client


def told(result: Result) -> list[tuple[str, str | None, str, str]]:
    return [(output.kind, output.filename, output.subfolder, output.type) for output in result.outputs]


# Models


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        pytest.param(
            crate("Save3DAdvanced", filename_prefix="props/crate"),
            ("3d", "crate_00001.obj", "props", "output"),
            id="saved-in-a-folder",
        ),
        pytest.param(
            crate("SavePointCloud", suffix="ply", filename_prefix="cloud"),
            ("3d", "cloud_00001.ply", "", "output"),
            id="point-cloud",
        ),
        pytest.param(
            crate("SaveGaussianSplat", suffix="splat", filename_prefix="a/b/s"),
            ("3d", "s_00001.splat", "a/b", "output"),
            id="listed-twice",
        ),
        pytest.param(
            crate("Preview3DAdvanced"), ("3d", "preview3dadvanced_1f.obj", "", "temp"), id="preview"
        ),
        pytest.param(
            crate("PreviewGaussianSplat", suffix="splat"),
            ("3d", "previewgaussiansplat_1f.splat", "", "temp"),
            id="preview-of-a-splat",
        ),
        pytest.param(
            crate("PreviewPointCloud", suffix="ply"),
            ("3d", "previewpointcloud_1f.ply", "", "temp"),
            id="preview-of-points",
        ),
        pytest.param(
            {
                "1": crate("Preview3D")["1"],
                "2": {"class_type": "Preview3D", "inputs": {"model_file": ["1", 0]}},
            },
            ("3d", "preview3d_1f.obj", "", "output"),
            id="preview-that-saves",
        ),
        pytest.param(
            {"2": {"class_type": "Preview3D", "inputs": {"model_file": "3d/crate.obj"}}},
            ("3d", "crate.obj", "3d", "output"),
            id="a-file-of-the-input-folder",
        ),
        pytest.param(
            {"2": {"class_type": "Preview3D", "inputs": {"model_file": "3d/crate.obj [input]"}}},
            ("3d", "crate.obj", "3d", "input"),
            id="annotated",
        ),
    ],
)
async def test_a_model_that_is_named_in_a_bare_text_is_fetched(
    client: Client, tmp_path: Path, prompt, expected
):
    result = await client.run(prompt)

    assert told(result) == [expected]
    (output,) = result.outputs
    assert await output.read() == CRATE
    (path,) = await result.save(tmp_path)
    assert path.relative_to(tmp_path).as_posix() == "/".join(filter(None, (expected[2], expected[1])))
    assert path.read_bytes() == CRATE


async def test_the_workflow_of_three_savers_gives_three_models(client: Client, both: Server, tmp_path: Path):
    if not CASES.is_dir():
        pytest.skip("the cases of ../shared are not here")
    workflow = json.loads((CASES / "c01_3d_result/save3d.json").read_text())
    content = (CASES / "c01_3d_result/tri.obj").read_bytes()
    (both.folder / "input/3d/tri.obj").write_bytes(content)

    result = await client.run(workflow)

    assert [(output.kind, output.type) for output in result.outputs] == [
        ("3d", "output"),
        ("3d", "temp"),
        ("3d", "output"),
    ]
    assert [path.read_bytes() for path in await result.save(tmp_path)] == [content] * 3
    assert (tmp_path / "props/crate_00001.obj").is_file()


CAMERA = {"position": {"x": 1}}


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        pytest.param(["a.obj", CAMERA, None], [("a.obj", None), (None, CAMERA)], id="its-camera-stays"),
        pytest.param(["a.obj", None, []], [("a.obj", None)], id="nothing-said-of-its-place"),
        pytest.param(["a.OBJ", {}, [{"x": 1}]], [("a.OBJ", None), (None, [{"x": 1}])], id="its-place-stays"),
        pytest.param(
            ["a.glb", None, "temp/bg_1f.png"], [("a.glb", None), ("bg_1f.png", None)], id="its-background"
        ),
        pytest.param(["3d\\a.glb", None], [("a.glb", None)], id="from-windows"),
        pytest.param(["/srv/a.glb", None], [(None, "/srv/a.glb")], id="a-path-of-the-server"),
        pytest.param(["C:\\a.glb", None], [(None, "C:\\a.glb")], id="a-drive"),
        pytest.param(["../a.glb", None], [(None, "../a.glb")], id="leads-out"),
        pytest.param(["https://example.org/a.glb"], [(None, "https://example.org/a.glb")], id="a-url"),
        pytest.param(["a cat", []], [(None, "a cat"), (None, [])], id="no-model"),
        pytest.param(["a.glb", "a.glb"], [("a.glb", None)], id="named-twice"),
    ],
)
def test_what_stands_beside_a_model_is_told_apart(shown, expected):
    found = [
        (one.filename, None if one.filename else one.value) for one in read_shown({"result": shown}, None)
    ]

    assert found == expected


def test_only_a_result_is_taken_for_the_name_of_a_model():
    (one,) = read_shown({"text": ["castle.glb"]}, None)

    assert (one.filename, one.value) == (None, "castle.glb")


def test_files_that_a_node_lists_twice_itself_stay_two():
    assert len(read_shown({"images": [file("a.png"), file("a.png")]}, None)) == 2


# Texts


@pytest.mark.parametrize("key", ["text", "string", "any key"])
async def test_a_text_that_comes_letter_by_letter_is_one_text(client: Client, tmp_path: Path, key):
    result = await client.run({"1": {"class_type": "PlainText", "inputs": {"text": CAPTION, "key": key}}})

    assert [(output.key, output.kind, output.value) for output in result.outputs] == [(key, "text", CAPTION)]
    (path,) = await result.save(tmp_path)
    assert path.read_text(encoding="utf-8") == CAPTION


async def test_the_caption_of_three_thousand_letters_is_one_file(client: Client, tmp_path: Path):
    if not CASES.is_dir():
        pytest.skip("the cases of ../shared are not here")
    workflow = json.loads((CASES / "c03_text_of_letters/caption.json").read_text())

    result = await client.run(workflow)

    assert [output.value for output in result.outputs] == [workflow["1"]["inputs"]["text"]]
    assert len(await result.save(tmp_path)) == 1


async def test_a_model_that_is_named_letter_by_letter_is_fetched(client: Client):
    inputs = {"text": "3d/crate.obj", "key": "result"}

    result = await client.run({"1": {"class_type": "PlainText", "inputs": inputs}})

    assert await result.outputs[0].read() == CRATE


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param(["a"], ["a"], id="one-letter"),
        pytest.param(["a", "b c"], ["a", "b c"], id="a-letter-beside-a-text"),
        pytest.param(["a", "\n", "🏠"], ["a\n🏠"], id="line-ends-and-pictures-are-letters"),
        pytest.param(["a", None], ["a", None], id="a-null-is-no-letter"),
        pytest.param(["", ""], ["", ""], id="empty-texts"),
        pytest.param([], [], id="nothing"),
        pytest.param("a cat", ["a cat"], id="a-bare-text"),
        pytest.param(["1", 2], ["1", 2], id="a-number-is-no-letter"),
    ],
)
def test_letters_alone_are_put_together(entries, expected):
    assert whole_texts(entries) == expected


async def test_texts_of_several_letters_stay_several(client: Client):
    texts = {"2": "ab", "3": "cd"}
    nodes = {key: {"class_type": "PlainText", "inputs": {"text": text}} for key, text in texts.items()}

    result = await client.run(nodes)

    assert [output.value for output in result.outputs] == ["ab", "cd"]
