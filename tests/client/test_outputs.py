from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from tests.client.graphs import file, image, over_socket, show, text_to_image

from comfywire import Client, JobFailed, Output, OutputsGone, PreviewImage, SocketImage
from comfywire.server import Server


def told(output: Output) -> tuple[str, str, str | None, str, str]:
    return (output.key, output.kind, output.filename, output.subfolder, output.type)


@pytest.mark.parametrize(
    ("ui", "expected"),
    [
        pytest.param({"images": [file("a.png")]}, ("images", "image", "a.png", "", "output"), id="picture"),
        pytest.param(
            {"images": [file("a.PNG", type="temp", subfolder="x/y")]},
            ("images", "image", "a.PNG", "x/y", "temp"),
            id="capitals-subfolder-temp",
        ),
        pytest.param(
            {"images": [file("a.webp")], "animated": [True]},
            ("images", "animation", "a.webp", "", "output"),
            id="animated-webp",
        ),
        pytest.param(
            {"images": [file("a.png")], "animated": [True]},
            ("images", "animation", "a.png", "", "output"),
            id="animated-png",
        ),
        pytest.param(
            {"images": [file("a.webp")], "animated": [False]},
            ("images", "image", "a.webp", "", "output"),
            id="webp-that-stands-still",
        ),
        pytest.param({"gifs": [file("a.gif")]}, ("gifs", "animation", "a.gif", "", "output"), id="gif"),
        pytest.param({"gifs": [file("a.mp4")]}, ("gifs", "video", "a.mp4", "", "output"), id="video-as-gifs"),
        pytest.param(
            {"images": [file("a.mp4")], "animated": [True]},
            ("images", "video", "a.mp4", "", "output"),
            id="video-as-images",
        ),
        pytest.param({"audio": [file("a.flac")]}, ("audio", "audio", "a.flac", "", "output"), id="sound"),
        pytest.param(
            {"latents": [file("a.latent")]}, ("latents", "latent", "a.latent", "", "output"), id="latent"
        ),
        pytest.param({"3d": [file("a.glb")]}, ("3d", "3d", "a.glb", "", "output"), id="model"),
        pytest.param({"files": [file("a.zip")]}, ("files", "file", "a.zip", "", "output"), id="any-file"),
        pytest.param(
            {"files": [file("LICENSE")]}, ("files", "file", "LICENSE", "", "output"), id="no-suffix"
        ),
        pytest.param({"files": [file("a.srt")]}, ("files", "text", "a.srt", "", "output"), id="text-file"),
        pytest.param(
            {"images": [{"filename": "a.png"}]}, ("images", "image", "a.png", "", "output"), id="name-alone"
        ),
        pytest.param({"text": ["a cat"]}, ("text", "text", None, "", ""), id="text"),
        pytest.param({"any key": ["a cat"]}, ("any key", "text", None, "", ""), id="text-under-any-key"),
        pytest.param({"score": [0.5]}, ("score", "value", None, "", ""), id="number"),
        pytest.param({"yes": [False]}, ("yes", "value", None, "", ""), id="false"),
        pytest.param({"box": [{"a": {"b": [1]}}]}, ("box", "value", None, "", ""), id="nested"),
    ],
)
async def test_an_output_is_what_its_extension_says(client: Client, ui, expected):
    result = await client.run(show("content", **ui))

    assert [told(output) for output in result.outputs] == [expected]


async def test_values_are_handed_over_as_they_are(client: Client):
    ui: dict[str, list[Any]] = {
        "text": ["ü\n"],
        "n": [1, 2.5, True, None],
        "box": [{"a": [1]}, [2]],
        "none": [],
    }

    result = await client.run(show("content", **ui))

    assert [output.value for output in result.outputs] == ["ü\n", 1, 2.5, True, {"a": [1]}, [2]]
    assert result.files == []


