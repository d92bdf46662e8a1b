"""Agents over real sockets; tests of the wire run with the old handshake and with the newest revision."""

import asyncio
import base64
import io
import json
import re
import sys
from dataclasses import replace
from typing import Any

import jsonschema
import mcp_types  # type: ignore[import-not-found,unused-ignore]
import pytest
from mcp.shared.exceptions import MCPError  # type: ignore[import-not-found,unused-ignore]
from PIL import Image
from tests.service.mcp.conftest import COLOUR, DRAW, graph
from tests.service.mcp.tasking import Tasks, task_of
from tests.service.rig import is_at_work, until
from tests.service.serving import application, asking, serving

from comfywire.service.core import open_core
from comfywire.service.jobs.states import JobState

both = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


def text_of(result: Any) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


@both
async def test_a_workflow_is_a_tool_that_gives_a_picture(town, mode):
    async with town.agent(mode=mode) as agent:
        tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
        result = await agent.call_tool("run_draw", {"color": 0xFF0000})

    assert "Paint a square." in (tools["run_draw"].description or "")
    assert tools["run_draw"].input_schema["properties"]["color"]["maximum"] == 0xFFFFFF
    assert not result.is_error
    assert re.match(r"Job [\w-]{36} succeeded and made 1 output\.", text_of(result))
    (picture,) = [block for block in result.content if block.type == "image"]
    with Image.open(io.BytesIO(base64.b64decode(picture.data))) as image:
        assert (image.format, image.size) == ("WEBP", (64, 64))
        red, green, blue = image.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
    assert (red > 240, green < 20, blue < 20) == (True, True, True)


async def test_a_result_is_a_link_as_well_and_as_its_schema_says(town):
    async with town.agent() as agent:
        tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
        result = await agent.call_tool("run_draw", {})

    (link,) = [block for block in result.content if block.type == "resource_link"]
    async with asking() as http:
        whole = await http.get(str(link.uri))
    assert whole.content[:8] == b"\x89PNG\r\n\x1a\n"
    jsonschema.validate(result.structured_content, tools["run_draw"].output_schema)
    assert result.structured_content["outputs"][0]["size_bytes"] == len(whole.content)


@both
async def test_progress_is_told_to_who_asks_for_it(town, mode):
    await town.register("paint", graph())
    told: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    async with town.agent(mode=mode) as agent:
        await agent.call_tool("run_paint", {}, progress_callback=hear)

    assert told
    assert [value for value, _ in told] == sorted(value for value, _ in told)
    assert any("is running" in (message or "") for _, message in told)


MISTAKES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a-wrong-value": ("run_draw", {"color": "blue"}, "takes a (whole )?number"),
    "a-wrong-name": ("run_draw", {"colour": 1}, "no parameter 'colour'; did you mean"),
    "a-wrong-enum": ("run_look", {"mode": "dreamy"}, "'dreamy', which is not offered"),
    "a-missing-picture": ("run_look", {}, "'image' is required"),
    "no-such-picture": ("run_look", {"image": "nowhere.png"}, "neither a URL nor base64"),
    "a-name-with-quotes": ('run_"x"', {}, "there is no tool 'run_\"x\"'"),
    "a-job-that-is-not": ("get_job", {"job_id": 'a "b"'}, "list_jobs shows yours"),
    "a-status-that-is-not": ("list_jobs", {"status": "done"}, "choose from queued"),
    "the-editors-format": ("run_graph", {"workflow": {"nodes": []}}, "editor's own"),
    "a-wrong-address": ("upload_from_url", {"url": "ftp://x/y.png"}, "come by http"),
}


async def test_texts_and_sounds_are_content_of_their_own(town):
    workflow = {
        "1": {"class_type": "CheckpointLoaderSimple",
              "inputs": {"ckpt_name": "comfywire-placeholder.safetensors"}},
        "2": {"class_type": "EmptyLatentAudio", "inputs": {"seconds": 1.0, "batch_size": 1}},
        "3": {"class_type": "VAEDecodeAudio", "inputs": {"samples": ["2", 0], "vae": ["1", 2]}},
        "4": {"class_type": "SaveAudio", "inputs": {"audio": ["3", 0], "filename_prefix": "x"}},
        "5": {"class_type": "PreviewAny", "inputs": {"source": "words"}},
    }  # fmt: skip
    async with town.agent() as agent:
        result = await agent.call_tool("run_graph", {"workflow": workflow})

    kinds = {block.type: block for block in result.content[1:]}
    assert set(kinds) == {"audio", "resource_link", "text"}
    assert (kinds["audio"].mime_type, base64.b64decode(kinds["audio"].data)[:4]) == ("audio/flac", b"fLaC")
    assert kinds["text"].text == "words"
    assert sorted(output["type"] for output in result.structured_content["outputs"]) == ["audio", "text"]


