"""The application's tests: no ComfyUI, no GPU. `pytest examples/postcards`, with pytest-asyncio."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from postcards import make_app

from comfywire.server import Faults, Server

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def app(comfyui: Server) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(make_app(comfyui.url))) as client:
        yield client


async def test_a_text_becomes_a_picture(app: TestClient, comfyui: Server) -> None:
    reply = await app.post("/postcards", data="a lighthouse in fog")

    assert (reply.status, reply.content_type) == (200, "image/png")
    assert (await reply.read()).startswith(b"\x89PNG")
    assert [run.how for run in comfyui.log] == ["success"]


async def test_the_text_is_what_the_workflow_gets(app: TestClient, comfyui: Server) -> None:
    await app.post("/postcards", data="a red barn")

    (run,) = comfyui.log
    assert run.prompt["6"]["inputs"]["text"] == "a red barn"


async def test_nothing_is_asked_of_comfyui_without_a_text(app: TestClient, comfyui: Server) -> None:
    reply = await app.post("/postcards", data=" ")

    assert reply.status == 400
    assert comfyui.log == []


async def test_what_a_node_raised_is_passed_on(app: TestClient, comfyui_faults: Faults) -> None:
    comfyui_faults.nodes.fail("out of paint", class_type="KSampler")

    reply = await app.post("/postcards", data="a red barn")

    assert reply.status == 502
    assert "out of paint" in await reply.text()


async def test_a_lost_reply_makes_no_second_picture(
    app: TestClient, comfyui: Server, comfyui_faults: Faults
) -> None:
    comfyui_faults.replies.drop("POST /prompt", when="after")

    reply = await app.post("/postcards", data="a red barn")

    assert reply.status == 200
    assert len(comfyui.log) == 1


async def test_comfyui_may_be_restarted_while_it_is_idle(
    app: TestClient, comfyui: Server, comfyui_faults: Faults
) -> None:
    await app.post("/postcards", data="before")

    await asyncio.to_thread(comfyui.wait, comfyui_faults.life.restart())

    assert (await app.post("/postcards", data="after")).status == 200


async def test_a_comfyui_that_is_away_is_a_503(
    app: TestClient, comfyui: Server, comfyui_faults: Faults
) -> None:
    await asyncio.to_thread(comfyui.wait, comfyui_faults.life.refuse_connections(30))

    reply = await app.post("/postcards", data="a red barn")

    assert (reply.status, await reply.text()) == (503, "no pictures at the moment")
