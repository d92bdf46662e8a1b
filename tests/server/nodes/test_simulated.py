from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.server.wire import Feed, Wire, text_to_image

from comfywire.server import Server
from comfywire.server.nodes.catalogue import NODES
from comfywire.server.nodes.placeholder import Drawing
from comfywire.server.nodes.simulated import PassingNode

Prompt = dict[str, Any]
BOTH = pytest.mark.parametrize("profile", ["0.3.64", "0.33.0"])


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def with_picture(prompt: Prompt, mode: str = "RGB") -> bytes:
    """Begin with a picture; where it is RGBA, its left half is transparent: masked."""
    prompt["10"] = node("LoadImage", image="x.png")
    image = Image.new(mode, (64, 64), (255, 0, 0, 255)[: len(mode)])
    if mode == "RGBA":
        image.paste((255, 0, 0, 0), (0, 0, 32, 64))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def image_to_image(prompt: Prompt) -> bytes:
    prompt["5"] = node("VAEEncode", pixels=["10", 0], vae=["4", 2])
    prompt["3"]["inputs"]["denoise"] = 0.5
    return with_picture(prompt)


def inpainting(prompt: Prompt) -> bytes:
    prompt["5"] = node("VAEEncodeForInpaint", pixels=["10", 0], vae=["4", 2], mask=["10", 1], grow_mask_by=2)
    prompt["4"]["inputs"]["ckpt_name"] = "512-inpainting-ema.safetensors"
    return with_picture(prompt, "RGBA")


def inpainting_model(prompt: Prompt) -> bytes:
    links: dict[str, Any] = {"positive": ["6", 0], "negative": ["7", 0], "vae": ["4", 2]}
    inputs = {"pixels": ["10", 0], "mask": ["10", 1], "noise_mask": True}
    prompt["5"] = node("InpaintModelConditioning", **links, **inputs)
    prompt["3"]["inputs"] |= {"positive": ["5", 0], "negative": ["5", 1], "latent_image": ["5", 2]}
    return with_picture(prompt, "RGBA")


def masked_latent(prompt: Prompt) -> bytes:
    prompt["11"] = node("VAEEncode", pixels=["10", 0], vae=["4", 2])
    prompt["5"] = node("SetLatentNoiseMask", samples=["11", 0], mask=["10", 1])
    return with_picture(prompt, "RGBA")


def control_net(prompt: Prompt) -> bytes:
    prompt["11"] = node("ControlNetLoader", control_net_name="control_v11p_sd15_scribble_fp16.safetensors")
    links = {"positive": ["6", 0], "negative": ["7", 0], "control_net": ["11", 0], "image": ["10", 0]}
    reach = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0}
    prompt["12"] = node("ControlNetApplyAdvanced", **links, **reach)
    prompt["3"]["inputs"] |= {"positive": ["12", 0], "negative": ["12", 1]}
    return with_picture(prompt)


def lora(prompt: Prompt) -> bytes:
    strength = {"lora_name": "MoXinV1.safetensors", "strength_model": 0.8, "strength_clip": 1.0}
    prompt["11"] = node("LoraLoader", model=["4", 0], clip=["4", 1], **strength)
    prompt["12"] = node("CLIPSetLastLayer", clip=["11", 1], stop_at_clip_layer=-2)
    prompt["3"]["inputs"]["model"] = ["11", 0]
    prompt["6"]["inputs"]["clip"] = ["12", 0]
    return b""


def upscaling(prompt: Prompt) -> bytes:
    prompt["11"] = node("UpscaleModelLoader", model_name="RealESRGAN_x4plus.safetensors")
    prompt["12"] = node("ImageUpscaleWithModel", upscale_model=["11", 0], image=["8", 0])
    prompt["9"]["inputs"]["images"] = ["12", 0]
    return b""


def two_passes(prompt: Prompt) -> bytes:
    sizes = {"upscale_method": "bislerp", "width": 128, "height": 128, "crop": "disabled"}
    prompt["11"] = node("LatentUpscale", samples=["3", 0], **sizes)
    second = {**prompt["3"]["inputs"], "latent_image": ["11", 0], "denoise": 0.5, "seed": 6}
    prompt["12"] = node("KSampler", **second)
    prompt["8"]["inputs"]["samples"] = ["12", 0]
    return b""


