"""Which inputs take files: by the server's catalogue, and by the packaged one where no server is known."""

from typing import Any

import pytest

from comfywire.service.fleet.input_kinds import InputKind, InputKinds
from comfywire.workflow.object_info import ObjectInfo

FILE, CHOICE, TEXT = InputKind.FILE, InputKind.CHOICE, InputKind.TEXT


def node(**inputs: Any) -> dict[str, Any]:
    return {"input": {"required": inputs}}


CATALOGUE = {
    "LoadImage": node(image=[["cat.png", "dog.png"], {"image_upload": True}]),
    "LoadVideo": node(file=["COMBO", {"options": ["film.mp4"], "video_upload": True}]),
    "Sound": node(audio=[["a.wav"], {"audio_upload": True}]),
    "Mesh": node(model_file=["COMBO", {"options": ["none", "3d/x.glb"], "file_upload": True}]),
    "Gif": node(image=[[], {"animated_image_upload": True}]),
    "Painter": node(mask=["STRING", {"widgetType": "PAINTER", "image_upload": True}]),
    "Lister": node(
        file=[["None", "dog.png", "film.mp4"]],
        model=[["sd.safetensors"]],
        mixed=[["dog.png", "fixed"]],
        empty=[[]],
        text=["STRING", {"multiline": True}],
        line=["STRING", {}],
        steps=["INT", {}],
        camera=["WEBCAM", {}],
    ),
}


@pytest.mark.parametrize(
    ("class_type", "name", "kind"),
    [
        pytest.param("LoadImage", "image", FILE, id="a-picture-is-uploaded"),
        pytest.param("LoadVideo", "file", FILE, id="a-film"),
        pytest.param("Sound", "audio", FILE, id="sound"),
        pytest.param("Mesh", "model_file", FILE, id="a-mesh"),
        pytest.param("Gif", "image", FILE, id="an-animation"),
        pytest.param("Painter", "mask", FILE, id="a-text-with-an-upload-button"),
        pytest.param("Lister", "file", FILE, id="a-choice-among-the-input-folders-files"),
        pytest.param("Lister", "model", CHOICE, id="a-choice-among-models"),
        pytest.param("Lister", "mixed", CHOICE, id="a-choice-among-files-and-others"),
        pytest.param("Lister", "empty", CHOICE, id="no-choice"),
        pytest.param("Lister", "camera", CHOICE, id="another-type"),
        pytest.param("Lister", "nothing", TEXT, id="an-input-that-is-not-known"),
        pytest.param("Lister", "text", TEXT, id="text"),
        pytest.param("Lister", "line", TEXT, id="a-line"),
        pytest.param("Nobody", "x", TEXT, id="a-node-that-is-not-known"),
        pytest.param("LoadLatent", "latent", FILE, id="latents-have-no-button"),
        pytest.param("LoadImageMask", "image", FILE, id="of-the-packaged-catalogue"),
    ],
)
def test_the_kind_of_an_input_is_what_a_server_says(class_type: str, name: str, kind: InputKind):
    assert InputKinds([ObjectInfo(CATALOGUE)]).kind(class_type, name) is kind


def test_without_a_server_the_packaged_catalogue_says():
    kinds = InputKinds()

    assert kinds.kind("LoadImage", "image") is FILE
    assert kinds.kind("CLIPTextEncode", "text") is TEXT


def test_one_server_that_takes_an_input_for_a_file_is_enough():
    other = ObjectInfo({"Lister": node(text=[["cat.png"], {"image_upload": True}])})

    assert InputKinds([ObjectInfo(CATALOGUE), other]).kind("Lister", "text") is FILE


def test_a_server_that_has_the_node_outweighs_the_packaged_catalogue():
    kinds = InputKinds([ObjectInfo({"LoadImage": node(image=["STRING", {}])})])

    assert kinds.kind("LoadImage", "image") is TEXT
