from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.client.graphs import image, text_to_image

from comfywire import Client, InvalidParameter, InvalidWorkflow, UnexpectedReply
from comfywire.client.catalogue import MOST_SINGLE_TYPES
from comfywire.client.preparing import Request, prepare
from comfywire.server import Server
from comfywire.server.http.catalogue import system_stats

EVERYTHING, ONE = "GET /object_info", "GET /object_info/{node_class}"


def drawing(**ui: list[Any]) -> dict[str, Any]:
    """The editor's document of one node whose type only the test's own server has."""
    node = {"id": 9, "type": "Show", "pos": [0, 0], "size": [1, 1], "flags": {}, "order": 0, "mode": 0}
    links = {"inputs": [], "outputs": [], "properties": {}, "widgets_values": [json.dumps(ui), "content"]}
    return {"nodes": [{**node, **links}], "links": [], "groups": [], "version": 0.4}


async def test_the_editors_document_is_converted_by_the_servers_node_types(server: Server, client: Client):
    first = await client.run(drawing(text=["a"]))
    second = await client.run(drawing(text=["b"]))

    assert [output.value for output in (*first.outputs, *second.outputs)] == ["a", "b"]
    assert server.requests[EVERYTHING] == 1


TEXT_OF_A_NUMBER: dict[str, Any] = {
    "nodes": [{"id": 6, "type": "CLIPTextEncode", "mode": 0, "widgets_values": [40], "inputs": []}],
    "links": [],
    "version": 0.4,
}


@pytest.mark.parametrize(
    ("version", "text"),
    [
        pytest.param("0.33.0", 40, id="front-end-1.49"),
        pytest.param("0.34.1", "40", id="front-end-1.58"),
        pytest.param(None, 40, id="it-does-not-say"),
    ],
)
async def test_the_editors_document_is_converted_as_the_servers_front_end_does(monkeypatch, version, text):
    stats = system_stats("0.33.0")
    stats["system"]["comfyui_version"] = version
    monkeypatch.setattr("comfywire.server.http.catalogue.system_stats", lambda _: stats)
    async with Server(profile="0.33.0") as server, Client(server.url) as client:
        found = [(await client.load(TEXT_OF_A_NUMBER))["6"].inputs["text"] for _ in range(2)]

        assert found == [text, text]
        assert server.requests["GET /system_stats"] == 1


async def test_a_server_that_does_not_tell_its_version_is_read_by_its_node_types(server, client: Client):
    server.faults.replies.fail("GET /system_stats", 404)

    assert (await client.load(TEXT_OF_A_NUMBER))["6"].inputs["text"] == "40"


async def test_a_workflow_is_loaded_by_the_servers_node_types_to_be_changed(client: Client):
    workflow = await client.load(drawing(text=["a"]))
    workflow["Show"].ui = json.dumps({"text": ["mine"]})

    assert [output.value for output in (await client.run(workflow)).outputs] == ["mine"]


async def test_an_api_format_workflow_that_is_sent_as_it_is_asks_for_no_node_types(server, client: Client):
    await client.run(image())

    assert not [route for route in server.requests if "object_info" in route]


async def test_node_types_are_asked_for_one_by_one_and_once(server: Server, client: Client):
    for color in range(3):
        await client.run(image(), inputs={"EmptyImage.color": color})

    asked = {route: count for route, count in server.requests.items() if "object_info" in route}
    assert sum(asked.values()) == 2
    assert EVERYTHING not in asked


async def test_many_node_types_are_asked_for_at_once(server: Server, client: Client):
    types = await client.object_info("KSampler")
    names = [f"type {number}" for number in range(MOST_SINGLE_TYPES)] + ["KSampler"]

    found = await client.catalogue.of(names)

    assert found["KSampler"] == types["KSampler"]
    assert server.requests[EVERYTHING] == 1


async def test_what_was_asked_for_by_hand_is_not_asked_for_again(server: Server, client: Client):
    everything = await client.object_info()

    assert await client.catalogue.whole() == everything
    assert server.requests[EVERYTHING] == 1


