"""Files given for inputs: each is on the server under a name, or an error says which is not."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from comfywire import Client, InvalidParameter, InvalidWorkflow, Workflow, sync
from comfywire.client.uploads import SENT_AT_FIRST
from comfywire.server import Server

Colour = tuple[int, int, int]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def png(color: Colour) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(made, "PNG")
    return made.getvalue()


def loading(name: str = "x.png") -> dict[str, Any]:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }


@pytest.fixture(params=["0.3.64", "0.33.0"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async with Server(profile=request.param) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client(server.url) as client:
        yield client


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "photo.png"
    path.write_bytes(png(RED))
    return path


def keep(server: Server, name: str, color: Colour) -> None:
    path = server.folder / "input" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(color))


async def colour(client: Client, **inputs: Any) -> Colour:
    result = await client.run(loading(), inputs=inputs)
    with Image.open(io.BytesIO(await result.outputs[0].read())) as shown:
        found = shown.convert("RGB").getpixel((0, 0))
    assert isinstance(found, tuple)
    return found[:3]  # type: ignore[return-value]  # RGB has three


# What is not there


MISSING = [
    (Path("nope.png"), "there is no such file here"),
    (Path("phto.png"), "did you mean 'photo.png'?"),
    (Path("~/nope-at-all.png"), "there is no such file here"),
    (Path(), "this is a folder"),
    ("nope.png", "'nope.png' is no file here, and the server has none of that name"),
    ("~/nope-at-all.png", "the server has none of that name"),
    ("sub/nope", "the server has none of that name"),
    ("phto.png", "did you mean 'photo.png'?"),
    ("./drafts", "'./drafts' is a folder, not a file: name a file in it"),
    ("drafts.png", "'drafts.png' is a folder, not a file"),
    ("/", "'/' is a folder, not a file"),
    ("draft.png", "has none of that name; check the path"),
    (None, "takes a file"),
    (5, "takes a file"),
    ({"a": 1}, "takes a file"),
    ([Path("photo.png")], "takes a file"),
    (io.StringIO("x"), "is open as text"),
    (np.zeros((2, 2, 5)), "is no picture"),
    (np.array([[3.5]]), "from 0 to 1"),
]


async def test_a_file_that_is_not_there_is_named(server: Server, client: Client, photo: Path):
    keep(server, "x.png", BLUE)
    for folder in ("drafts", "drafts.png"):
        photo.with_name(folder).mkdir()

    ends = [
        await asyncio.gather(client.run(loading(), inputs={"image": value}), return_exceptions=True)
        for value, _ in MISSING
    ]

    assert [type(end) for (end,) in ends] == [InvalidParameter] * len(MISSING)
    said = [str(end) for (end,) in ends]
    assert [words for words, (_, wanted) in zip(said, MISSING, strict=True) if wanted not in words] == []
    assert [words for words in said if "input 'image'" not in words] == []
    assert server.requests["POST /prompt"] == 0


@pytest.mark.parametrize("key", ["LoadImage.image", "1.image"])
async def test_it_is_named_as_it_was_given(client: Client, photo: Path, key):
    with pytest.raises(InvalidParameter, match=f"input '{key}': 'nope.png': there is no such file here"):
        await client.run(loading(), inputs={key: Path("nope.png")})


def test_the_blocking_client_says_so_too(photo: Path):
    from comfywire.server import server_in_thread

    with server_in_thread() as server, sync.Client(server.url) as client:
        with pytest.raises(InvalidParameter, match="input 'image'"):
            client.run(loading(), inputs={"image": Path("nope.png")})

        assert server.requests["POST /prompt"] == 0


@pytest.mark.parametrize("value", [Path("photo.png"), b"x", io.BytesIO(b"x")], ids=["Path", "bytes", "file"])
async def test_a_file_that_is_written_into_the_graph_says_how_it_is_given(client: Client, value):
    workflow = await client.load(loading())

    with pytest.raises(
        InvalidParameter, match=r"'image' is given .*run\(\.\.\., inputs=\{'1\.image': \.\.\.\}\)"
    ):
        workflow["LoadImage"].image = value


async def test_the_servers_own_file_is_used_with_a_warning(server: Server, client: Client):
    keep(server, "theirs.png", BLUE)
    keep(server, "sub/theirs.png", GREEN)

    result = await client.run(loading(), inputs={"image": "theirs.png"})
    other = await client.run(loading(), inputs={"image": "sub/theirs.png [input]"})

    words = "input 'image': 'theirs.png' is no file here: the server's own file was used"
    assert result.warnings == [words]
    assert "sub/theirs.png" in other.warnings[0]


async def test_what_this_client_uploaded_goes_by_its_name_without_a_warning(client: Client):
    upload = await client.upload(png(RED), name="mine.png")

    result = await client.run(loading(), inputs={"image": str(upload)})

    assert result.warnings == []


async def test_a_default_in_the_parameters_file_is_a_file_here_or_there(server, client: Client, photo: Path):
    photo.with_name("edit.json").write_text(json.dumps(loading()))
    description = photo.with_name("edit.params.toml")
    described = '[parameters.image]\ntype = "image"\ninputs = ["1.image"]\ndefault = "{}"\n'
    description.write_text(described.format("photo.png"))
    result = await client.run("edit.json")
    description.write_text(described.format("nope.png"))

    with pytest.raises(InvalidParameter, match=r"'nope\.png' is no file here"):
        await client.run("edit.json")

    assert result.inputs == {"image": f"comfywire/{sha256(png(RED)).hexdigest()}.png"}


async def test_a_drafts_default_is_what_stands_in_the_workflow(server, client: Client, photo: Path):
    keep(server, "photo.png", BLUE)

    result = await client.run({**loading("photo.png")}, inputs={"1.image": "photo.png"})
    as_it_is = await client.run(
        {**loading("photo.png"), "3": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8,
         "batch_size": 1, "color": 0}}, "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}},
        inputs={"width": 16},
    )  # fmt: skip

    assert result.prompt["1"]["inputs"]["image"].startswith("comfywire/")
    assert as_it_is.prompt["1"]["inputs"]["image"] == "photo.png"


@pytest.mark.parametrize(
    "value",
    [
        np.full((4, 4, 3), RED, np.uint8),
        np.full((1, 4, 4, 3), (1.0, 0, 0), np.float32),
        Image.new("RGB", (4, 4), "red"),
        memoryview(png(RED)),
        bytearray(png(RED)),
    ],
    ids=["array", "floats", "Pillow", "memoryview", "bytearray"],
)
async def test_pictures_of_every_kind_arrive(client: Client, value):
    assert await colour(client, image=value) == RED


async def test_an_open_file_is_given_as_often_as_one_likes(client: Client, photo: Path):
    with photo.open("rb") as opened:
        assert [await colour(client, image=opened) for _ in range(2)] == [RED, RED]
        assert opened.tell() == 0


async def test_numbers_of_numpy_are_numbers(client: Client):
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }

    result = await client.run(graph, inputs={"width": np.int64(16), "1.height": np.uint8(24)})

    assert (result.prompt["1"]["inputs"]["width"], result.prompt["1"]["inputs"]["height"]) == (16, 24)


async def test_what_is_given_twice_for_one_input_is_refused(server, client: Client, photo: Path):
    with pytest.raises(
        InvalidParameter, match=r"'image' and '1\.image' are both given for 'image' of node 1"
    ):
        await client.run(loading(), inputs={"image": "photo.png", "1.image": png(BLUE)})

    assert server.requests["POST /prompt"] == 0


# What an input would take for something else


def scaling() -> dict[str, Any]:
    scale = {"image": ["1", 0], "upscale_method": "bilinear", "width": 8, "height": 8, "crop": "disabled"}
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
        "2": {"class_type": "ImageScale", "inputs": scale, "_meta": {"title": "Scale"}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
        "4": {"class_type": "PrimitiveBoolean", "inputs": {"value": True}},
    }


@pytest.mark.parametrize(
    "value", ["in.png", b"bytes", 5, Path("in.png")], ids=["text", "bytes", "int", "Path"]
)
async def test_a_link_is_not_given_a_value(server: Server, client: Client, value):
    with pytest.raises(
        InvalidParameter, match=r"'image' takes IMAGE from another node, .*node 1 \(EmptyImage\)"
    ):
        await client.run(scaling(), inputs={"Scale.image": value})

    assert server.requests["POST /prompt"] == 0


@pytest.mark.parametrize(
    ("node", "name", "value"),
    [("1", "width", 0.5), ("1", "width", True), ("4", "value", "false"), ("4", "value", None)],
)
async def test_a_value_that_the_server_would_take_for_another_is_refused(client: Client, node, name, value):
    workflow = await client.load(scaling())

    with pytest.raises(InvalidParameter, match=f"{name!r} takes"):
        workflow[node][name] = value


@pytest.mark.parametrize("source", ["file.json", Path("file.json"), b"{}", {"nodes": [], "links": []}])
def test_what_is_no_graph_makes_no_workflow(source: Any):
    with pytest.raises(TypeError, match=r"Workflow\.load"):
        Workflow(source)


# What was uploaded before


def copies(server: Server, content: bytes) -> list[Path]:
    return [path for path in (server.folder / "input").rglob("*.png") if path.read_bytes() == content]


async def test_a_file_that_the_server_lost_is_sent_again(server: Server, client: Client, photo: Path):
    first = await colour(client, image="photo.png")
    for path in copies(server, png(RED)):
        path.unlink()

    assert [first, await colour(client, image="photo.png")] == [RED, RED]
    assert server.requests["POST /upload/image"] == 2


@pytest.mark.parametrize("whose", ["own", "other's"])
async def test_a_file_that_was_overwritten_is_sent_again(server, client: Client, photo: Path, whose):
    await colour(client, image="photo.png")
    async with Client(server.url) as other:
        for path in copies(server, png(RED)):
            place = path.relative_to(server.folder / "input")
            writer = client if whose == "own" else other
            content = png(BLUE).ljust(len(png(RED)), b"\0")[: len(png(RED))]
            await writer.upload(content, name=place.name, subfolder=str(place.parent), overwrite=True)

    assert await colour(client, image="photo.png") == RED


async def test_a_file_that_was_cut_short_is_sent_again(server: Server, client: Client, photo: Path):
    await colour(client, image="photo.png")
    for path in copies(server, png(RED)):
        path.write_bytes(png(RED)[:20])
    async with Client(server.url) as later:
        assert await colour(later, image="photo.png") == RED


async def test_a_later_client_finds_a_large_file_there(server: Server, client: Client, photo: Path):
    large = png(RED) + bytes(SENT_AT_FIRST)
    await colour(client, image=large)

    async with Client(server.url) as later:
        assert await colour(later, image=large) == RED

    assert server.requests["POST /upload/image"] == 1


async def test_a_later_client_is_not_taken_in_by_a_name_and_a_length(server, client: Client, photo: Path):
    await colour(client, image="photo.png")
    for path in copies(server, png(RED)):
        path.write_bytes(png(BLUE).ljust(len(png(RED)), b"\0")[: len(png(RED))])
    before = server.requests["POST /upload/image"]

    async with Client(server.url) as later:
        assert [await colour(later, image=photo) for _ in range(2)] == [RED, RED]

    assert server.requests["POST /upload/image"] == before + 1
    assert len(copies(server, png(RED))) == 1


async def test_a_server_that_does_not_say_what_it_has_is_sent_the_file(server, client: Client, photo: Path):
    server.faults.replies.fail("HEAD /view", 405, times=None)

    assert [await colour(client, image="photo.png") for _ in range(2)] == [RED, RED]
    assert server.requests["POST /upload/image"] == 2


async def test_a_restart_with_an_empty_input_folder_does_not_matter(server, client: Client, photo: Path):
    server.faults.nodes.hold(times=1)
    running = asyncio.create_task(client.run(loading(), inputs={"image": photo}, resubmit=1))
    await server.until(lambda: bool(server.log))
    for path in copies(server, png(RED)):
        path.unlink()

    await server.faults.life.restart()

    with Image.open(io.BytesIO(await (await running).outputs[0].read())) as shown:
        assert shown.convert("RGB").getpixel((0, 0)) == RED


# What the server said before


async def test_a_file_that_came_later_passes_validation(server: Server, client: Client):
    first = await client.upload(png(RED), name="first.png")
    await client.run(loading(str(first)), validate=True)
    keep(server, "late.png", BLUE)

    result = await client.run(loading("late.png"), validate=True)

    assert len(result.outputs) == 1


async def test_a_file_in_a_subfolder_is_looked_for(server: Server, client: Client):
    keep(server, "sub/there.png", BLUE)
    await client.run(loading("sub/there.png"), validate=True)

    with pytest.raises(InvalidWorkflow, match=r"sub/gone\.png"):
        await client.run(loading("sub/gone.png"), validate=True)


async def test_a_model_that_came_later_is_known(server: Server, client: Client):
    graph: dict[str, Any] = {
        "1": {"class_type": "VAELoader", "inputs": {"vae_name": "late.safetensors"}},
        "2": {"class_type": "EmptyLatentImage", "inputs": {"width": 16, "height": 16, "batch_size": 1}},
        "3": {"class_type": "VAEDecode", "inputs": {"samples": ["2", 0], "vae": ["1", 0]}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }
    with pytest.raises(InvalidWorkflow, match=r"late\.safetensors"):
        await client.run(graph, validate=True)
    folder = server.folder / "models" / "vae"
    folder.mkdir(parents=True)
    (folder / "late.safetensors").write_bytes(b"x")

    assert (await client.run(graph, validate=True)).outputs


async def test_a_name_that_came_later_may_be_given(client: Client):
    workflow = await client.load(loading())
    await client.upload(png(RED), name="new name")

    result = await client.run(workflow, inputs={"image": "new name"})

    assert result.prompt["1"]["inputs"]["image"] == "new name"
