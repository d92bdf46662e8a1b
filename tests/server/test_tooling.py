"""`Server(tooling=True)`: what krita-ai-diffusion needs of comfyui-tooling-nodes, and the client's part."""

import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from PIL import Image

import comfywire
from comfywire.client.results.shown import cached_picture, read_shown
from comfywire.server import Server


def png(mode: str, color: Any) -> bytes:
    made = io.BytesIO()
    Image.new(mode, (4, 2), color).save(made, "PNG")
    return made.getvalue()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(tooling=True) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[comfywire.Client]:
    async with comfywire.Client(server.url) as client:
        yield client


def loading(name: str, output: int = 0) -> dict[str, Any]:
    graph: dict[str, Any] = {
        "1": {"class_type": "ETN_LoadImageCache", "inputs": {"id": name}},
        "2": {"class_type": "MaskToImage", "inputs": {"mask": ["1", 1]}},
    }
    images = ["2", 0] if output else ["1", 0]
    return graph | {"9": {"class_type": "ETN_SaveImageCache", "inputs": {"images": images, "format": "PNG"}}}


@pytest.mark.parametrize(
    ("content", "image", "mask"),
    [
        (png("RGB", (255, 0, 128)), (255, 0, 128), (255, 255, 255)),
        (png("RGBA", (9, 8, 7, 0)), (9, 8, 7), (0, 0, 0)),
        (png("L", 255), (255, 255, 255), (255, 255, 255)),
    ],
)
async def test_a_picture_goes_in_and_comes_out_by_an_id(
    client: comfywire.Client, content: bytes, image: Any, mask: Any
) -> None:
    await client.tooling.put_picture(content, "one")

    for output, color in enumerate((image, mask)):
        (made,) = (await client.run(loading("one", output))).images
        assert (made.kind, made.type, made.filename) == ("image", "etn", f"{made.value['id']}.png")
        assert (await made.image()).getpixel((0, 0)) == color


async def test_what_is_in_no_memory_fails_in_its_node(client: comfywire.Client) -> None:
    with pytest.raises(comfywire.JobFailed, match="Image with ID none not found in cache"):
        await client.run(loading("none"))


async def test_the_first_of_an_id_stays_and_a_restart_forgets(
    server: Server, client: comfywire.Client
) -> None:
    for color in ((1, 1, 1), (2, 2, 2)):
        await client.tooling.put_picture(png("RGB", color), "one")
    (made,) = (await client.run(loading("one"))).images
    url = made.url
    assert url is not None
    assert (await made.image()).getpixel((0, 0)) == (1, 1, 1)

    await server.kill()
    await server.start()

    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert (answer.status, await answer.json()) == (404, {"error": "Image not found"})
    with pytest.raises(comfywire.OutputsGone):
        await made.read()


async def test_models_are_told_in_pages(client: comfywire.Client) -> None:
    told = await client.tooling.models("checkpoints")

    assert list(told) == await client.models("checkpoints")
    assert told["sd_xl_base_1.0.safetensors"] == {"base_model": "sdxl", "is_inpaint": False, "type": "eps"}
    with pytest.raises(comfywire.ServerError):
        await client.tooling.models("no-such")


async def test_without_the_option_there_is_nothing_of_it() -> None:
    async with Server() as server, comfywire.Client(server.url) as client:
        assert await client.object_info("ETN_LoadImageCache") == {}
        with pytest.raises(comfywire.ServerError):
            await client.tooling.models("checkpoints")


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"source": "http", "id": "a1", "content-type": "image/png"}, "a1.png"),
        ({"source": "http", "id": "a1", "content-type": "image/jpeg", "type": "output"}, "a1.jpg"),
        ({"source": "http", "id": "../a1", "content-type": "image/png"}, None),
        ({"source": "http", "id": "a1", "content-type": "text/html"}, None),
        ({"source": "websocket", "content-type": "image/png"}, None),
        ("a1", None),
    ],
)
def test_what_such_nodes_show_is_a_picture_or_a_value(entry: Any, name: str | None) -> None:
    assert cached_picture(entry) == name
    (shown,) = read_shown({"images": [entry]}, None)
    assert shown.filename == name
