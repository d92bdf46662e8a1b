"""Agents and chat applications, unchanged: each gets its pictures from registered workflows.

The clients of OpenAI's API are driven by programs of their own in ``drivers/``; MCP's inspector is a command.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.peers import environments
from tests.peers.environments import NotInstalled, skip
from tests.peers.face import Face, until
from tests.peers.test_peers import DRIVER_TIMEOUT, PHOTO, Prompt, printed_by, python_driver, shown
from tests.server.wire import film, image, masked_edit, text_to_image

from comfywire.server import server_in_thread
from comfywire.sync import Client

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [pytest.mark.timeout(240)]

BLANK = (255, 255, 255)
BLUE = (0, 0, 255)
# A sheet of paper is there, so that one model both draws and edits, as the one that LibreChat asks for does.
EDIT = masked_edit("blank.png", "blank.png")
EDIT_PARAMETERS = {
    "image": {"type": "image", "inputs": ["1.image"], "default": "blank.png"},
    "mask": {"type": "mask", "inputs": ["2.image"], "default": "blank.png"},
    "prompt": {"type": "text", "inputs": ["6.text"], "default": ""},
}
FILM = film("blank.png")
FILM_PARAMETERS = {
    "image": {"type": "image", "inputs": ["1.image"]},
    "seconds": {"type": "float", "inputs": ["2.fps"], "min": 1},
}
SQUARE_PARAMETERS = {"color": {"type": "int", "inputs": ["1.color"], "min": 0, "max": 0xFFFFFF}}


def ask(face: Face, method: str, path: str, **body: Any) -> dict[str, Any]:
    asked = urllib.request.Request(f"{face.url}/api/v2/{path}", json.dumps(body).encode(), method=method)
    asked.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(asked) as reply:
        found: dict[str, Any] = json.load(reply)
        return found


def register(face: Face) -> None:
    ask(face, "PUT", "workflows/draw", workflow=text_to_image())
    ask(face, "PUT", "workflows/film", workflow=FILM, parameters=FILM_PARAMETERS)
    ask(face, "PUT", "workflows/square", workflow=image(size=64), parameters=SQUARE_PARAMETERS)
    edits = {"parameters": EDIT_PARAMETERS, "aliases": ["gpt-image-1"], "options": {"outputs": ["4"]}}
    ask(face, "PUT", "workflows/edit", workflow=EDIT, **edits)
    ask(face, "PUT", "workflows/see", workflow=EDIT, parameters=EDIT_PARAMETERS)


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    folder = tmp_path_factory.mktemp("chats")
    Image.new("RGB", (8, 8), BLANK).save(folder / "blank.png")
    with server_in_thread() as one, server_in_thread() as other:
        for server in (one, other):
            with Client(server.url) as client:
                client.upload(folder / "blank.png", name="blank.png")
        served = Face(folder, [one, other])
        with served.running():
            register(served)
            yield served


@pytest.fixture(autouse=True)
def unhurried(face: Face) -> Iterator[None]:
    """Whatever a test did to the ComfyUIs ends with it."""
    yield
    for server in face.servers:
        server.call(server.faults.clear)


@pytest.fixture
def task(face: Face, tmp_path: Path) -> Prompt:
    Image.new("RGBA", (8, 8), PHOTO).save(tmp_path / "photo.png")
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "mask.png")
    files = {name: str(tmp_path / f"{name}.png") for name in ("photo", "mask")}
    key = ask(face, "POST", "keys", name="chat")["secret"]
    return {"url": face.url, "key": key, "file": files["photo"], "mask": files["mask"]}


@pytest.fixture(scope="module")
def chats() -> str:
    try:
        return environments.chats()
    except NotInstalled as reason:
        skip(f"the clients of OpenAI's API are not here: {reason}")


def is_like(text: str, colour: tuple[int, int, int]) -> bool:
    """Whether a picture in base64 has this colour, but for what its compression changed."""
    return all(abs(one - other) < 20 for one, other in zip(shown(text), colour, strict=True))


def size_of(text: str) -> tuple[int, int]:
    with Image.open(BytesIO(base64.b64decode(text))) as picture:
        return picture.size


def test_the_official_package_gets_what_it_documents(chats: str, face: Face, task: Prompt) -> None:
    for server in face.servers:  # previews go out while a picture is still being made
        server.faults.nodes.slow(1, class_type="VAEDecode", times=None)

    found = printed_by(python_driver(chats, "openai_package"), task)

    assert found["models"] == ["draw", "edit", "film", "gpt-image-1", "see", "square"]
    assert [size_of(picture) for picture in found["drawn"]] == [(64, 64)] * 2
    # A mask that is transparent all over: ComfyUI's loader of masks makes white of it.
    assert [shown(picture) for picture in found["edited"]] == [PHOTO, BLANK]
    kinds = [event["type"].removeprefix("image_generation.") for event in found["streamed"]]
    assert kinds in (["partial_image", "completed"], ["partial_image", "partial_image", "completed"])
    assert size_of(found["streamed"][-1]["picture"]) == (64, 64)
    assert found["video"] == ["completed", "RIFF"]
    assert found["refused"] == "model_not_found"


def test_litellm_takes_the_service_for_a_provider(chats: str, task: Prompt) -> None:
    found = printed_by(python_driver(chats, "litellm_package"), task)

    assert [size_of(picture) for picture in found["drawn"]] == [(64, 64)]
    assert [shown(picture) for picture in found["edited"]] == [PHOTO]


def test_open_webuis_own_functions_get_pictures(chats: str, task: Prompt) -> None:
    try:
        module = environments.open_webui()
    except NotInstalled as reason:
        skip(f"the module of Open WebUI is not here: {reason}")

    found = printed_by([*python_driver(chats, "open_webui_openai"), str(module)], task)

    assert [size_of(picture) for picture in found["drawn"]] == [(64, 64)]
    assert [shown(picture) for picture in found["edited"]] == [PHOTO] * 2


def test_librechats_sequence_with_the_model_that_it_has_built_in(chats: str, task: Prompt) -> None:
    found = printed_by(python_driver(chats, "librechat"), task)

    assert [shown(picture) for picture in found["drawn"]] == [BLANK]
    assert [shown(picture) for picture in found["edited"]] == [PHOTO]


def test_the_example_of_openais_package_saves_pictures(chats: str, task: Prompt, tmp_path: Path) -> None:
    ran = subprocess.run(
        [chats, str(EXAMPLES / "openai_pictures.py")],
        env={**os.environ, "COMFYWIRE_SERVICE": task["url"], "COMFYWIRE_KEY": task["key"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DRIVER_TIMEOUT,
        check=False,
    )

    assert ran.stdout.split() == ["boat_0.png", "boat_1.png", "edited_0.png"], ran.stderr
    for name in ran.stdout.split():
        with Image.open(tmp_path / name) as picture:
            assert picture.size == (128, 128)


def test_the_form_of_gradio_runs_a_workflow_by_its_schema(face: Face, tmp_path: Path) -> None:
    try:
        interpreter = environments.gradio()
    except NotInstalled as reason:
        skip(f"Gradio is not here: {reason}")
    environment = {
        **os.environ,
        "COMFYWIRE_SERVICE": face.url,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(tmp_path),
        "PYTHONUNBUFFERED": "1",
    }
    form = [interpreter, str(EXAMPLES / "gradio_form.py"), "square"]
    with subprocess.Popen(form, env=environment, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            url = next(line.split()[-1] for line in served.stdout if "http://" in line)
            (image,) = printed_by([*python_driver(interpreter, "gradio_client"), url], {"values": [0xFF0000]})
        finally:
            served.terminate()

    assert is_like(image, (255, 0, 0))


Inspect = Callable[..., dict[str, Any]]


@pytest.fixture
def inspector(face: Face, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start the inspector, which calls a method."""
    try:
        command = environments.inspector()
    except NotInstalled as reason:
        skip(f"MCP's inspector is not here: {reason}")
    environment = {**os.environ, "HOME": str(tmp_path)}  # where it keeps what it knows

    def start(method: str, *options: str) -> subprocess.Popen[str]:
        whole = [*command, f"{face.url}/mcp", "--transport", "http", "--method", method, *options]
        return subprocess.Popen(
            whole, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    return start


@pytest.fixture
def inspect(inspector: Callable[..., subprocess.Popen[str]]) -> Inspect:
    """Have the inspector call a method; return what it printed, with its exit status."""

    def inspect(method: str, *options: str) -> dict[str, Any]:
        with inspector(method, *options) as started:
            printed, complaints = started.communicate(timeout=DRIVER_TIMEOUT)
        assert printed, complaints
        return {"status": started.returncode, **json.loads(printed)}

    return inspect


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_lists_and_calls_tools(inspect: Inspect, era: str) -> None:
    listed = inspect("tools/list", "--protocol-era", era, "--strict")
    called = inspect(
        "tools/call", "--protocol-era", era, "--tool-name", "run_square", "--tool-arg", f"color={0xFF}"
    )

    assert {"run_draw", "run_square", "get_job"} <= {tool["name"] for tool in listed["tools"]}
    assert (listed["status"], called["status"]) == (0, 0), (
        listed,
        called,
    )  # 6: a schema that some cannot read
    assert [block["type"] for block in called["content"]] == ["text", "image", "resource_link"]
    assert called["structuredContent"]["status"] == "succeeded"
    assert is_like(called["content"][1]["data"], BLUE)


def test_the_inspector_is_told_what_is_wrong(inspect: Inspect) -> None:
    called = inspect("tools/call", "--tool-name", "run_square", "--tool-args-json", '{"colour": 1}')

    assert called["isError"]
    assert "did you mean 'color'" in called["content"][0]["text"]


def test_an_agent_gets_its_picture_after_the_service_was_killed(
    inspect: Inspect, inspector: Callable[..., subprocess.Popen[str]], face: Face
) -> None:
    held = [server.faults.nodes.hold(node_id="1") for server in face.servers]
    with inspector("tools/call", "--tool-name", "run_square", "--tool-arg", "color=77") as calling:
        until(lambda: any(rule.hits for rule in held))
        face.restart_api(is_killed=True)
        calling.kill()  # it would wait for its answer for a minute
        calling.communicate()
    for server, rule in zip(face.servers, held, strict=True):
        rule.release()
        server.call(server.faults.clear)
    (job, *_) = inspect("tools/call", "--tool-name", "list_jobs")["structuredContent"]["jobs"]

    waited = inspect("tools/call", "--tool-name", "wait_for_job", "--tool-arg", f"job_id={job['job_id']}")

    assert job["status"] in ("running", "succeeded")
    assert waited["structuredContent"]["status"] == "succeeded"
    assert "image" in [block["type"] for block in waited["content"]]


def test_a_task_goes_on_after_the_service_was_killed(face: Face) -> None:
    """The package's own client declares tasks: its call is answered at once, and asked for after the kill."""
    pytest.importorskip("mcp", reason="agents need the extra 'mcp'")
    secret = ask(face, "POST", "keys", name="agent")["secret"]
    held = [server.faults.nodes.hold(node_id="1") for server in face.servers]

    task_id = asyncio.run(begun(face.url, secret))
    until(lambda: any(rule.hits for rule in held))
    before = asyncio.run(looked_at(face.url, secret, task_id))
    face.restart_api(is_killed=True)
    for server, rule in zip(face.servers, held, strict=True):
        rule.release()
        server.call(server.faults.clear)
    until(lambda: asyncio.run(looked_at(face.url, secret, task_id))["status"] != "working")
    after = asyncio.run(looked_at(face.url, secret, task_id))

    assert before["status"] == "working"
    assert (after["status"], after["result"]["structuredContent"]["status"]) == ("completed", "succeeded")
    assert "image" in [block["type"] for block in after["result"]["content"]]


async def begun(url: str, secret: str) -> str:
    """The id of the task that a call begins."""
    from mcp.client import Client as Agent  # type: ignore[import-not-found,unused-ignore]
    from mcp.client.streamable_http import (  # type: ignore[import-not-found,unused-ignore]
        streamable_http_client,
    )
    from mcp.shared._httpx_utils import (  # type: ignore[import-not-found,unused-ignore]
        create_mcp_http_client,
    )
    from tests.service.mcp.tasking import Tasks

    tasks = Tasks()
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {secret}"}) as http,
        Agent(
            streamable_http_client(f"{url}/mcp", http_client=http), mode="2026-07-28", extensions=[tasks]
        ) as agent,
    ):
        await agent.call_tool("run_square", {"color": 78})
    return tasks.created[0]


async def looked_at(url: str, secret: str, task_id: str) -> dict[str, Any]:
    from tests.service.mcp.tasking import task_of

    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
        return dict((await task_of(http, "tasks/get", task_id))["result"])