async def test_a_text_with_half_a_character_is_read_with_a_mark_in_its_place(client: Client):
    result = await client.run(show(text=["a\ud800"]))

    assert await result.outputs[0].read() == b"a?"


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        pytest.param({"9": {"text": "a cat"}}, [("text", "text")], id="text-without-a-list"),
        pytest.param({"9": {"images": file("a.png")}}, [("images", "image")], id="file-without-a-list"),
        pytest.param({"9": {"n": 5}}, [("n", "value")], id="number-without-a-list"),
        pytest.param(
            {"9": {"images": [file("a.webp"), file("b.webp")], "animated": [False, True]}},
            [("images", "image"), ("images", "animation")],
            id="one-flag-for-each",
        ),
        pytest.param({"9": {"animated": [True]}}, [], id="flags-alone"),
        pytest.param({"9": {"images": [{"filename": 5}]}}, [("images", "value")], id="a-name-that-is-none"),
        pytest.param(
            {"9": {"images": [{"filename": "a.png", "subfolder": None, "type": None}]}},
            [("images", "image")],
            id="nulls-beside-the-name",
        ),
        pytest.param({"9": None, "8": {"images": None}}, [], id="nothing"),
        pytest.param({}, [], id="no-outputs-at-all"),
    ],
)
async def test_odd_outputs_in_history_are_read(server: Server, client: Client, outputs, expected):
    done = await client.run(image())
    server.faults.history.alter(done.prompt_id, outputs=outputs)

    result = await client.attach(done.prompt_id).result()

    assert [(output.key, output.kind) for output in result.outputs] == expected


async def test_outputs_come_in_the_order_of_the_graphs_nodes(client: Client):
    prompt = {node_id: show(content=node_id, text=[node_id])["9"] for node_id in ("30", "4", "100", "5")}
    prompt["30"]["inputs"]["after"] = ["1", 0]
    prompt["1"] = image()["1"]

    result = await client.run(prompt)

    assert [output.node_id for output in result.outputs] == ["30", "4", "100", "5"]


async def test_nodes_that_another_expanded_into_come_in_its_place(server: Server, client: Client):
    done = await client.run({"8.5": show(text=["8"])["9"], **show(text=["9"]), "10": show(text=["10"])["9"]})
    nodes = ["10", "8.5", "9.0.0.2", "10.0.0.1", "9"]
    server.faults.history.alter(done.prompt_id, outputs={node: {"text": [node]} for node in nodes})

    result = await client.attach(done.prompt_id).result()

    assert [output.node_id for output in result.outputs] == ["8.5", "9.0.0.2", "9", "10", "10.0.0.1"]


async def test_a_result_knows_the_outputs_of_each_node(client: Client):
    result = await client.run({**image(batch=2), **show(text=["a"])})

    assert [output.class_type for output in result.outputs] == ["SaveImage", "SaveImage", "Show"]
    assert [output.filename for output in result.of("2")] == ["test_00001_.png", "test_00002_.png"]
    assert [output.node_id for output in result.files] == ["2", "2"]


async def test_the_bytes_are_those_on_the_servers_disk(server: Server, client: Client):
    result = await client.run(image(0x00FF00))

    assert await result.outputs[0].read() == (server.folder / "output/test_00001_.png").read_bytes()


async def test_a_text_is_read_and_saved_as_utf_8(client: Client, tmp_path: Path):
    (output,) = (await client.run(show(text=["ü"]))).outputs

    assert await output.read() == "ü".encode()
    assert (await output.save(tmp_path)).name == "node9_text.txt"
    assert (tmp_path / "node9_text.txt").read_text(encoding="utf-8") == "ü"


@pytest.mark.parametrize("use", ["read", "save"])
async def test_a_value_is_no_file(client: Client, tmp_path: Path, use):
    (output,) = (await client.run(show(n=[5]))).outputs

    with pytest.raises(ValueError, match=r"the value of node 9 is no file; it is in \.value"):
        await (output.read() if use == "read" else output.save(tmp_path))

    assert not output.has_bytes


async def test_a_cached_prompt_has_its_outputs_again(client: Client):
    first = await client.run(image())

    second = await client.run(image())

    assert [told(output) for output in second.outputs] == [told(output) for output in first.outputs]
    assert await second.outputs[0].read() == await first.outputs[0].read()