async def test_validating_names_every_mistake_before_anything_is_sent(server: Server, client: Client):
    prompt = text_to_image(steps=0)
    prompt["3"]["inputs"]["sampler_name"] = "eular"

    with pytest.raises(InvalidWorkflow) as invalid:
        await client.submit(prompt, validate=True)

    assert len(invalid.value.problems) == 2
    assert "did you mean 'euler'" in str(invalid.value)
    assert server.requests["POST /prompt"] == 0


async def test_a_workflow_without_mistakes_passes(client: Client):
    assert (await client.run(text_to_image(), validate=True)).outputs


async def test_settings_of_the_command_line_are_applied_and_their_files_uploaded(
    client: Client, tmp_path: Path
):
    (tmp_path / "mine.png").write_bytes(b"x")
    loader = {"class_type": "LoadImage", "inputs": {"image": "example.png"}}
    settings = ["EmptyImage.width=32", f"LoadImage.image={tmp_path / 'mine.png'}"]

    ready = await prepare(client, Request({**image(), "7": loader}, settings=settings))

    assert ready.workflow.prompt["1"]["inputs"]["width"] == 32
    name = f"comfywire/{sha256(b'x').hexdigest()}.png"
    assert ready.workflow.prompt["7"]["inputs"]["image"] == name
    assert ready.inputs == {**ready.inputs, "EmptyImage.width": 32, "LoadImage.image": name}


async def test_a_setting_that_does_not_fit_names_the_nearest(client: Client):
    with pytest.raises(InvalidParameter, match="width"):
        await prepare(client, Request(image(), settings=["EmptyImage.widht=32"]))


async def test_node_types_of_another_shape_are_an_unexpected_reply(server: Server, client: Client):
    server.faults.replies.fail(EVERYTHING, 200, body="[]")

    with pytest.raises(UnexpectedReply, match="not answered with an object"):
        await client.run(drawing(text=["a"]))


def inverting() -> dict[str, Any]:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "nothing.png"}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "inverted"}},
    }


async def test_a_result_is_the_next_workflows_input_without_a_way_round(server: Server, client: Client):
    first = await client.run(image())

    second = await client.run(inverting(), inputs={"LoadImage.image": first.outputs[0]})

    assert second.outputs[0].filename == "inverted_00001_.png"
    assert server.requests["POST /upload/image"] == server.requests["GET /view"] == 0


async def test_a_result_of_another_server_is_carried_over(server: Server, client: Client):
    async with Server() as elsewhere, Client(elsewhere.url) as other:
        first = await other.run(image())

        await client.run(inverting(), inputs={"LoadImage.image": first.outputs[0]})

    assert server.requests["POST /upload/image"] == 1


async def test_an_upload_is_an_input(client: Client, tmp_path: Path):
    picture = await (await client.run(image())).outputs[0].save(tmp_path / "a.png")
    upload = await client.upload(picture, subfolder="mine")

    result = await client.run(inverting(), inputs={"LoadImage.image": upload})

    assert result.outputs[0].filename == "inverted_00001_.png"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"resubmit": -1}, ValueError),
        ({"inputs": [1]}, TypeError),
        ({"on_progress": asyncio.sleep}, TypeError),
    ],
    ids=["resubmit", "inputs", "on_progress"],
)
async def test_misuse_of_run_is_said_before_anything_is_sent(
    server: Server, client: Client, options: Any, error: Any
):
    with pytest.raises(error):
        await client.run(image(), **options)

    assert server.requests["POST /prompt"] == 0


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ({"text": ["a"]}, lambda value: value["text"].append("later")),
        ({"text": "a"}, lambda value: value.clear()),
        ({"deep": {"text": "a"}}, lambda value: value["deep"].update(later=1)),
    ],
)
async def test_what_a_caller_changes_later_reaches_nothing_that_was_submitted(
    client: Client, value: Any, change: Any
):
    graph = image()
    graph["3"] = {"class_type": "PreviewAny", "inputs": {"source": {"a": 1}}}
    before = json.loads(json.dumps(value))

    job = await client.submit(graph, inputs={"3.source": value})
    change(value)

    assert (await job.result()).prompt["3"]["inputs"]["source"] == before