def flux(prompt: Prompt) -> bytes:
    """Every part a node of its own, as in the templates for Flux."""
    names = {"clip_name1": "t5xxl_fp16.safetensors", "clip_name2": "clip_l.safetensors"}
    parts = {"noise": ["11", 0], "guider": ["12", 0], "sampler": ["13", 0], "sigmas": ["14", 0]}
    prompt |= {
        "3": node("SamplerCustomAdvanced", **parts, latent_image=["5", 0]),
        "4": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
        "5": node("EmptySD3LatentImage", width=64, height=64, batch_size=1),
        "6": node("CLIPTextEncode", text="a lighthouse", clip=["15", 0]),
        "7": node("FluxGuidance", conditioning=["6", 0], guidance=3.5),
        "8": node("VAEDecode", samples=["3", 0], vae=["16", 0]),
        "11": node("RandomNoise", noise_seed=7),
        "12": node("BasicGuider", model=["4", 0], conditioning=["7", 0]),
        "13": node("KSamplerSelect", sampler_name="euler"),
        "14": node("BasicScheduler", model=["4", 0], scheduler="simple", steps=3, denoise=1.0),
        "15": node("DualCLIPLoader", **names, type="flux"),
        "16": node("VAELoader", vae_name="ae.safetensors"),
    }
    return b""


TEMPLATES = (
    image_to_image,
    inpainting,
    inpainting_model,
    masked_latent,
    control_net,
    lora,
    upscaling,
    two_passes,
    flux,
)


async def finish(server: Server, wire: Wire, prompt: Prompt, picture: bytes = b"") -> Any:
    """Run a prompt that succeeds; return the picture that it saved."""
    if picture:
        (server.folder / "input/x.png").write_bytes(picture)
    prompt_id = await wire.submit(prompt)
    await server.until_done(prompt_id)
    entry = await wire.history(prompt_id)
    assert entry["status"]["status_str"] == "success", entry["status"]["messages"]
    _, content = await wire.get("/view", params=entry["outputs"]["9"]["images"][0])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@BOTH
@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.__name__)
async def test_the_templates_people_start_from_run_from_end_to_end(profile, template):
    prompt = text_to_image(size=64)
    picture = template(prompt)

    async with Server(profile=profile) as server, Wire(server.url) as wire:
        plain = await finish(server, wire, text_to_image(size=64))
        changed = await finish(server, wire, prompt, picture)

    assert changed.shape == {"upscaling": (256, 256, 3), "two_passes": (128, 128, 3)}.get(
        template.__name__, (64, 64, 3)
    )
    assert changed.shape != plain.shape or not np.array_equal(changed, plain)


@pytest.mark.parametrize(
    "template", [inpainting, inpainting_model, masked_latent], ids=lambda each: each.__name__
)
async def test_inpainting_leaves_what_the_mask_does_not_cover(server: Server, wire: Wire, template):
    prompt = text_to_image("", size=64)
    drawn = await finish(server, wire, prompt, template(prompt))

    assert (drawn[:48, 40:] == (255, 0, 0)).all()
    assert not (drawn[:48, :24] == (255, 0, 0)).all(axis=-1).any()


