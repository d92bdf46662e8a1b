"""Stand-ins for node classes that only a real server has; test_server.py has the first of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.server.wire import Wire, text_to_image

from comfywire.server import Server


def entry(name: str, output: list[Any], **more: Any) -> dict[str, Any]:
    inputs = more.pop("inputs", {})
    return {
        "input": {"required": inputs, "hidden": {"prompt": ["PROMPT"], "unique_id": "UNIQUE_ID"}},
        "input_order": {"required": list(inputs)},
        "output": output,
        "output_is_list": [False] * len(output),
        "output_name": output,
        "name": name,
        "display_name": name,
        "python_module": "custom_nodes.somewhere",
        "category": "elsewhere",
        "output_node": False,
        **more,
    }


def known(*entries: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each for each in entries}


async def shown(object_info: dict[str, Any], prompt: dict[str, Any]) -> Any:
    async with Server(object_info=object_info) as server, Wire(server.url) as wire:
        prompt_id = await wire.submit(prompt)
        await server.until_done(prompt_id)
        history = await wire.history(prompt_id)
        assert history["status"]["status_str"] == "success", history["status"]["messages"]
        return history["outputs"]


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


async def test_a_stand_in_says_of_itself_what_the_real_one_says():
    real = entry("Elsewhere", ["IMAGE"], description="far", output_tooltips=["a picture"], deprecated=True)

    async with Server(object_info=known(real)) as server, Wire(server.url) as wire:
        assert (await wire.get("/object_info/Elsewhere"))[1] == {"Elsewhere": real}


SAVERS = {
    "IMAGE": ("SaveImage", "images", {}),
    "LATENT": ("SaveLatent", "samples", {}),
    "AUDIO": ("SaveAudio", "audio", {}),
    "VIDEO": ("SaveVideo", "video", {"format": "auto", "codec": "auto"}),
    "SVG": ("SaveSVGNode", "svg", {}),
    "MASK": ("MaskPreview", "mask", {}),
}


@pytest.mark.parametrize("kind", SAVERS)
async def test_what_a_stand_in_makes_up_can_be_saved(kind):
    saver, field, more = SAVERS[kind]
    prompt = {
        "1": node("MakeSomething"),
        "2": node(saver, **{field: ["1", 0]}, filename_prefix="x", **more),
    }

    outputs = await shown(known(entry("MakeSomething", [kind])), prompt)

    (files,) = (value for key, value in outputs["2"].items() if key != "animated")
    assert len(files) == 1


async def test_what_a_stand_in_makes_up_leads_a_sampler():
    prompt = text_to_image()
    kinds = ["NOISE", "GUIDER", "SAMPLER", "SIGMAS", "CONDITIONING"]
    names = ("noise", "guider", "sampler", "sigmas")
    links = {name: ["1", slot] for slot, name in enumerate(names)}
    prompt["1"] = node("MakeParts")
    prompt["3"] = node("SamplerCustomAdvanced", **links, latent_image=["5", 0])
    prompt["7"] = node("ConditioningZeroOut", conditioning=["1", 4])

    outputs = await shown(known(entry("MakeParts", kinds)), prompt)

    assert len(outputs["9"]["images"]) == 1


async def test_positive_and_negative_stay_apart():
    passing = entry(
        "Both", ["INT", "INT"], inputs={"positive": ["INT", {}], "negative": ["INT", {}], "seed": ["INT", {}]}
    )
    prompt = {
        "1": node("Both", positive=1, negative=2, seed=3),
        "2": node("PreviewAny", source=["1", 1]),
    }

    assert await shown(known(passing), prompt) == {"2": {"text": ["2"]}}


async def test_lists_go_in_and_come_out():
    listing = entry("Split", ["INT"], inputs={"value": ["INT", {}]}, output_is_list=[True])
    gathering = entry("Gather", ["INT"], inputs={"value": ["INT", {}]}, is_input_list=True)
    prompt = {
        "1": node("Split", value=5),
        "2": node("Gather", value=["1", 0]),
        "3": node("PreviewAny", source=["2", 0]),
    }

    assert await shown(known(listing, gathering), prompt) == {"3": {"text": ["5"]}}


async def test_models_that_the_real_server_has_are_offered_here():
    checkpoints = {"ckpt_name": [["mine.safetensors"], {}]}
    real = entry("CheckpointLoaderSimple", ["MODEL", "CLIP", "VAE"], inputs=checkpoints)
    upscalers = {"model_name": ["COMBO", {"options": ["mine.pth"]}]}
    other = entry("UpscaleModelLoader", ["UPSCALE_MODEL"], inputs=upscalers)
    prompt = text_to_image()
    prompt["4"]["inputs"]["ckpt_name"] = "mine.safetensors"

    outputs = await shown(known(real, other), prompt)

    assert len(outputs["9"]["images"]) == 1
    async with Server(object_info=known(real, other)) as server, Wire(server.url) as wire:
        _, info = await wire.get("/object_info/UpscaleModelLoader")
        assert info["UpscaleModelLoader"]["input"]["required"]["model_name"][1]["options"][0] == "mine.pth"
