"""POST /upload/image and /upload/mask: where files go, what they are called, and that nodes find them."""

from __future__ import annotations

import io
import json
import random
import uuid
from typing import Any

import aiohttp
import pytest
from PIL import Image
from tests.conformance.graphs import FOLDER, node
from tests.server.wire import Feed, Wire


def png(mode: str = "RGB", *, size: tuple[int, int] = (8, 4)) -> bytes:
    """A picture in a colour that no other has."""
    colour = tuple(random.randrange(256) for _ in mode)
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def name() -> str:
    """A file name that no earlier run has left."""
    return f"{uuid.uuid4()}.png"


async def upload(
    wire: Wire,
    content: bytes | str,
    filename: str | None,
    *,
    route: str = "/upload/image",
    subfolder: str = FOLDER,
    **fields: str,
) -> tuple[int, Any]:
    form = aiohttp.FormData()
    for key, value in {"subfolder": subfolder, **fields}.items():
        form.add_field(key, value)
    if filename is not None:
        form.add_field("image", content, filename=filename, content_type="image/png")
    async with wire.session.post(route, data=form) as reply:
        return reply.status, await (reply.json() if "json" in reply.content_type else reply.read())


async def view(wire: Wire, answer: dict[str, str], **more: str) -> bytes:
    query = {"filename": answer["name"], "subfolder": answer["subfolder"], "type": answer["type"], **more}
    status, content = await wire.get("/view", params=query)
    assert status == 200
    seen: bytes = content
    return seen


async def test_an_upload_is_answered_with_its_name_and_can_be_viewed(wire: Wire, name):
    content = png()

    status, answer = await upload(wire, content, name)

    assert status == 200
    assert {key: answer[key] for key in ("name", "subfolder", "type")} == {
        "name": name,
        "subfolder": FOLDER,
        "type": "input",
    }
    assert await view(wire, answer) == content


@pytest.mark.parametrize("kind", ["input", "output", "temp"])
async def test_a_type_chooses_the_folder(wire: Wire, name, kind):
    content = png()

    status, answer = await upload(wire, content, name, type=kind)

    assert (status, answer["type"]) == (200, kind)
    assert await view(wire, answer) == content


async def test_any_kind_of_file_is_taken(wire: Wire):
    status, answer = await upload(wire, b"no picture", f"{uuid.uuid4()}.txt")

    assert status == 200
    assert await view(wire, answer) == b"no picture"


async def test_the_same_file_again_keeps_its_name(wire: Wire, name):
    content = png()
    await upload(wire, content, name)

    assert (await upload(wire, content, name))[1]["name"] == name


async def test_other_files_of_that_name_are_numbered(wire: Wire, name):
    first, second, third = png(), png(), png()
    stem = name.removesuffix(".png")

    names = [(await upload(wire, one, name))[1]["name"] for one in (first, second, third, second, first)]

    assert names == [name, f"{stem} (1).png", f"{stem} (2).png", f"{stem} (1).png", name]


@pytest.mark.parametrize("word", ["true", "1"])
async def test_overwrite_replaces_the_file(wire: Wire, name, word):
    new = png()
    await upload(wire, png(), name)

    _, answer = await upload(wire, new, name, overwrite=word)

    assert answer["name"] == name
    assert await view(wire, answer) == new


@pytest.mark.parametrize("word", ["false", "yes", "True", "0", ""])
async def test_any_other_word_does_not_overwrite(wire: Wire, name, word):
    old = png()
    await upload(wire, old, name)

    _, answer = await upload(wire, png(), name, overwrite=word)

    assert answer["name"] != name
    assert await view(wire, {**answer, "name": name}) == old


@pytest.mark.parametrize("subfolder", [f"{FOLDER}/deeper/still", f"{FOLDER}//other"])
async def test_a_subfolder_is_made_and_told_as_it_was_sent(wire: Wire, name, subfolder):
    content = png()

    _, answer = await upload(wire, content, name, subfolder=subfolder)

    assert answer["subfolder"] == subfolder
    assert await view(wire, answer) == content


@pytest.mark.parametrize("subfolder", ["..", "../..", f"{FOLDER}/../..", "/tmp"])
async def test_a_subfolder_outside_is_a_400(wire: Wire, name, subfolder):
    assert await upload(wire, png(), name, subfolder=subfolder) == (400, b"")


