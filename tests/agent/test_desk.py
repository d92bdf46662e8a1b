"""What an agent gets of one ComfyUI: the desk itself, against the test server."""

import base64
import io
import re
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from tests.agent.conftest import SQUARE, text_of

from comfywire.agent.desk import Desk
from comfywire.agent.workshop import Workshop
from comfywire.client import Client
from comfywire.errors import ComfywireError

VALUES = {"1": {"class_type": "PreviewAny", "inputs": {"source": "words"}}}


async def test_each_file_is_a_tool_with_its_parameters(room, caplog):
    tools = {tool.name: tool for tool in await room.desk.tools()}

    assert set(tools) == {
        "run_a_square", "run_look", "run_graph", "cancel_job", "get_job", "wait_for_job", "list_jobs",
    }  # fmt: skip
    assert tools["run_a_square"].description == "Paint a square."
    assert set(tools["run_a_square"].input_schema["properties"]) == {"color"}
    assert "path of a file" in str(tools["run_look"].input_schema)
    assert "notes.json is left out" in caplog.text


async def test_a_call_answers_with_a_picture_that_a_model_sees(room):
    result = await room.run("run_a_square", color=0xFF0000)

    assert [block.type for block in result.content] == ["text", "image", "resource_link"]
    with Image.open(io.BytesIO(base64.b64decode(result.content[1].data))) as image:
        assert (image.format, image.size) == ("WEBP", (64, 64))
        assert image.convert("RGB").getpixel((32, 32))[0] > 230  # type: ignore[index]
    values = result.structured_content
    assert (values["status"], values["progress"]) == ("succeeded", 1.0)
    assert values["outputs"][0]["url"].startswith(room.comfyui.url)
    assert "is running" in " ".join(words for _, words in room.told)


async def test_a_file_here_or_another_calls_output_is_an_input(room, tmp_path):
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "mine.png")
    made = (await room.run("run_a_square")).structured_content["outputs"][0]

    images = (made["input"], str(tmp_path / "mine.png"))
    results = [await room.run("run_look", image=image) for image in images]

    assert [result.structured_content["status"] for result in results] == ["succeeded"] * 2


async def test_texts_are_told_as_text(room):
    result = await room.run("run_graph", workflow=VALUES)

    assert [block.type for block in result.content] == ["text", "text"]
    assert result.content[1].text == "words"


MISTAKES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a-wrong-value": ("run_a_square", {"color": "blue"}, "takes a (whole )?number"),
    "a-wrong-name": ("run_a_square", {"colour": 1}, "no parameter 'colour'; did you mean"),
    "a-missing-picture": ("run_look", {"image": "/nowhere/x.png"}, "is no file here"),
    "a-name-with-quotes": ('run_"x"', {}, "there is no workflow '\"x\"'; there are a_square, look"),
    "no-tool": ("paint", {}, "there is no tool 'paint'"),
    "a-job-that-is-not": ("get_job", {"job_id": 'a "b"'}, "list_jobs shows yours"),
    "a-wrong-time": ("wait_for_job", {"job_id": str(UUID(int=0)), "seconds": 0}, "above 0"),
    "no-graph": ("run_graph", {}, "workflow is missing"),
    "wrong-outputs": ("run_graph", {"workflow": SQUARE, "outputs": 2}, "a list of node ids"),
    "no-such-node": ("run_graph", {"workflow": {"1": {"class_type": "Nothing", "inputs": {}}}}, "Nothing"),
    "too-many": ("list_jobs", {"limit": 1000}, "from 1 to 50"),
}  # fmt: skip


async def test_a_mistake_is_told_in_words_to_act_on(room):
    told = {}
    for name, (tool, arguments, _) in MISTAKES.items():
        with pytest.raises(ComfywireError) as refused:
            await room.run(tool, **arguments)
        told[name] = str(refused.value)

    assert [(name, told[name]) for name in told if not re.search(MISTAKES[name][2], told[name])] == []


async def test_a_long_job_answers_with_how_to_ask_again(room, comfyui):
    held = comfyui.faults.nodes.hold(node_id="1")
    job = await room.desk.submitted("run_a_square", {})
    assert job is not None

    first = await room.desk.waited(job, _nobody, 0.1)
    listed = await room.run("list_jobs", workflow="a_square")
    held.release()
    again = await room.run("wait_for_job", job_id=job.prompt_id)
    ended = await room.run("list_jobs", status="succeeded")

    assert not first.is_error
    assert f"Call wait_for_job with job_id {job.prompt_id}" in text_of(first)
    assert listed.structured_content["jobs"][0]["status"] in ("queued", "running")
    assert again.structured_content["status"] == "succeeded"
    assert [one["job_id"] for one in ended.structured_content["jobs"]] == [job.prompt_id]


async def test_a_job_that_waits_can_be_canceled_and_no_other(room, comfyui):
    held = comfyui.faults.nodes.hold(node_id="1")
    first, second = [await room.desk.submitted("run_a_square", {"color": color}) for color in (1, 2)]
    assert first is not None
    assert second is not None

    canceled = await room.run("cancel_job", job_id=second.prompt_id)
    held.release()
    other = await room.run("wait_for_job", job_id=first.prompt_id)

    assert (canceled.structured_content["status"], canceled.is_error) == ("canceled", False)
    assert other.structured_content["status"] == "succeeded"


async def _nobody(fraction: float, words: str) -> None:
    del fraction, words


async def test_a_job_that_fails_says_where_and_why(room):
    room.comfyui.faults.nodes.fail(ValueError("no paint left"), node_id="1")

    result = await room.run("run_a_square")

    assert result.is_error
    assert re.search(r"failed in node 1 \(EmptyImage\): .*no paint left", text_of(result))


async def test_an_earlier_process_job_is_known_by_its_id(room, folder):
    job_id = (await room.run("run_a_square")).structured_content["job_id"]
    async with Client(room.comfyui.url) as client:
        later = Desk(client, Workshop(folder, client), wait=60, inline_bytes=0)
        result = await later.call("wait_for_job", {"job_id": job_id}, _nobody)

    assert result.structured_content["status"] == "succeeded"
    assert [block.type for block in result.content] == ["text", "resource_link"]


async def test_tools_are_there_while_the_comfyui_is_not(folder):
    async with Client("http://127.0.0.1:9") as client:
        desk = Desk(client, Workshop(folder, client), wait=5, inline_bytes=0)

        tools = {tool.name for tool in await desk.tools()}
        with pytest.raises(ComfywireError, match=r"127\.0\.0\.1:9"):
            await desk.submitted("run_look", {})

    assert {"run_a_square", "run_look"} <= tools
