"""ComfyUI's own editor, as pip installs it, in front of the fleet: ``comfywire serve --editor``."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import Demo, Opening, demo_at
from tests.service.rig import until

FOLDER = Path(__file__).parents[2] / ".peers"
VERSIONS = ("1.49.6", "1.58.1")
HARMLESS = (
    "Failed to load resource"  # files that a new user does not have, and addresses that the test closes
    "|graph accessed before initialization"
)
READY = "window.app?.graph && window.app.extensionManager && window.app.api.socket?.readyState === 1"
IS_RUNNING = "window.app.api.getQueue().then(queue => queue.Running.length === 1)"
SAMPLER = "window.app.graph._nodes.find(node => node.type === 'KSampler')"
LIGHT = f"window.app.runningNodeId == {SAMPLER}?.id && window.app.nodePreviewImages[{SAMPLER}.id]?.length"
LONG = f"{SAMPLER}.widgets.find(widget => widget.name === 'steps').value = 400"
TAB = "tab => window.app.extensionManager.command.execute(`Workspace.ToggleSidebarTab.${tab}`)"
STATES = "window.app.api.getHistory(200).then(jobs => jobs.map(job => job.status))"


@pytest.fixture(params=VERSIONS)
async def demo(request: Any, tmp_path: Path) -> AsyncIterator[Demo]:
    """The demo with keys, with one version of the editor."""
    package = FOLDER / f"frontend-{request.param}"
    if not package.is_dir():
        pytest.skip(f"`make test-browser` installs the editor {request.param} into {package}")
    async with demo_at(tmp_path / "data", "--keys", "--editor", PYTHONPATH=str(package)) as demo:
        yield demo


@contextlib.asynccontextmanager
async def editor(demo: Demo, opened: Opening, key: str) -> AsyncIterator[Any]:
    """The editor in a browser of its own, which has signed in on the service's page."""
    async with opened(demo.url, allow=f"401|{HARMLESS}") as page:
        await page.get_by_label("Key", exact=True).fill(key)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_selector("form.form")
        await page.context.route(lambda url: not url.startswith(demo.url), lambda route: route.abort())
        # A new user is greeted with a choice of templates, of which there are none here.
        await page.evaluate("fetch('/api/settings/Comfy.TutorialCompleted', {method: 'POST', body: 'true'})")
        await page.goto(f"{demo.url}/editor/")
        await page.wait_for_function(READY)
        yield page


async def load(page: Any, demo: Demo) -> None:
    """Load the demo's workflow as a file of the editor's own."""
    workflow = json.loads((demo.folder / "text_to_image.json").read_text())
    await page.evaluate("workflow => window.app.loadApiJson(workflow, 'demo')", workflow)
    await page.evaluate("window.app.loadGraphData(window.app.graph.serialize())")


async def test_a_workflow_is_queued_lights_up_and_shows_its_picture(demo: Demo, opened: Opening) -> None:
    async with editor(demo, opened, demo.key) as page:
        await load(page, demo)
        await page.get_by_test_id("queue-button").click()
        await page.wait_for_function(LIGHT)
        await page.wait_for_function("Object.values(window.app.nodeOutputs)[0]?.images?.length === 1")
        await until(lambda: page.evaluate(f"{STATES}.then(states => states.join() === 'completed')"))
        await page.evaluate(TAB, "assets")
        picture = page.locator("img[src*='/editor/api/view?filename=text_to_image']").first
        await picture.wait_for()

        assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 768


async def test_a_reload_in_mid_run_shows_what_runs_and_it_can_be_canceled(
    demo: Demo, opened: Opening
) -> None:
    async with editor(demo, opened, demo.key) as page:
        await load(page, demo)
        await page.evaluate(LONG)
        await page.get_by_test_id("queue-button").click()
        await until(lambda: page.evaluate(IS_RUNNING))
        await page.wait_for_function(LIGHT)
        await page.reload()
        await page.wait_for_function(READY)
        await until(lambda: page.evaluate(IS_RUNNING))
        await page.wait_for_function(LIGHT)
        await page.get_by_role("button", name="Cancel current run").click()
        await until(lambda: page.evaluate(f"{STATES}.then(states => states.join() === 'cancelled')"))
        await until(lambda: page.evaluate(f"{IS_RUNNING}.then(runs => !runs)"))


async def test_two_users_see_their_own_and_find_their_workflows_again(demo: Demo, opened: Opening) -> None:
    other_key = await demo.another_key()
    async with editor(demo, opened, demo.key) as page, editor(demo, opened, other_key) as other:
        await load(page, demo)
        await page.get_by_test_id("queue-button").click()
        await until(lambda: page.evaluate(f"{STATES}.then(states => states.join() === 'completed')"))
        await page.evaluate(
            "window.app.api.storeUserData('workflows/mine.json', window.app.graph.serialize())"
        )
        await page.evaluate("window.app.api.storeSetting('Comfy.ColorPalette', 'light')")
        for one in (page, other):
            await one.reload()
            await one.wait_for_function(READY)
            await one.evaluate(TAB, "workflows")
        await page.get_by_text("mine", exact=True).first.wait_for()

        assert await other.get_by_text("mine", exact=True).count() == 0
        assert await other.evaluate(STATES) == []
        shown = [
            await one.evaluate("window.app.api.getSetting('Comfy.ColorPalette')") for one in (page, other)
        ]
        assert shown[0] == "light" != shown[1]


async def test_signing_out_takes_what_the_editor_kept(demo: Demo, opened: Opening) -> None:
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}]).includes('KSampler')"
    async with editor(demo, opened, demo.key) as page:
        await load(page, demo)
        await page.wait_for_function(kept)
        await page.goto(demo.url)
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Key", exact=True).wait_for()

        assert not await page.evaluate(kept)


NOTICE = "Nodes that need scripts of their packs"
KJNODES = {
    "version": 0.4,
    "nodes": [
        {"id": 1, "type": "SetNode", "pos": [0, 0], "widgets_values": ["a"]},
        {"id": 2, "type": "GetNode", "pos": [300, 0], "widgets_values": ["a"]},
        {"id": 3, "type": "Power Lora Loader (rgthree)", "pos": [600, 0]},
    ],
    "links": [],
}


async def test_nodes_that_need_scripts_of_their_packs_are_pointed_out(demo: Demo, opened: Opening) -> None:
    async with editor(demo, opened, demo.key) as page:
        await load(page, demo)
        await page.wait_for_function("window.app.graph._nodes.length > 5")
        assert await page.get_by_text(NOTICE).count() == 0
        await page.evaluate("workflow => { window.app.loadGraphData(workflow); }", KJNODES)
        await page.get_by_text(NOTICE).first.wait_for()
        words = await page.get_by_text("--native-home").first.inner_text()

        assert "SetNode, GetNode (comfyui-kjnodes); Power Lora Loader (rgthree) (rgthree-comfy)" in words


async def test_the_page_leads_to_the_editor(demo: Demo, opened: Opening) -> None:
    async with editor(demo, opened, demo.key) as page:
        await page.goto(f"{demo.url}/")
        await page.get_by_role("link", name="Editor").click()
        await page.wait_for_function(READY)

        assert page.url == f"{demo.url}/editor/"