@pytest.mark.parametrize(
    ("filename", "fields", "expected"),
    [
        pytest.param(None, {}, 400, id="no-image"),
        pytest.param("", {}, 500, id="no-name"),
        pytest.param("../../x.png", {"subfolder": ""}, 200, id="slashes-are-kept-encoded"),
        pytest.param("x.png", {"type": "models"}, 500, id="unknown-type"),
        pytest.param(None, {"image": "text"}, 500, id="image-is-text"),
    ],
)
async def test_odd_uploads_get_their_status(wire: Wire, caplog, filename, fields, expected):
    caplog.set_level("CRITICAL", logger="aiohttp.server")

    status, _ = await upload(wire, png(), filename, **fields)

    assert status == expected


@pytest.mark.parametrize("where", ["subfolder", "annotation"])
async def test_nodes_find_what_was_uploaded(wire: Wire, feed: Feed, name, where):
    kind = "input" if where == "subfolder" else "temp"
    content = png(size=(7, 5))
    _, answer = await upload(wire, content, name, type=kind)
    reference = f"{FOLDER}/{answer['name']}" + ("" if where == "subfolder" else " [temp]")
    prompt = {"1": node("LoadImage", image=reference), "2": node("PreviewImage", images=["1", 0])}

    prompt_id = await wire.submit(prompt, feed)
    await feed.until_end(prompt_id)

    (image,) = (await wire.history(prompt_id))["outputs"]["2"]["images"]
    _, made = await wire.get("/view", params=image)
    assert pixels(made) == pixels(content)


async def test_a_file_that_was_overwritten_is_loaded_anew(wire: Wire, feed: Feed, name):
    prompt = {
        "1": node("LoadImage", image=f"{FOLDER}/{name}"),
        "2": node("PreviewImage", images=["1", 0]),
    }
    await upload(wire, png(), name)
    await feed.until_end(await wire.submit(prompt, feed))
    new = png()
    await upload(wire, new, name, overwrite="true")

    prompt_id = await wire.submit(prompt, feed)
    await feed.until_end(prompt_id)

    (image,) = (await wire.history(prompt_id))["outputs"]["2"]["images"]
    assert pixels((await wire.get("/view", params=image))[1]) == pixels(new)


def pixels(content: bytes, mode: str = "RGB") -> tuple[tuple[int, int], bytes]:
    with Image.open(io.BytesIO(content)) as image:
        return image.size, image.convert(mode).tobytes()


async def masked(wire: Wire, name: str, original: dict[str, str] | None, **fields: str) -> tuple[int, Any]:
    if original is not None:
        fields["original_ref"] = json.dumps(original)
    return await upload(wire, png("RGBA"), name, route="/upload/mask", **fields)


async def test_a_masks_alpha_is_put_on_the_original(wire: Wire, name):
    content = png()
    _, original = await upload(wire, content, name)
    reference = {"filename": original["name"], "subfolder": FOLDER, "type": "input"}
    mask = png("RGBA")
    alpha = Image.open(io.BytesIO(mask)).getchannel("A").tobytes()

    status, answer = await upload(
        wire, mask, f"mask-{name}", route="/upload/mask", original_ref=json.dumps(reference)
    )
    made = Image.open(io.BytesIO(await view(wire, answer)))

    assert (status, answer["type"], made.mode) == (200, "input", "RGBA")
    assert made.getchannel("A").tobytes() == alpha
    assert made.convert("RGB").tobytes() == pixels(content)[1]


async def test_a_mask_for_an_original_that_is_not_there_is_answered_as_if_it_were(wire: Wire, name):
    missing = {"filename": f"not-{name}", "subfolder": FOLDER, "type": "input"}

    status, answer = await masked(wire, name, missing)

    assert (status, answer["name"]) == (200, name)
    assert (await wire.get("/view", params={"filename": name, "subfolder": FOLDER, "type": "input"}))[
        0
    ] == 404


async def test_a_mask_without_an_original_is_a_500(wire: Wire, name, caplog):
    caplog.set_level("CRITICAL", logger="aiohttp.server")

    assert (await masked(wire, name, None))[0] == 500


async def test_a_body_over_the_limit_is_413(wire: Wire):
    _, features = await wire.get("/features")
    megabytes = features["max_upload_size"] // 1024**2

    async def body():
        for _ in range(megabytes + 1):
            yield bytes(1024**2)

    async with wire.session.post("/queue", data=body()) as reply:
        assert (reply.status, reply.content_type) == (413, "text/plain")
