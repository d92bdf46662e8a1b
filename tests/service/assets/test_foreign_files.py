"""With keys, no prompt reads a file on the ComfyUI that may be another key's."""

from typing import Any

import pytest

from comfywire.service.assets.foreign_files import ForeignFile, must_be_own
from comfywire.service.assets.input_names import FOLDER
from comfywire.service.fleet.input_kinds import InputKinds
from comfywire.workflow.object_info import ObjectInfo

STAGED = f"{FOLDER}/{'0' * 64}.png"
JOB = "7f3d2c1b-0000-4000-8000-000000000001"


def node(**inputs: Any) -> dict[str, Any]:
    return {"input": {"required": inputs}}


CATALOGUE = ObjectInfo(
    {
        "LoadImage": node(image=[["cat.png"], {"image_upload": True}]),
        "LoadImageSetFromFolderNode": node(folder=[["3d", FOLDER]]),
        "Loader": node(ckpt_name=[["a/../b.safetensors", "/models/x.safetensors"]], files=[[]]),
        "Encode": node(text=["STRING", {"multiline": True}]),
        "Load3D": node(image=["LOAD_3D", {}]),
    }
)


def check(class_type: str, name: str, value: Any) -> None:
    must_be_own({"1": {"class_type": class_type, "inputs": {name: value}}}, InputKinds([CATALOGUE]))


@pytest.mark.parametrize(
    ("class_type", "name", "value"),
    [
        pytest.param("LoadImage", "image", "x_00001_.png [output]", id="an-output"),
        pytest.param("LoadImage", "image", "x.png [temp]", id="a-preview"),
        pytest.param("LoadImage", "image", "x.pngX[output]", id="without-the-space"),
        pytest.param("LoadImage", "image", "x [output]", id="without-a-suffix"),
        pytest.param("LoadImage", "image", f"{JOB}/x.png [output]", id="of-a-job-that-is-not-theirs"),
        pytest.param("LoadImage", "image", STAGED, id="a-staged-file"),
        pytest.param("LoadImage", "image", f"{STAGED} [input]", id="a-staged-file-marked"),
        pytest.param("LoadImage", "image", f"./a/..//{STAGED}", id="a-staged-file-by-a-detour"),
        pytest.param("LoadImage", "image", STAGED.upper(), id="where-case-does-not-count"),
        pytest.param("LoadImage", "image", STAGED.replace("/", "\\"), id="a-staged-file-on-windows"),
        pytest.param("LoadImage", "image", "../output/x.png", id="up-and-over"),
        pytest.param("LoadImage", "image", "/srv/output/x.png", id="absolute"),
        pytest.param("LoadImage", "image", "C:\\output\\x.png", id="a-drive"),
        pytest.param("LoadImage", "image", ["2", 0], id="a-name-that-a-node-makes"),
        pytest.param("LoadImage", "image", {"__value__": "x.png [output]"}, id="wrapped"),
        pytest.param("LoadImageSetFromFolderNode", "folder", FOLDER, id="the-whole-folder"),
        pytest.param("Loader", "files", "x.png [output]", id="a-choice"),
        pytest.param("Loader", "files", "../output/x.png", id="a-choice-up-and-over"),
        pytest.param("Load3D", "image", {"image": "a.png", "mask": "m.png [temp]"}, id="in-an-object"),
        pytest.param("Encode", "text", "x.png [output]", id="a-text-that-is-a-file"),
        pytest.param("Encode", "text", f"input/{STAGED}", id="a-text-that-is-a-staged-file"),
        pytest.param("Pack", "path", "x.png [output]", id="a-node-that-is-not-known"),
    ],
)
def test_a_file_that_may_be_anothers_is_refused(class_type: str, name: str, value: Any):
    with pytest.raises(ForeignFile) as refused:
        check(class_type, name, value)

    assert (refused.value.code, refused.value.http_status) == ("foreign_file", 422)
    assert (refused.value.node_id, refused.value.input) == ("1", name)


@pytest.mark.parametrize(
    ("class_type", "name", "value"),
    [
        pytest.param("LoadImage", "image", "cat.png", id="a-file-of-the-server"),
        pytest.param("LoadImage", "image", "pets/cat.png [input]", id="in-a-folder"),
        pytest.param("LoadImage", "image", f"pets/{FOLDER}.png", id="a-file-called-like-the-folder"),
        pytest.param("LoadImage", "image", {"__type": "core/ASSET", "info": {"id": JOB}}, id="an-asset"),
        pytest.param("Loader", "ckpt_name", "a/../b.safetensors", id="a-model-that-is-listed"),
        pytest.param("Loader", "ckpt_name", "/models/x.safetensors", id="a-model-listed-by-its-path"),
        pytest.param("Loader", "ckpt_name", "sub/y.safetensors", id="a-model-that-is-waited-for"),
        pytest.param("Encode", "text", "a cat [output]", id="a-sentence"),
        pytest.param("Encode", "text", "/imagine ../ cats", id="a-sentence-with-slashes"),
        pytest.param("Encode", "text", f"{FOLDER}/is fine", id="a-sentence-about-us"),
        pytest.param("Encode", "text", "first\nx.png [output]", id="several-lines"),
        pytest.param("Encode", "text", ["2", 0], id="a-text-that-a-node-makes"),
        pytest.param("Encode", "steps", 3, id="a-number"),
    ],
)
def test_what_reads_nobodys_file_is_left_alone(class_type: str, name: str, value: Any):
    check(class_type, name, value)
