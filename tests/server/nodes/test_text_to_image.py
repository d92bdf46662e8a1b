from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image
from tests.server.wire import Feed, Wire, text_to_image

from comfywire.server import Server
from comfywire.server.nodes.placeholder import Drawing


def pixels(drawing: Drawing) -> bytes:
    return drawing.picture((96, 64)).tobytes()


def test_the_same_text_and_seed_draw_the_same_picture():
    assert pixels(Drawing("a lighthouse", 7)) == pixels(Drawing("a lighthouse", 7))


@pytest.mark.parametrize("other", [Drawing("a lighthouse", 8), Drawing("a tower", 7)], ids=["seed", "text"])
def test_another_text_or_seed_draws_another_picture(other):
    assert pixels(Drawing("a lighthouse", 7)) != pixels(other)


def test_little_denoise_leaves_the_picture_that_was_encoded():
    base = np.full((1, 64, 96, 3), 0.5, dtype=np.float32)

    light, strong = (
        np.asarray(Drawing(base=base, denoise=denoise).picture((96, 64)), dtype=float)[:40]
        for denoise in (0.1, 0.9)
    )

    assert abs(light - 127).mean() < abs(strong - 127).mean() / 4


def test_a_text_of_any_length_fits():
    picture = Drawing("word " * 400 + "unbreakable" * 60).picture((64, 64))

    assert picture.size == (64, 64)


async def test_a_picture_comes_out_at_the_size_that_was_asked_for(server: Server, wire: Wire, feed: Feed):
    prompt_id = await wire.submit(text_to_image(size=128), feed)
    await feed.until_end(prompt_id)

    entry = await wire.history(prompt_id)
    _, content = await wire.get("/view", params=entry["outputs"]["9"]["images"][0])

    assert Image.open(io.BytesIO(content)).size == (128, 128)
    assert [(data["value"], data["max"]) for data in feed.of("progress")] == [(1, 3), (2, 3), (3, 3)]


async def test_each_step_has_a_preview_no_larger_than_512(server: Server, wire: Wire, feed: Feed):
    await feed.until_end(await wire.submit(text_to_image(), feed))

    sizes = [Image.open(io.BytesIO(frame[8:])).size for frame in feed.frames]

    assert sizes == [(512, 512)] * 3
    assert {frame[:8] for frame in feed.frames} == {b"\x00\x00\x00\x01\x00\x00\x00\x01"}


async def test_a_batch_has_a_seed_for_each_picture(server: Server, wire: Wire):
    prompt = text_to_image()
    prompt["5"]["inputs"]["batch_size"] = 2
    prompt_id = await wire.submit(prompt)
    await server.until_done(prompt_id)

    contents = {path.read_bytes() for path in (server.folder / "output").iterdir()}

    assert len(contents) == 2


async def test_previews_can_be_off():
    async with Server(previews=False) as server, Wire(server.url) as wire:
        feed = await wire.feed()
        await feed.until_end(await wire.submit(text_to_image(), feed))

    assert feed.frames == []
    assert len(feed.of("progress")) == 3


async def test_each_step_takes_step_time():
    async with Server(step_time=0.05, previews=False) as server, Wire(server.url) as wire:
        begin = time.monotonic()
        await server.until_done(await wire.submit(text_to_image(steps=3)))

    assert time.monotonic() - begin >= 0.15


async def test_a_step_is_cut_short_by_an_interrupt():
    async with Server(step_time=60) as server, Wire(server.url) as wire:
        prompt_id = await wire.submit(text_to_image())
        await server.until_executing(prompt_id, "3")

        await wire.post("/interrupt")
        await server.until_done(prompt_id)

        assert server.runs(prompt_id)[0].how == "interrupted"


async def test_an_encoded_picture_is_drawn_over(server: Server, wire: Wire):
    Image.new("RGB", (64, 64), "red").save(server.folder / "input/x.png")
    prompt = text_to_image()
    prompt["1"] = {"class_type": "LoadImage", "inputs": {"image": "x.png"}}
    prompt["5"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["1", 0], "vae": ["4", 2]}}
    prompt["3"]["inputs"]["denoise"] = 0.0

    await server.until_done(await wire.submit(prompt))

    with Image.open(server.folder / "output/test_00001_.png") as drawn:
        assert drawn.getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("profile", "method", "are_there"),
    [
        ("0.33.0", "none", False),
        ("0.33.0", "latent2rgb", True),
        ("0.33.0", "nosuch", True),
        ("0.33.0", None, True),
        ("0.3.64", "none", True),
    ],
)
async def test_a_prompt_chooses_its_previews_on_newer_servers(profile, method, are_there):
    async with Server(profile=profile) as server, Wire(server.url) as wire:
        feed = await wire.feed()
        extra_data = {} if method is None else {"preview_method": method}

        await feed.until_end(await wire.submit(text_to_image(), feed, extra_data=extra_data))

        assert bool(feed.frames) is are_there