async def test_a_mistake_is_answered_in_words_to_act_on(town):
    """One service for all of them: none leaves anything behind."""
    look = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "ImageScaleBy",
              "inputs": {"image": ["1", 0], "upscale_method": "area", "scale_by": 1.0}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
    }  # fmt: skip
    choice = {"type": "choice", "inputs": ["2.upscale_method"], "choices": ["area", "bicubic"]}
    await town.register(
        "look", look, {"image": {"type": "image", "inputs": ["1.image"], "required": True}, "mode": choice}
    )

    answers = {}
    async with town.agent() as agent:
        for name, (tool, arguments, _) in MISTAKES.items():
            given = {**({"image": "x"} if "mode" in arguments else {}), **arguments}
            answers[name] = await agent.call_tool(tool, given)

    assert all(answer.is_error for answer in answers.values())
    told = {name: text_of(answer) for name, answer in answers.items()}
    assert [(name, told[name]) for name in told if not re.search(MISTAKES[name][2], told[name])] == []
    assert await town.core.store.search() == []


ODD = {
    "a-graph": ("run_graph", {"workflow": {**DRAW, "3": {"class_type": "a\0", "inputs": {}}}}),
    "an-input": ("run_draw", {"color": "\0"}),
    "an-output": ("run_graph", {"workflow": DRAW, "outputs": ["\0"]}),
    "an-object": ("list_jobs", {"workflow": {"a": 1}}),
    "a-list": ("list_jobs", {"workflow": ["a"]}),
    "a-name": ("list_jobs", {"workflow": "a\0"}),
    "a-file": ("upload_from_url", {"url": "data:image/png;base64,AAAA", "name": "x\0"}),
    "a-model": ("upload_from_url", {"url": "data:image/png;base64,AAAA", "name": "models/x.safetensors"}),
}


async def test_what_cannot_be_kept_is_answered_in_our_own_words(town, caplog):
    _, secret = await town.core.access.create("agent", ["submit", "read"])
    headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json, text/event-stream"}
    told = {}
    async with asking(base_url=town.url, headers=headers) as http:
        for name, (tool, arguments) in ODD.items():
            told[name] = await posted(http, "tools/call", {"name": tool, "arguments": arguments})
        unknown = await posted(http, "resources/read", {"uri": "comfywire://workflows/a\0"})

    texts = {name: one["result"]["content"][0]["text"] for name, one in told.items()}
    assert all(one["result"]["isError"] for one in told.values())
    assert {
        name: text for name, text in texts.items() if not re.search("NUL|is a text|names a model", text)
    } == {}
    assert "postgres" not in str(unknown).lower()
    assert "result" not in unknown
    assert await town.core.store.search() == []


