"""Results: finding outputs, looking at pictures, saving by a template, and what did not come."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.client.graphs import Prompt, file, image, over_socket, show

from comfywire import Client, MissingExtra, OutputsMissing, UnknownNode
from comfywire.client.results.pictures import as_array, as_image
from comfywire.server import Server


def two() -> Prompt:
    """Two pictures of one node, a text of another, and a node that shows nothing."""
    prompt = {**image(0x00FF00, batch=2), **show(text=["a cat"])}
    prompt["2"]["_meta"] = {"title": "My pictures"}
    prompt["1"]["_meta"] = {"title": "Empty"}
    return prompt


@pytest.mark.parametrize("name", ["2", "My pictures", "SaveImage"], ids=["id", "title", "class_type"])
async def test_outputs_are_found_by_what_the_node_is_called(client: Client, name):
    result = await client.run(two())

    assert [output.filename for output in result.of(name)] == ["test_00001_.png", "test_00002_.png"]


async def test_nodes_of_one_class_type_are_found_together(client: Client):
    result = await client.run({"9": show(text=["a"])["9"], "8": show(text=["b"])["9"]})

    assert [output.value for output in result.of("Show")] == ["a", "b"]


@pytest.mark.parametrize(
    ("shown", "name", "expected"),
    [
        pytest.param(["10.0.0.1", "9"], "10", ["10.0.0.1"], id="what-it-expanded-into"),
        pytest.param(["12:3", "9"], "12", ["12:3"], id="inside-of-a-subgraph"),
        pytest.param(["10", "1.5"], "10", ["10"], id="itself"),
    ],
)
async def test_what_stands_inside_of_a_node_counts_as_the_node(
    server: Server, client: Client, shown, name, expected
):
    done = await client.run({name: show(text=["x"])["9"], "9": show(text=["x"])["9"]})
    server.faults.history.alter(done.prompt_id, outputs={node: {"text": [node]} for node in shown})

    result = await client.attach(done.prompt_id).result()

    assert [output.value for output in result.of(name)] == expected


async def test_a_node_that_is_not_there_is_named_with_those_that_made_something(client: Client):
    result = await client.run(two())

    with pytest.raises(
        UnknownNode, match=r"no node 'SaveImag'; these made something: 2 \(SaveImage\), 9 \(Show"
    ):
        result.of("SaveImag")


@pytest.mark.parametrize("name", ["1", "Empty", "EmptyImage"])
async def test_a_node_that_made_nothing_is_named(client: Client, name):
    result = await client.run(two())

    with pytest.raises(OutputsMissing, match=r"node 1 \(EmptyImage\) made nothing in prompt") as missing:
        result.of(name)

    assert missing.value.outputs == result.outputs


async def test_a_result_is_as_long_as_its_outputs(client: Client):
    result = await client.run(two())
    nothing = await client.run(show(none=[]))

    assert (len(result), [output.node_id for output in result]) == (3, ["2", "2", "9"])
    assert (len(nothing), bool(nothing)) == (0, True)
    assert [output.kind for output in result.images] == ["image", "image"]
    assert [output.value for output in result.texts] == ["a cat"]


async def test_moving_pictures_are_among_the_images_and_films_are_not(client: Client):
    result = await client.run(show(gifs=[file("a.gif"), file("a.mp4")], text=["x"]))

    assert [output.filename for output in result.images] == ["a.gif"]


# Pictures


async def test_a_picture_is_handed_over_as_pillow_and_numpy_have_it(client: Client):
    result = await client.run(two())

    picture = await result.images[0].image()
    pixels = await result.images[0].array()

    assert (picture.mode, picture.size, picture.getpixel((0, 0))) == ("RGB", (8, 8), (0, 255, 0))
    assert (pixels.shape, pixels.dtype, tuple(pixels[0, 0])) == ((8, 8, 3), np.uint8, (0, 255, 0))
    assert pixels.flags.writeable


async def test_a_picture_over_the_socket_is_one_too(client: Client):
    (output,) = (await client.run(over_socket(0x0000FF))).outputs

    assert tuple((await output.array())[0, 0]) == (0, 0, 255)
    assert output.url is None


@pytest.mark.parametrize("use", ["image", "array"])
async def test_what_is_no_picture_is_named(client: Client, use):
    result = await client.run(show("no picture", images=[file("a.png")], text=["x"]))

    with pytest.raises(ValueError, match="the text of node 9 is no picture"):
        await getattr(result.texts[0], use)()
    with pytest.raises(ValueError, match="no picture that Pillow reads"):
        await getattr(result.images[0], use)()


def encoded(mode: str, kind: str = "PNG", **options: Any) -> bytes:
    made = io.BytesIO()
    picture = Image.new(mode, (3, 2), options.pop("color", 1))
    picture.save(made, kind, **options)
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "shape", "kind"),
    [
        pytest.param(encoded("L"), (2, 3), "uint8", id="grey"),
        pytest.param(encoded("1"), (2, 3), "uint8", id="black-and-white"),
        pytest.param(encoded("RGBA"), (2, 3, 4), "uint8", id="with-alpha"),
        pytest.param(encoded("P"), (2, 3, 3), "uint8", id="a-palettes-colours"),
        pytest.param(encoded("P", transparency=0), (2, 3, 4), "uint8", id="a-palette-with-a-hole"),
        pytest.param(encoded("I;16"), (2, 3), "uint16", id="sixteen-bits"),
    ],
)
def test_pixels_are_what_the_picture_means(content, shape, kind):
    pixels = as_array(content)

    assert (pixels.shape, pixels.dtype) == (shape, kind)


def test_the_frames_of_an_animation_are_behind_the_first():
    frames = [Image.new("RGB", (2, 2), color) for color in ("red", "blue")]
    made = io.BytesIO()
    frames[0].save(made, "GIF", save_all=True, append_images=frames[1:])

    assert getattr(as_image(made.getvalue()), "n_frames", 1) == 2


@pytest.mark.parametrize(
    ("absent", "use", "extra"), [("PIL.Image", as_image, "show"), ("numpy", as_array, "server")]
)
def test_what_is_not_installed_is_named(monkeypatch, absent, use, extra):
    monkeypatch.setitem(sys.modules, absent, None)

    with pytest.raises(MissingExtra, match=f"needs the extra '{extra}'"):
        use(encoded("L"))


async def test_an_address_shows_nothing_secret_and_leads_to_the_file(server: Server):
    address = server.url.replace("http://", "http://user:secret@") + "/?token=hidden"
    async with Client(address) as client:
        result = await client.run({**show(images=[file("a b.png", subfolder="x/y", type="temp")])})

    url = result.outputs[0].url
    assert url == f"{server.url}/api/view?filename=a%20b.png&subfolder=x%2Fy&type=temp"


# Saving by a template


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param(
            "out/{node}_{n}{ext}", ["out/2_1.png", "out/2_2.png", "out/9_1.txt"], id="node-and-number"
        ),
        pytest.param(
            "{kind}/{name}{ext}",
            ["image/test_00001_.png", "image/test_00002_.png", "text/node9_text.txt"],
            id="kind",
        ),
        pytest.param(
            "{class_type}-{key}{ext}",
            ["SaveImage-images.png", "SaveImage-images (1).png", "Show-text.txt"],
            id="taken",
        ),
        pytest.param(
            "{{x}}/{n:03}{ext}", ["{x}/001.png", "{x}/002.png", "{x}/001.txt"], id="braces-and-zeros"
        ),
    ],
)
async def test_results_are_saved_by_a_template(client: Client, tmp_path: Path, template, expected):
    result = await client.run(two())

    paths = await result.save(f"{tmp_path.as_posix()}/{template}")

    assert [path.relative_to(tmp_path).as_posix() for path in paths] == expected


async def test_a_template_has_the_prompts_id(client: Client, tmp_path: Path):
    result = await client.run(image())

    (path,) = await result.save(tmp_path / "{prompt_id}{ext}")

    assert path == tmp_path / f"{result.prompt_id}.png"


async def test_a_name_of_the_servers_cannot_leave_the_template(
    server: Server, client: Client, tmp_path: Path
):
    done = await client.run(image())
    entry = (await client.history(done.prompt_id))[done.prompt_id]
    shown = {"../../x": entry["outputs"]["2"]["images"]}
    server.faults.history.alter(done.prompt_id, outputs={"2": shown})
    result = await client.attach(done.prompt_id).result()

    (path,) = await result.save(tmp_path / "{key}{ext}")

    assert path == tmp_path / ".._.._x.png"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        pytest.param(
            "{title}{ext}", r"has a field \{title\}; there are \{prompt_id\}, \{node\}", id="unknown"
        ),
        pytest.param("{n.real}", r"has a field \{n\.real\}", id="an-attribute"),
        pytest.param("{", "is no template: .*; write {{ for a brace", id="half-a-brace"),
    ],
)
async def test_a_template_that_cannot_be_filled_is_refused(client: Client, tmp_path: Path, template, words):
    result = await client.run(image())

    with pytest.raises(ValueError, match=words):
        await result.save(f"{tmp_path}/{template}")


# What did not come


def half() -> Prompt:
    """A picture, and an output node that the server drops."""
    return {**image(), "8": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}


async def test_a_run_that_did_not_make_all_that_was_asked_for_is_no_success(client: Client, tmp_path: Path):
    with pytest.raises(OutputsMissing, match=r"output node 8 \(SaveImage\) was dropped: node 8") as missing:
        await client.run(half())

    (output,) = missing.value.outputs
    assert (await output.save(tmp_path)).is_file()


async def test_who_wants_the_rest_gets_it_and_is_told_what_is_missing(client: Client):
    result = await client.run(half(), require_outputs=False)

    assert [output.node_id for output in result] == ["2"]
    assert result.missing == result.warnings
    with pytest.raises(OutputsMissing):
        result.must_be_whole()


async def test_what_was_not_asked_for_is_not_missing(client: Client):
    result = await client.run(half(), outputs=["2"])

    assert (len(result), result.missing) == (1, [])


async def test_pictures_that_went_to_a_lost_socket_are_missing(server: Server, client: Client):
    gate = server.faults.nodes.hold(node_id="1")
    job = await client.submit(over_socket())
    await server.until_executing(job.prompt_id, "1")
    await server.faults.sockets.cut()
    server.faults.sockets.deafen(future=None)
    gate.release()

    result = await job.result()

    assert "its pictures went to a socket that was lost" in result.missing[0]
