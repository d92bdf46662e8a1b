"""``submit`` is the twin of ``run``: it takes the same, and comes back when the server has the prompt."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from PIL import Image
from tests.client.graphs import image, show

from comfywire import Client, InvalidParameter
from comfywire.server import Server


async def test_inputs_are_set_and_told(client: Client):
    job = await client.submit(image(), inputs={"EmptyImage.width": 32, "1.color": 7})

    assert job.prompt["1"]["inputs"]["width"] == 32
    assert job.inputs["1.color"] == 7
    assert (await job.result()).inputs == job.inputs


async def test_files_are_uploaded(client: Client):
    picture = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(picture, "PNG")
    graph = {**image(), "1": {"class_type": "LoadImage", "inputs": {"image": "x.png"}}}

    job = await client.submit(graph, inputs={"image": picture.getvalue()})

    assert (await job.result()).outputs


def several() -> dict[str, Any]:
    """Two titled outputs, and two inside of a subgraph."""
    inner = {f"57:{node_id}": node for node_id, node in image(size=16).items()}
    inner["57:2"]["inputs"]["images"] = ["57:1", 0]
    prompt = {**image(), **show(text=["x"]), **inner}
    prompt["2"]["_meta"] = {"title": "The picture"}
    return prompt


@pytest.mark.parametrize(
    ("outputs", "ran"),
    [
        (["The picture"], {"2"}),
        ("The picture", {"2"}),
        ("Show", {"9"}),
        (("9", "2"), {"9", "2"}),
        ("57", {"57:2"}),
        ([9, "2"], {"9", "2"}),
        (9, {"9"}),
        (["SaveImage"], {"2", "57:2"}),
        ([], {"2", "9", "57:2"}),
        (None, {"2", "9", "57:2"}),
    ],
    ids=[
        "title",
        "one-name",
        "class_type",
        "ids",
        "subgraph",
        "numbers",
        "one-number",
        "class_type-of-two",
        "none",
        "all",
    ],
)
async def test_outputs_are_chosen_by_any_of_their_names(client: Client, outputs, ran):
    job = await client.submit(several(), outputs=outputs)

    assert {output.node_id for output in (await job.result()).outputs} == ran


@pytest.mark.parametrize("targets", [[9], 9, "9"])
async def test_targets_may_be_numbers(client: Client, targets):
    job = await client.submit(several(), targets=targets)

    assert {output.node_id for output in (await job.result()).outputs} == {"9"}


@pytest.mark.parametrize(
    ("outputs", "named"),
    [([None], "'None' (NoneType)"), ([True], "'True' (bool)"), (2.5, "'2.5' (float)"), (b"9", "(bytes)")],
)
@pytest.mark.parametrize("option", ["outputs", "targets"])
async def test_what_is_no_name_of_an_output_is_named(client: Client, option, outputs, named):
    with pytest.raises(TypeError, match=f"{option} are names or ids of nodes.*not .*{re.escape(named)}"):
        await client.submit(several(), **{option: outputs})


async def test_run_chooses_them_alike(client: Client):
    result = await client.run(several(), outputs="57")

    assert {output.node_id for output in result.outputs} == {"57:2"}


@pytest.mark.parametrize("outputs", ["The pictur", ["57:9"], "58", "EmptyImage"])
async def test_an_output_that_is_none_is_refused(server: Server, client: Client, outputs):
    with pytest.raises(InvalidParameter, match="has no output"):
        await client.submit(several(), outputs=outputs)

    assert server.requests["POST /prompt"] == 0


async def test_outputs_and_targets_are_one_thing_too_many(client: Client):
    with pytest.raises(ValueError, match="outputs and targets"):
        await client.submit(several(), outputs=["9"], targets=["2"])


async def test_run_overtakes_and_passes_on_what_nodes_need(server: Server, client: Client):
    held = server.faults.nodes.hold(times=1)
    first = await client.submit(image(1))
    await server.until_running(first.prompt_id)
    second = await client.submit(image(2))
    third = await client.submit(image(3), front=True, extra_data={"note": "x"})

    assert (await client.queue()).pending == (third.prompt_id, second.prompt_id)
    held.release()
    for job in (first, second, third):
        await job.result()
    ran = await client.run(image(4), front=True, extra_data={"note": "y"})

    assert (await client.history(ran.prompt_id))[ran.prompt_id]["prompt"][3]["note"] == "y"