async def posted(http: Any, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request of the old handshake, as it goes over the wire."""
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    sent = {"Content-Type": "application/json", "MCP-Protocol-Version": "2025-11-25"}
    answer = await http.post("/mcp", content=asked, headers=sent)
    (line,) = [line for line in answer.text.splitlines() if line.startswith(("data: {", "{"))]
    return dict(json.loads(line.removeprefix("data: ")))


async def test_an_error_that_nobody_expected_tells_nothing_of_the_inside(town, monkeypatch):
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("SELECT secret FROM keys")

    monkeypatch.setattr(town.core.workflows, "list", broken)
    monkeypatch.setattr(town.core.store, "search", broken)
    async with town.agent() as agent:
        errors = []
        for asked in (agent.list_tools(), agent.list_resources(), agent.call_tool("list_jobs", {})):
            with pytest.raises(MCPError) as caught:
                await asked
            errors.append(str(caught.value))

    assert all("something went wrong" in error and "SELECT" not in error for error in errors)


async def test_a_key_that_may_not_read_is_told_of_no_job(town):
    tasks = Tasks()
    async with town.agent("submit", mode="2026-07-28", extensions=[tasks]) as agent:
        made = await agent.call_tool("run_draw", {})
        job_id = made.structured_content["job_id"]
        answers = [await agent.call_tool(tool, {"job_id": job_id}) for tool in ("get_job", "wait_for_job")]
    key_id = (await town.core.store.search())[0].key_id
    _, secret = await town.core.access.rotate(key_id)
    async with asking(base_url=town.url, headers={"Authorization": f"Bearer {secret}"}) as http:
        task = await task_of(http, "tasks/get", job_id)

    assert made.structured_content["status"] == "succeeded"
    assert tasks.created == []
    assert all("lacks the scope 'read'" in text_of(answer) for answer in answers)
    assert "lacks the scope 'read'" in task["error"]["message"]


async def test_who_listens_counts_as_a_stream(town_with, settings):
    async with (
        town_with(replace(settings, max_streams=1)) as town,
        town.agent(mode="2026-07-28") as agent,
        agent.listen(tools_list_changed=True),
    ):
        with pytest.raises(MCPError, match="streams"):
            async with agent.listen(tools_list_changed=True):
                pass


async def test_what_is_wrong_with_a_graph_is_told_node_by_node(town):
    await until(lambda: has_catalogues(town))
    wrong = {**graph(), "3": {**graph()["3"], "inputs": {**graph()["3"]["inputs"], "steps": 0, "cfg": "x"}}}

    async with town.agent() as agent:
        result = await agent.call_tool("run_graph", {"workflow": wrong})

    assert result.is_error
    assert "'steps'" in text_of(result)
    assert "'cfg'" in text_of(result)


async def has_catalogues(town: Any) -> bool:
    town.core.catalogues._looked_at = float("-inf")  # else it looks again in some seconds
    return bool(await town.core.catalogues._known())


async def test_any_graph_can_be_run(town):
    async with town.agent() as agent:
        result = await agent.call_tool("run_graph", {"workflow": DRAW})

    assert result.structured_content["status"] == "succeeded"


async def test_a_long_job_answers_with_how_to_ask_again(town_with, settings):
    async with town_with(replace(settings, mcp_wait=0.3)) as town:
        held = town.comfyui.faults.nodes.hold(node_id="1")
        async with town.agent() as agent:
            first = await agent.call_tool("run_draw", {})
            job_id = first.structured_content["job_id"]
            held.release()
            await until(lambda: is_over(town, job_id))
            again = await agent.call_tool("wait_for_job", {"job_id": job_id, "seconds": 5})
            looked = await agent.call_tool("get_job", {"job_id": job_id})

    assert not first.is_error
    assert f"Call wait_for_job with job_id {job_id}" in text_of(first)
    assert again.structured_content == looked.structured_content | again.structured_content
    assert again.structured_content["status"] == "succeeded"


async def is_over(town: Any, job_id: str) -> bool:
    return any(str(job.id) == job_id and job.is_over for job in await town.core.store.search())


async def test_a_job_that_fails_says_where_and_why(town):
    await town.register("paint", graph())
    town.comfyui.faults.nodes.fail(ValueError("no paint left"), node_id="3")

    async with town.agent() as agent:
        result = await agent.call_tool("run_paint", {})

    assert result.is_error
    assert re.search(r"failed in node 3 \(KSampler\): .*no paint left", text_of(result))


async def test_two_agents_see_nothing_of_each_other(town):
    async with town.agent() as one, town.agent() as other:
        job_id = (await one.call_tool("run_draw", {})).structured_content["job_id"]
        looked = await other.call_tool("get_job", {"job_id": job_id})
        canceled = await other.call_tool("cancel_job", {"job_id": job_id})
        listed = await other.call_tool("list_jobs", {})
        results = [str(one.uri) for one in (await other.list_resources()).resources]

    assert (looked.is_error, canceled.is_error) == (True, True)
    assert listed.structured_content == {"jobs": []}
    assert results == ["comfywire://workflows/draw"]


@pytest.mark.parametrize(
    ("scope", "shown"),
    [
        pytest.param("read", {"get_job", "wait_for_job", "list_jobs"}, id="read"),
        pytest.param("submit", {"run_draw", "run_graph", "cancel_job", "upload_from_url"}, id="submit"),
    ],
)
async def test_a_key_is_shown_what_it_may_use(town, scope, shown):
    async with town.agent(scope) as agent:
        tools = {tool.name for tool in (await agent.list_tools()).tools}
        result = await agent.call_tool("run_draw" if scope == "read" else "list_jobs", {})

    assert tools == shown
    assert result.is_error
    assert f"lacks the scope '{'submit' if scope == 'read' else 'read'}'" in text_of(result)


async def test_who_may_not_ask_is_refused(town):
    strangers = [{}, {"Authorization": "Bearer cw_wrong"}, {"Origin": "https://evil.example"}]
    async with asking(base_url=town.url) as http:
        answers = [await http.post("/mcp", json={}, headers=headers) for headers in strangers]

    told = [(answer.status_code, answer.headers.get("www-authenticate")) for answer in answers]
    assert told == [(401, "Bearer"), (401, "Bearer"), (403, None)]


async def test_a_picture_that_was_uploaded_or_made_is_an_input(town):
    look = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    await town.register("look", look, {"image": {"type": "image", "inputs": ["1.image"], "required": True}})

    async with town.agent() as agent:
        made = (await agent.call_tool("run_draw", {})).structured_content["outputs"][0]
        uploaded = await agent.call_tool("upload_from_url", {"url": made["url"], "name": "mine.png"})
        results = [
            await agent.call_tool("run_look", {"image": image})
            for image in (made["asset_id"], uploaded.structured_content["asset_id"], "mine.png")
        ]

    assert [result.structured_content["status"] for result in results] == ["succeeded"] * 3


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize(
    ("headers", "end"),
    [
        pytest.param({"Comfywire-On-Disconnect": "cancel"}, JobState.CANCELED, id="wanted"),
        pytest.param({}, JobState.SUCCEEDED, id="the-job-goes-on"),
    ],
)
async def test_a_canceled_conversation_cancels_its_job_if_that_is_wanted(town, headers, end, mode):
    await town.register("paint", graph())
    held = town.comfyui.faults.nodes.hold(node_id="8")
    async with town.agent(mode=mode, headers=headers) as agent:
        calling = asyncio.create_task(agent.call_tool("run_paint", {}))
        await until(lambda: is_at_work(town.core.store))
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        if end is JobState.CANCELED:  # a node that is let go might end well before it is interrupted
            await until(lambda: town.core.store.search(states=[JobState.CANCELED]))
        held.release()

        await until(lambda: town.core.store.search(states=[end]))


async def test_who_listens_is_told_that_workflows_changed(town):
    async with (
        town.agent(mode="2026-07-28") as agent,
        agent.listen(tools_list_changed=True) as changes,
    ):
        await town.register("another", DRAW, COLOUR)
        event = await anext(aiter(changes))
        tools = {tool.name for tool in (await agent.list_tools()).tools}

    assert type(event).__name__ == "ToolsListChanged"
    assert "run_another" in tools


async def test_clients_of_the_old_handshake_are_told_that_workflows_changed(town):
    told: asyncio.Queue[str] = asyncio.Queue()

    async def hear(message: Any) -> None:
        if isinstance(message, mcp_types.ToolListChangedNotification):
            told.put_nowait(message.method)

    async with town.agent(mode="legacy", message_handler=hear) as agent:
        promised = agent.server_capabilities.tools
        await asyncio.wait_for(told.get(), 60)  # the stream stands: whatever was missed is told at once
        await town.register("another", DRAW, COLOUR)
        await asyncio.wait_for(told.get(), 60)
        tools = {tool.name for tool in (await agent.list_tools()).tools}

    assert promised is not None
    assert promised.list_changed
    assert "run_another" in tools


async def test_a_cancelation_of_another_client_is_not_heard(town):
    """Two clients of one key number their requests alike."""
    held = town.comfyui.faults.nodes.hold(node_id="1")
    _, secret = await town.core.access.create("two", ["submit", "read"])
    headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json, text/event-stream"}
    old = {**headers, "MCP-Protocol-Version": "2025-06-18"}
    call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "run_draw"}}
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    async with asking(base_url=town.url, timeout=60) as http:
        calling = asyncio.create_task(http.post("/mcp", json=call, headers={**old, "Mcp-Session-Id": "one"}))
        await until(lambda: town.core.store.search(states=[JobState.RUNNING]))
        for other in ({"Mcp-Session-Id": "two"}, {}):
            assert (await http.post("/mcp", json=cancel, headers={**old, **other})).status_code == 202
        held.release()
        answer = await calling

    assert "succeeded" in answer.text


async def test_resources_are_workflows_and_results(town):
    async with town.agent() as agent:
        await agent.call_tool("run_draw", {})
        resources = (await agent.list_resources()).resources
        workflow, picture = [(await agent.read_resource(str(one.uri))).contents[0] for one in resources]
        with pytest.raises(MCPError, match="there is no resource"):
            await agent.read_resource("comfywire://results/nothing")

    assert '"color"' in workflow.text  # type: ignore[union-attr]
    assert (picture.mime_type, picture.blob[:4]) == ("image/webp", "UklG")  # type: ignore[union-attr]


async def test_a_task_is_a_job_that_outlives_the_service(town_with, settings):
    """The service is opened anew between the call and its result: another process would do as well."""
    tasks = Tasks()
    async with town_with() as town:
        held = town.comfyui.faults.nodes.hold(node_id="1")
        async with town.agent(mode="2026-07-28", extensions=[tasks]) as agent:
            await agent.call_tool("run_draw", {})
        (task_id,) = tasks.created
        _, secret = await town.core.access.create("other", ["read"])
        key_id = (await town.core.store.search())[0].key_id
        held.release()
        await until(lambda: is_over(town, task_id))

    async with town_with() as town:
        _, secret = await town.core.access.rotate(key_id)
        async with asking(base_url=town.url, headers={"Authorization": f"Bearer {secret}"}) as http:
            task = (await task_of(http, "tasks/get", task_id))["result"]

    assert (task["taskId"], task["status"], task["pollIntervalMs"]) == (task_id, "completed", 1000)
    assert task["result"]["structuredContent"]["status"] == "succeeded"


async def test_a_task_can_be_canceled_by_its_owner_alone(town):
    tasks = Tasks()
    await town.register("paint", graph())
    held = town.comfyui.faults.nodes.hold(node_id="8")
    async with town.agent(mode="2026-07-28", extensions=[tasks]) as agent:
        await agent.call_tool("run_paint", {})
    (task_id,) = tasks.created
    await until(lambda: is_at_work(town.core.store))
    _, stranger = await town.core.access.create("other", ["read", "submit"])
    _, owner = await town.core.access.rotate((await town.core.store.search())[0].key_id)

    answers = []
    for secret in (stranger, owner):
        async with asking(base_url=town.url, headers={"Authorization": f"Bearer {secret}"}) as http:
            answers.append(await task_of(http, "tasks/cancel", task_id))
    await until(lambda: town.core.store.search(states=[JobState.CANCELED]))
    held.release()

    assert "there is no task" in answers[0]["error"]["message"]
    assert answers[1]["result"]["resultType"] == "complete"


async def test_a_service_without_the_extra_says_how_to_get_it(settings, monkeypatch):
    monkeypatch.delitem(sys.modules, "comfywire.service.mcp.face", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server.context", None)  # as if it were not installed
    async with (
        open_core(settings) as core,
        serving(application(core)) as url,
        asking(base_url=url) as http,
    ):
        answer = await http.post("/mcp", json={})
        core.broker.close()

    assert answer.status_code == 501
    assert "install it with the service" in answer.json()["error"]["message"]


async def test_the_package_for_agents_is_imported_when_one_asks(settings, monkeypatch):
    monkeypatch.delitem(sys.modules, "comfywire.service.mcp.face", raising=False)
    async with (
        open_core(settings) as core,
        serving(application(core)) as url,
        asking(base_url=url) as http,
    ):
        assert (await http.get("/healthz")).status_code == 200
        before = "comfywire.service.mcp.face" in sys.modules
        answers = await asyncio.gather(*(http.post("/mcp", json={}) for _ in range(3)))
        after = "comfywire.service.mcp.face" in sys.modules
        core.broker.close()

    assert (before, after) == (False, True)
    assert [answer.status_code for answer in answers] == [401] * 3