# SaveImageWebsocket


@pytest.mark.parametrize("is_old", [False, True], ids=["with-metadata", "without-metadata"])
async def test_pictures_over_the_socket_are_outputs_while_previews_are_not(server, monkeypatch, is_old):
    if is_old:  # from before previews had metadata
        monkeypatch.setattr(server.life.sockets, "_features", dict)
        monkeypatch.setattr(server.life.sockets, "wants_preview_metadata", lambda client_id: False)
    async with Client(server.url) as client:
        job = await client.submit(text_to_image(output="SaveImageWebsocket"))
        events = [event async for event in job.events()]
        result = await job.result()

    (output,) = result.outputs
    assert (output.node_id, output.kind, output.type) == ("9", "image", "socket")
    assert output.filename == "node9_00001_.png"
    assert struct.unpack(">II", (await output.read())[16:24]) == (64, 64)
    assert {event.node_id for event in events if isinstance(event, PreviewImage)} == {"3"}
    assert [event.node_id for event in events if isinstance(event, SocketImage)] == ["9"]


async def test_previews_beside_saved_pictures_are_no_outputs(client: Client):
    job = await client.submit(text_to_image())
    events = [event async for event in job.events()]
    result = await job.result()

    assert any(isinstance(event, PreviewImage) for event in events)
    assert [output.filename for output in result.outputs] == ["test_00001_.png"]


async def test_pictures_over_the_socket_are_numbered_and_in_order(client: Client, tmp_path: Path):
    result = await client.run(over_socket(batch=3, after=show(text=["x"])))

    assert [(output.node_id, output.key) for output in result.outputs] == [
        *[("2", "images")] * 3,
        ("9", "text"),
    ]
    saved = await result.save(tmp_path)
    assert [path.name for path in saved] == [
        "node2_00001_.png",
        "node2_00002_.png",
        "node2_00003_.png",
        "node9_text.txt",
    ]


# Errors


async def test_a_failed_job_has_what_was_finished_before(client: Client, tmp_path: Path):
    prompt = image()
    prompt["3"] = {"class_type": "TestSyncError", "inputs": {"value": ["1", 0]}}
    prompt["4"] = {"class_type": "PreviewAny", "inputs": {"source": ["3", 0]}}
    hold = {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": 0.1}}
    prompt["5"], prompt["3"]["inputs"]["value"] = hold, ["5", 0]

    with pytest.raises(JobFailed) as failure:
        await client.run(prompt)

    error = failure.value
    assert (error.node_id, error.class_type, error.exception_type) == ("3", "TestSyncError", "RuntimeError")
    assert "Intentional sync execution error" in str(error)
    assert [output.filename for output in error.outputs] == ["test_00001_.png"]
    assert (await error.outputs[0].save(tmp_path)).is_file()


async def test_a_file_that_is_gone_after_the_success_says_so(server: Server, client: Client, tmp_path: Path):
    result = await client.run(image())
    server.faults.files.vanish("test_00001_.png")
    folder = tmp_path / "new"

    for use in (
        result.outputs[0].read,
        lambda: result.outputs[0].save(folder),
        lambda: result.save(folder),
    ):
        with pytest.raises(OutputsGone, match=r"no longer has 'test_00001_\.png' of node 2; run") as gone:
            await use()

        assert gone.value.prompt_id == result.prompt_id
    assert not folder.exists()


async def test_a_temporary_picture_is_gone_after_a_restart(server: Server, client: Client):
    prompt = image()
    prompt["2"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    result = await client.run(prompt)
    server.faults.files.vanish(str(result.outputs[0].filename), type="temp")

    with pytest.raises(OutputsGone):
        await result.outputs[0].read()


async def test_an_output_tells_nothing_of_its_bytes_in_its_repr(client: Client):
    result = await client.run(over_socket())

    assert "PNG" not in repr(result.outputs[0])
    assert json.dumps(repr(result))
