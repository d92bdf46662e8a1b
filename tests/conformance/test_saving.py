"""Pictures that nodes save: what they are called, what is in them, and what is written into them."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest
from PIL import Image
from tests.conformance.graphs import FOLDER, Prompt, empty, node, picture, saved
from tests.conformance.test_uploads import png, upload
from tests.server.wire import Feed, Wire


async def images(wire: Wire, feed: Feed, prompt: Prompt, **more: Any) -> list[dict[str, str]]:
    """What node 2 made."""
    prompt_id = await wire.submit(prompt, feed, **more)
    await feed.until_end(prompt_id)
    made: list[dict[str, str]] = (await wire.history(prompt_id))["outputs"]["2"]["images"]
    return made


async def opened(wire: Wire, image: dict[str, str]) -> Any:
    status, content = await wire.get("/view", params=image)
    assert status == 200
    return Image.open(io.BytesIO(content))


@pytest.fixture
def name() -> str:
    """The prefix of a series that no earlier run has begun."""
    return uuid.uuid4().hex


async def test_a_saved_picture_is_numbered_from_one_in_its_folder(wire: Wire, feed: Feed, name):
    first = await images(wire, feed, saved(name))
    second = await images(wire, feed, saved(name))

    expected = {"subfolder": FOLDER, "type": "output"}
    assert first == [{"filename": f"{name}_00001_.png", **expected}]
    assert second == [{"filename": f"{name}_00002_.png", **expected}]


async def test_the_pictures_of_a_batch_are_numbered_on(wire: Wire, feed: Feed, name):
    prompt = saved(name)
    prompt["1"]["inputs"]["batch_size"] = 3

    made = await images(wire, feed, prompt)

    assert [image["filename"] for image in made] == [f"{name}_0000{number}_.png" for number in (1, 2, 3)]


async def test_width_height_and_number_are_filled_in(wire: Wire, feed: Feed, name):
    (image,) = await images(wire, feed, saved(f"{name}-%width%x%height%-%batch_num%"))

    assert image["filename"] == f"{name}-16x8-0_00001_.png"


async def test_a_prefix_may_name_a_deeper_folder(wire: Wire, feed: Feed, name):
    (image,) = await images(wire, feed, saved(f"{name}/x"))

    assert (image["subfolder"], image["filename"]) == (f"{FOLDER}/{name}", "x_00001_.png")


async def test_a_preview_is_temporary_and_has_a_name_of_chance(wire: Wire, feed: Feed):
    (image,) = await images(wire, feed, picture())

    stem, chance, number, rest = image["filename"].rsplit("_", 3)
    assert (stem, rest) == ("ComfyUI_temp", ".png")
    # The node, and with it its prefix, may live on from the prompt before: this is not its first then.
    assert (len(number), number.isdigit()) == (5, True)
    assert (len(chance), chance.isalpha(), chance.islower()) == (5, True, True)
    assert (image["subfolder"], image["type"]) == ("", "temp")


async def test_the_colour_comes_out_as_it_went_in(wire: Wire, feed: Feed):
    (image,) = await images(wire, feed, picture(0x123456))

    made = await opened(wire, image)
    assert (made.mode, made.size, made.getcolors()) == ("RGB", (16, 8), [(128, (0x12, 0x34, 0x56))])


@pytest.mark.parametrize("make", [saved, lambda _: picture()], ids=["saved", "preview"])
async def test_prompt_and_workflow_are_written_into_a_picture(wire: Wire, feed: Feed, name, make):
    prompt = make(name)
    workflow = {"nodes": [], "title": "äöü"}
    extra = {"extra_pnginfo": {"workflow": workflow, "more": [1]}}

    (image,) = await images(wire, feed, prompt, extra_data=extra)

    texts = {key: json.loads(text) for key, text in (await opened(wire, image)).text.items()}
    assert list(texts) == ["prompt", "workflow", "more"]
    assert (texts["workflow"], texts["more"]) == (workflow, [1])
    assert texts["prompt"] == prompt


async def test_without_extra_pnginfo_only_the_prompt_is_written(wire: Wire, feed: Feed, name):
    (image,) = await images(wire, feed, saved(name))

    assert list((await opened(wire, image)).text) == ["prompt"]


async def test_the_written_prompt_says_what_had_changed_and_history_does_not(wire: Wire, feed: Feed, name):
    await upload(wire, png(), f"{name}.png")
    prompt = {
        "1": node("LoadImage", image=f"{FOLDER}/{name}.png"),
        "2": node("PreviewImage", images=["1", 0]),
    }

    (image,) = await images(wire, feed, prompt)

    written = json.loads((await opened(wire, image)).text["prompt"])
    assert set(written["1"]) == {"class_type", "inputs", "is_changed"}
    assert (await wire.get("/history"))[1].popitem()[1]["prompt"][2]["1"] == prompt["1"]


async def test_is_changed_in_a_prompt_is_believed(wire: Wire, feed: Feed, name):
    await upload(wire, png(), f"{name}.png")
    frozen = node("LoadImage", image=f"{FOLDER}/{name}.png") | {"is_changed": ["frozen"]}
    prompt = {"1": frozen, "2": node("PreviewImage", images=["1", 0])}
    before = await images(wire, feed, prompt)
    await upload(wire, png(), f"{name}.png", overwrite="true")

    assert await images(wire, feed, prompt) == before
    assert sorted(feed.of("execution_cached")[-1]["nodes"]) == ["1", "2"]


async def test_shown_texts_stand_in_the_outputs(wire: Wire, feed: Feed):
    prompt = {"1": empty(), "2": node("PreviewAny", source="a text")}

    prompt_id = await wire.submit(prompt, feed)
    await feed.until_end(prompt_id)

    assert (await wire.history(prompt_id))["outputs"] == {"2": {"text": ["a text"]}}
