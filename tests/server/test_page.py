from __future__ import annotations

import asyncio
import re
import shutil
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from tests.server.wire import Wire, image, text_to_image

from comfywire.server import Server

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=1500",
)
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


class Say:
    RETURN_TYPES = ()
    FUNCTION = "say"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 - ComfyUI's name
        return {"required": {"text": ("STRING", {})}}

    def say(self, text):
        return {"ui": {"text": [text]}}


@pytest.fixture
async def server():
    async with Server(nodes={"Say": Say}) as server:
        yield server


async def overview(wire: Wire) -> dict[str, Any]:
    status, state = await wire.get("/comfywire/overview")
    assert status == 200
    found: dict[str, Any] = state
    return found


async def test_the_address_itself_is_a_page_as_on_comfyui(wire):
    async with wire.session.get("/") as page:
        assert (page.status, page.content_type) == (200, "text/html")
        assert "Comfywire test server" in await page.text()


async def test_the_page_runs_its_own_script_only(wire):
    async with wire.session.get("/") as one, wire.session.get("/") as other:
        policy, nonces = one.headers["Content-Security-Policy"], set()
        for page in (one, other):
            (nonce,) = set(re.findall(r'nonce="([^"]+)"', await page.text()))
            assert f"script-src 'nonce-{nonce}'" in page.headers["Content-Security-Policy"]
            nonces.add(nonce)

    assert len(nonces) == 2
    assert "default-src 'none'" in policy


async def test_it_needs_nothing_from_elsewhere(wire):
    _, page = await wire.get("/")

    assert re.findall(rb"(?:src|href)=[\"']?(https?:)?//", page) == []


async def test_a_server_without_work_says_so(server, wire):
    state = await overview(wire)

    assert (state["running"], state["waiting"], state["recent"]) == ([], [], [])
    assert (state["profile"], state["folder"]) == ("0.3.64", str(server.folder))


async def test_what_runs_is_shown_with_its_node_and_how_far_it_is(server, wire):
    server.faults.nodes.hold(class_type="VAEDecode")
    prompt_id = await wire.submit(text_to_image(steps=3))
    await server.until_executing(prompt_id, "8")

    (running,) = (await overview(wire))["running"]

    assert (running["id"], running["nodes"], running["done"]) == (prompt_id, 7, 5)
    assert running["node"] == "VAEDecode (8)"


async def test_what_waits_is_shown_in_the_order_in_which_it_will_run(server, wire):
    server.faults.nodes.hold()
    running = await wire.submit(image())
    await server.until_running(running)
    later = [await wire.submit(image(number)) for number in range(24)]
    first = await wire.submit(image(99), front=True)

    state = await overview(wire)

    assert [one["id"] for one in state["waiting"]] == [first, *later][:20]
    assert state["waiting_count"] == 25


async def test_results_are_shown_newest_first_with_pictures_that_can_be_fetched(server, wire):
    prompt_ids = [await wire.submit(image(number)) for number in (1, 2)]
    await server.until_idle()

    newest, oldest = (await overview(wire))["recent"]
    (picture,) = newest["shows"]

    assert [newest["id"], oldest["id"]] == prompt_ids[::-1]
    assert (newest["how"], picture["kind"], picture["name"]) == ("success", "picture", "test_00002_.png")
    assert newest["seconds"] >= 0
    assert (await wire.get(f"/{picture['path']}"))[1].startswith(b"\x89PNG")


async def test_a_path_in_an_output_is_quoted(server, wire):
    prompt = image()
    prompt["2"]["inputs"]["filename_prefix"] = "a&b #1/x%y"
    await wire.submit(prompt)
    await server.until_idle()

    (picture,) = (await overview(wire))["recent"][0]["shows"]

    assert dict(urllib.parse.parse_qsl(picture["path"].removeprefix("view?"))) == {
        "filename": "x%y_00001_.png",
        "subfolder": "a&b #1",
        "type": "output",
    }
    assert (await wire.get(f"/{picture['path']}"))[0] == 200


async def test_texts_and_errors_are_shown_in_their_words(server, wire):
    await wire.submit({"1": {"class_type": "Say", "inputs": {"text": "hello"}}})
    server.faults.nodes.fail("out of paint", class_type="EmptyImage")
    await wire.submit(image())
    await server.until_idle()

    failed, said = (await overview(wire))["recent"]

    assert said["shows"] == [{"kind": "text", "text": "hello"}]
    assert (failed["how"], failed["error"]) == ("error", "EmptyImage (1): out of paint")


async def test_a_prompt_that_was_interrupted_is_told_apart(server, wire):
    server.faults.nodes.slow(60, class_type="EmptyImage")
    prompt_id = await wire.submit(image())
    await server.until_executing(prompt_id, "1")
    await wire.post("/interrupt")
    await server.until_idle()

    assert (await overview(wire))["recent"][0]["how"] == "interrupted"


async def test_many_outputs_are_counted_and_not_all_sent(server, wire):
    prompt = image()
    prompt["1"]["inputs"]["batch_size"] = 15
    await wire.submit(prompt)
    await server.until_idle()

    (shown,) = (await overview(wire))["recent"]

    assert (len(shown["shows"]), shown["shows_count"]) == (12, 15)


async def test_a_history_entry_that_lies_does_not_break_the_page(server, wire):
    prompt_id = await wire.submit(image())
    await server.until_idle()
    server.faults.history.alter(prompt_id, status=None)

    assert (await overview(wire))["recent"][0]["how"] == "unknown"


async def chromium(url: str, profile: Path) -> str:
    """What the page has become after its script ran."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={profile}",
        "--dump-dom",
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    page, _ = await process.communicate()
    return page.decode()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
async def test_in_a_browser_it_shows_what_is_there_and_nothing_of_a_workflow_becomes_markup(
    server, wire, tmp_path
):
    await wire.submit({"1": {"class_type": "Say", "inputs": {"text": HOSTILE}}})
    server.faults.files.rename(f"{HOSTILE}.png")
    await wire.submit(image(7))
    await server.until_idle()
    server.faults.nodes.hold()
    running = await wire.submit(image(8))
    await server.until_running(running)

    page = await chromium(f"{server.url}/", tmp_path)

    assert "<title>▶ Comfywire test server</title>" in page
    assert f'title="{running}"' in page
    assert "EmptyImage (1)" in page
    assert "&lt;img src=x onerror=" in page
    assert "<img src=x" not in page
    assert 'id="away" role="status" hidden' in page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
async def test_a_browser_with_the_token_gets_in(tmp_path):
    async with Server(token="let me in") as server:
        page = await chromium(f"{server.url}/?token=let+me+in", tmp_path)

    assert "Nothing runs or waits." in page
    assert "token" not in page
