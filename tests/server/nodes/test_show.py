from __future__ import annotations

import io

import pytest
from PIL import Image
from tests.server.wire import Feed, Wire, image

from comfywire.server import Server
from comfywire.server.nodes.show import _spelled


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (True, "True"),
        (1.5, "1.5"),
        (None, "None"),
        ({"a": [1]}, '{"a": [1]}'),
        ({1}, "{1}"),
    ],
    ids=str,
)
def test_any_value_is_shown_as_text(value, text):
    assert _spelled(value) == text


async def test_previewed_text_is_in_history(server: Server, wire: Wire):
    prompt = {
        "1": {"class_type": "StubInt", "inputs": {"value": 42}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    prompt_id = await wire.submit(prompt)
    await server.until_done(prompt_id)

    assert (await wire.history(prompt_id))["outputs"] == {"2": {"text": ["42"]}}


async def test_a_preview_is_a_temporary_file_with_letters_of_its_own(server: Server, wire: Wire):
    prompt = image()
    prompt["2"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    prompt_id = await wire.submit(prompt)
    await server.until_done(prompt_id)

    (shown,) = (await wire.history(prompt_id))["outputs"]["2"]["images"]

    assert shown["type"] == "temp"
    assert shown["filename"].startswith("ComfyUI_temp_")
    assert (server.folder / "temp" / shown["filename"]).exists()


async def test_pictures_over_the_socket_are_whole_and_never_cached(server: Server, wire: Wire, feed: Feed):
    prompt = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 600, "height": 4, "batch_size": 2, "color": 255},
        },
        "2": {"class_type": "SaveImageWebsocket", "inputs": {"images": ["1", 0]}},
    }
    for _ in range(2):
        await feed.until_end(await wire.submit(prompt, feed))

    with Image.open(io.BytesIO(feed.frames[-1][8:])) as sent:
        assert (sent.format, sent.size, sent.getpixel((0, 0))) == ("PNG", (600, 4), (0, 0, 255))
    assert len(feed.frames) == 4
    assert [data["value"] for data in feed.of("progress")] == [0, 1, 0, 1]
    assert feed.of("executed") == []
