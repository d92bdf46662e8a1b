"""What a small file may ask of those who look into it."""

import copy
import json
import time
from typing import Any

import httpx
import pytest
from tests.service.api.conftest import Service, error_of

from comfywire.workflow import Workflow


def node(number: int, kind: str, **more: Any) -> dict[str, Any]:
    size = {"pos": [0, 0], "size": [1, 1], "mode": 0, "inputs": [], "outputs": [], "widgets_values": []}
    return {"id": number, "type": kind, **size, **more}


def broadcasting(pattern: str, title: str) -> dict[str, Any]:
    """A file in which a seed is fed to all nodes whose title has a pattern."""
    seed = node(1, "PrimitiveInt", outputs=[{"name": "INT", "type": "INT", "links": [1]}])
    everywhere = node(
        2,
        "Anything Everywhere",
        inputs=[{"name": "anything", "type": "INT", "link": 1}],
        properties={"ue_properties": {"title_regex": pattern}},
    )
    taker = node(3, "EmptyImage", title=title, inputs=[{"name": "width", "type": "INT", "link": None}])
    return {"version": 0.4, "nodes": [seed, everywhere, taker], "links": [[1, 1, 0, 2, 0, "INT"]]}


def savers(count: int) -> dict[str, Any]:
    empty = {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}}
    saver = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}
    return {"1": empty, **{str(number): copy.deepcopy(saver) for number in range(2, count + 2)}}


async def looked_into(client: httpx.AsyncClient, value: Any) -> httpx.Response:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    headers = {"Content-Type": "application/octet-stream"}
    return await client.post("/api/v2/workflows/inspect", content=content, headers=headers, timeout=60)


@pytest.mark.parametrize(
    "value",
    [
        {"version": 0.4, "nodes": [node(1, "PreviewAny", title="\ud800")], "links": []},
        {"1": {"class_type": "Preview\udc00", "inputs": {"source\0": "a\ud800\0"}}},
        {"9" * 5000: {"class_type": "PreviewAny", "inputs": {"source": "x"}}, "1": savers(0)["1"]},
        {"version": 0.4, "nodes": [node("9" * 5000, "PreviewAny")], "links": []},  # type: ignore[arg-type]
        {"version": 0.4, "nodes": [node("\u0663", "PreviewAny")], "links": []},  # type: ignore[arg-type]
    ],
    ids=["half-a-pair", "in-a-prompt", "a-long-number", "as-an-id", "other-digits"],
)
async def test_odd_texts_and_numbers_of_a_file_are_told_or_refused(client: httpx.AsyncClient, value):
    answer = await looked_into(client, value)

    assert answer.status_code == 200, answer.text
    assert not any("\ud800" <= character < "\ue000" for character in answer.text)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a|aa){2,}$"])
async def test_a_wild_pattern_of_a_file_is_not_searched_for(client: httpx.AsyncClient, pattern):
    answer = await looked_into(client, broadcasting(pattern, "a" * 60 + "!"))

    assert answer.status_code == 200, answer.text
    assert any(
        "it broadcasts, and no input here takes what it has" in each for each in answer.json()["warnings"]
    )


async def test_a_file_with_more_values_than_a_workflow_has_is_refused(client: httpx.AsyncClient):
    answer = await looked_into(client, b'{"nodes":[' + b"{}," * 300_000 + b"{}]}")

    assert (answer.status_code, error_of(answer)[1]) == (413, "payload_too_large")


async def test_what_is_written_in_another_encoding_is_parsed_by_nobody(client: httpx.AsyncClient):
    """Python's json takes UTF-16 as well, whose first byte is no bracket."""
    begun = time.process_time()
    answer = await looked_into(client, ("[" + "[]," * 2_000_000 + "[]]").encode("utf-16"))

    assert answer.status_code == 422
    assert time.process_time() - begun < 5


async def test_a_file_with_more_nodes_than_a_job_may_have_is_refused(
    service: Service, client: httpx.AsyncClient
):
    answer = await looked_into(client, savers(service.core.settings.max_nodes))

    assert answer.status_code == 422
    assert "5001 nodes, and 5000 are allowed" in answer.text


async def test_a_batch_of_a_graph_with_too_many_nodes_is_refused(service: Service, client: httpx.AsyncClient):
    graph = savers(service.core.settings.max_nodes)
    answer = await client.post("/api/v2/batches", json={"workflow": graph, "inputs": [{}]}, timeout=60)

    assert answer.status_code == 422
    assert "5001 nodes, and 5000 are allowed" in answer.text


def test_drafting_takes_as_long_for_each_output_of_many_as_of_few():
    began = time.process_time()

    parameters = Workflow(savers(20_000)).parameters()

    assert list(parameters.outputs)[:3] == ["save_image", "save_image_2", "save_image_3"]
    assert len(parameters.outputs) == 20_000
    assert time.process_time() - began < 20  # squared it takes a minute


def test_what_a_primitive_feeds_is_looked_up_and_not_searched_for():
    """An app's author picked one widget 500 times; it feeds 500 inputs: 125 million steps one by one."""
    picture = node(1, "EmptyImage", widgets_values=[8, 8, 1, 0], outputs=[{"type": "IMAGE", "links": [1]}])
    saver = node(
        2, "SaveImage", inputs=[{"name": "images", "type": "IMAGE", "link": 1}], widgets_values=["x"]
    )
    primitive = node(3, "PrimitiveNode", outputs=[{"type": "INT", "links": list(range(2, 502))}])
    takers = [
        node(number + 10, "EmptyImage", inputs=[{"name": "width", "type": "INT", "link": number}])
        for number in range(2, 502)
    ]
    document = {
        "version": 0.4,
        "nodes": [picture, saver, primitive, *takers],
        "links": [[1, 1, 0, 2, 0, "IMAGE"], *([n, 3, 0, n + 10, 0, "INT"] for n in range(2, 502))],
        "extra": {"linearData": {"inputs": [[3, "value"]] * 500, "outputs": [2]}},
    }
    workflow = Workflow.load(document)
    began = time.process_time()

    workflow.parameters()

    assert time.process_time() - began < 10