def test_a_mask_grows_by_so_many_pixels(server):
    mask = np.zeros((1, 16, 16), dtype=np.float32)
    mask[0, 8, 8] = 1
    pixels = np.ones((1, 16, 16, 3), dtype=np.float32)

    encode = server.life.classes["VAEEncodeForInpaint"]().execute
    (latent,) = encode(vae=None, pixels=pixels, mask=mask, grow_mask_by=4)

    rows, columns = np.nonzero(latent["noise_mask"][0, 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 10, 7, 10)


@pytest.mark.parametrize(
    ("name", "factor"), [("RealESRGAN_x2.pth", 2), ("4x-UltraSharp.pth", 4), ("model.pth", 4), ("x16.pth", 4)]
)
def test_a_model_scales_as_its_name_says(server, name, factor):
    (model,) = server.life.classes["UpscaleModelLoader"]().execute(model_name=name)
    image = np.zeros((1, 8, 12, 3), dtype=np.float32)

    (scaled,) = server.life.classes["ImageUpscaleWithModel"]().execute(upscale_model=model, image=image)

    assert scaled.shape == (1, 8 * factor, 12 * factor, 3)


def test_an_upscaled_picture_says_that_no_model_made_it(server):
    (model,) = server.life.classes["UpscaleModelLoader"]().execute(model_name="x1.pth")
    image = np.zeros((1, 200, 300, 3), dtype=np.float32)

    (scaled,) = server.life.classes["ImageUpscaleWithModel"]().execute(upscale_model=model, image=image)

    assert scaled[0, :180].max() == 0
    assert scaled[0, 180:].max() > 0.9


@pytest.mark.parametrize(
    ("start", "end", "steps"), [(0, 2, [(1, 2), (2, 2)]), (2, 10000, [(1, 1)]), (5, 9, [])]
)
async def test_an_advanced_sampler_takes_the_steps_that_it_is_told(wire: Wire, feed: Feed, start, end, steps):
    prompt = text_to_image(size=64, steps=3)
    inputs = prompt["3"]["inputs"]
    inputs |= {
        "noise_seed": inputs.pop("seed"),
        "add_noise": "enable",
        "return_with_leftover_noise": "disable",
    }
    inputs |= {"start_at_step": start, "end_at_step": end}
    del inputs["denoise"]
    prompt["3"]["class_type"] = "KSamplerAdvanced"
    await feed.until_end(await wire.submit(prompt, feed))

    assert [(data["value"], data["max"]) for data in feed.of("progress")] == steps


def test_what_was_sampled_twice_with_little_denoise_looks_like_the_first_time():
    first = Drawing("a lighthouse", 7)
    pictures = {
        share: np.asarray(Drawing("a tower", 8, under=first, denoise=share).picture((64, 48)), dtype=float)[
            :30
        ]
        for share in (0.1, 0.9)
    }

    before = np.asarray(first.picture((64, 48)), dtype=float)[:30]
    assert abs(pictures[0.1] - before).mean() < abs(pictures[0.9] - before).mean() / 4


def test_pictures_that_are_chosen_from_a_batch_are_the_same_as_in_it(server):
    classes = server.life.classes
    latent = {"samples": np.zeros((3, 4, 8, 8), dtype=np.float32), "drawing": Drawing("x", 1)}
    decode = classes["VAEDecode"]().decode

    (batch,) = decode(vae=None, samples=latent)
    (chosen,) = classes["LatentFromBatch"]().execute(samples=latent, batch_index=1, length=2)

    np.testing.assert_array_equal(decode(vae=None, samples=chosen)[0], batch[1:])


def test_a_videos_latent_is_decoded_to_frames_that_move(server):
    samples = {"samples": np.zeros((1, 16, 3, 8, 8), dtype=np.float32), "drawing": Drawing("x", 1)}

    (frames,) = server.life.classes["VAEDecode"]().decode(vae=None, samples=samples)

    assert frames.shape == (9, 64, 64, 3)
    assert len({frame.tobytes() for frame in frames}) == 9


def test_prompts_are_put_together(server):
    classes = server.life.classes
    one: Any = [("a", {})]
    two: Any = [("b", {})]

    assert classes["ConditioningCombine"]().execute(one, two) == ([("a", {}), ("b", {})],)
    assert classes["ConditioningConcat"]().execute(one, two) == ([("a b", {})],)
    assert classes["ConditioningAverage"]().execute(one, two, 0.2) == (two,)
    assert classes["ConditioningZeroOut"]().execute(one) == ([("", {})],)


def test_of_several_texts_the_first_that_says_something_counts(server):
    encode = server.life.classes["CLIPTextEncodeFlux"]().execute

    assert encode(clip=None, clip_l="short", t5xxl="", guidance=3.5) == ([("short", {})],)


@pytest.mark.parametrize("denoise", [1.0, 0.5, 0.0])
def test_a_models_schedule_is_simulated_by_a_line(server, denoise):
    (sigmas,) = server.life.classes["BasicScheduler"]().execute(steps=4, denoise=denoise, model=None)

    assert (
        sigmas.tolist()
        == {
            1.0: [1.0, 0.75, 0.5, 0.25, 0.0],
            0.5: [0.5, 0.375, 0.25, 0.125, 0.0],
            0.0: [],
        }[denoise]
    )


async def test_a_song_is_a_tone_as_long_as_it_was_asked_for(server: Server, wire: Wire):
    prompt = text_to_image(size=64)
    prompt["5"] = node("EmptyAceStepLatentAudio", seconds=2.0, batch_size=1)
    prompt["6"] = node("TextEncodeAceStepAudio", clip=["4", 1], tags="pop", lyrics="la", lyrics_strength=1.0)
    prompt["8"] = node("VAEDecodeAudio", samples=["3", 0], vae=["4", 2])
    prompt["9"] = node("PreviewAudio", audio=["8", 0])
    prompt_id = await wire.submit(prompt)
    await server.until_done(prompt_id)

    (entry,) = (await wire.history(prompt_id))["outputs"]["9"]["audio"]
    (sound,) = server.life.classes["LoadAudio"]().execute(f"{entry['filename']} [temp]")
    assert abs(sound["waveform"].shape[2] / sound["sample_rate"] - 2.0) < 0.1


@BOTH
async def test_the_server_says_that_its_models_are_simulated(profile):
    async with Server(profile=profile) as server, Wire(server.url) as wire:
        _, stats = await wire.get("/system_stats")

    assert stats["devices"][0]["name"] == "cpu (models are simulated by comfywire)"


KINDS = ("CONDITIONING", "LATENT", "IMAGE", "SIGMAS", "NOISE")  # what is more than a name to other nodes
PASSING = [name for name, each in NODES.items() if issubclass(each, PassingNode)]


@pytest.mark.parametrize("name", PASSING)
def test_what_others_look_into_is_handed_on_and_not_made_up(server, name):
    node = server.life.classes[name]
    specs = node.INPUTS["required"].items()
    given = {key: f"a {spec[0]}" for key, spec in specs if spec[0] in KINDS}

    made = dict(zip(node.RETURN_TYPES, node().execute(**given), strict=True))

    assert {kind: value for kind, value in made.items() if kind in KINDS and value != f"a {kind}"} == {}
