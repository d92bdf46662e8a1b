"""Every view for everybody: axe-core finds nothing, the keyboard reaches all, a phone is enough."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.browser.conftest import Demo, Opening, entered, made
from tests.browser.test_first_run import run_something

AXE = Path(__file__).parents[2] / ".peers" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
NARROW = {**PHONE, "viewport": {"width": 360, "height": 740}}
VIEWS = ("run", "results", "job", "view", "operate", "register", "shared")

CUT_OFF = """() => [...document.querySelectorAll("input[placeholder]")].filter((one) => {
    const kept = one.value;
    one.value = one.placeholder;  // a search field has room for a button beside its words
    const isCut = one.checkVisibility() && one.scrollWidth > one.clientWidth;
    one.value = kept;
    return isCut;
}).map((one) => one.placeholder)"""
"""The hints in fields that are too narrow for them."""


@pytest.fixture(scope="session")
def axe() -> str:
    path = Path(os.environ.get("COMFYWIRE_AXE", AXE))
    assert path.is_file(), "there is no axe-core: `make test-browser` gets it with npm"
    return path.read_text(encoding="utf-8")


async def violations(page: Any, axe: str) -> list[str]:
    await page.evaluate(axe)
    found = await page.evaluate("axe.run(document).then((result) => result.violations)")
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
async def test_axe_finds_nothing_on_any_view(demo: Demo, opened: Opening, axe: str, look: str) -> None:
    options: dict[str, Any] = PHONE if look == "phone" else {"color_scheme": look}
    async with opened(demo.url, reduced_motion="reduce", **options) as page:
        await run_something(page)
        await page.locator(".live").get_by_text("Succeeded").wait_for()
        job = await page.evaluate("fetch('api/v2/jobs').then((a) => a.json()).then((b) => b.jobs[0].id)")
        link = await page.evaluate(
            f"fetch('api/v2/jobs/{job}/share', {{method: 'POST'}}).then((a) => a.json())"
        )
        addresses = {"job": f"job/{job}", "view": f"view/{job}/0", "shared": f"shared/{link['token']}"}
        found = {}
        for view in VIEWS:
            await page.evaluate("location.hash = '#/'")
            await page.evaluate("(hash) => { location.hash = hash; }", f"#/{addresses.get(view, view)}")
            await page.locator("main h1").first.wait_for()
            await page.wait_for_timeout(700)
            found[view] = await violations(page, axe)

    assert found == {view: [] for view in VIEWS}


async def fails(page: Any, guest: httpx.AsyncClient) -> str:
    """Have the page believe that a job failed: what the demo runs succeeds."""
    job = await made(guest)
    error = {"code": "node_failed", "message": "out of memory", "node_id": "3", "class_type": "KSampler"}
    told = {**job, "status": "failed", "outputs": [], "error": {**error, "traceback": "one line\nanother"}}
    await page.route(f"**/api/v2/jobs/{job['id']}", lambda route: route.fulfill(json=told))
    return str(job["id"])


async def goes(page: Any, view: str) -> None:
    await page.evaluate("(hash) => { location.hash = hash; }", f"#/{view}")
    await page.locator("main h1").first.wait_for()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
async def test_axe_finds_nothing_on_what_opens_over_the_views(
    house: Demo, opened: Opening, guest: httpx.AsyncClient, axe: str, look: str
) -> None:
    """Sign-in, dialogs, lists, what failed, what is empty, and two results compared."""
    options: dict[str, Any] = PHONE if look == "phone" else {"color_scheme": look}
    found: dict[str, list[str]] = {}
    async with opened(house.url, allow="401", **options) as page:
        await page.get_by_label("Key", exact=True).wait_for()
        found["sign-in"] = await violations(page, axe)
        await page.get_by_label("Key", exact=True).fill("cw_wrong")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("alert").wait_for()
        found["sign-in refused"] = await violations(page, axe)

    async with entered(opened, guest, "results", allow="404", reduced_motion="reduce", **options) as page:

        async def looked(name: str, selector: str, act: Callable[[], Awaitable[Any]] | None = None) -> None:
            if act is not None:
                await act()
            await page.locator(selector).first.wait_for()
            found[name] = await violations(page, axe)

        async def pressed(name: str) -> None:
            await page.get_by_role("button", name=name).first.click()

        await looked("nothing made yet", ".results .note")
        jobs = [await made(guest, seed=seed) for seed in (1, 2)]
        broken = await fails(page, guest)
        await looked("what failed", ".todo", lambda: goes(page, f"job/{broken}"))
        with_other = f"view/{jobs[1]['id']}/0/with/{jobs[0]['id']}/0"
        await looked("compared", ".compare", lambda: goes(page, with_other))
        await looked("a label", "dialog", lambda: pressed("Label"))
        await page.keyboard.press("Escape")
        await looked("no such job", "[role=alert]", lambda: page.evaluate("location.hash = '#/job/none'"))
        await goes(page, "operate")
        await looked("a new server", "dialog", lambda: pressed("Add a server"))
        await page.keyboard.press("Escape")
        await goes(page, "results")
        await looked("a list of choices", "[role=listbox]", page.get_by_role("combobox").first.click)
        await page.keyboard.press("Escape")
        if look != "phone":
            await page.evaluate("document.activeElement.blur()")
            await looked("the keys", "dialog", lambda: page.keyboard.press("?"))
            await page.keyboard.press("Escape")
        await page.route("**/api/v2/workflows", lambda route: route.fulfill(json={"workflows": []}))
        await looked("no workflow", ".drop.big", lambda: goes(page, "run"))

    assert {name: told for name, told in found.items() if told} == {}
    assert len(found) >= 10


async def test_a_phone_runs_a_prompt_and_nothing_is_wider_than_it(demo: Demo, opened: Opening) -> None:
    async with opened(demo.url, **NARROW) as page:
        for view in ("run", "results", "operate", "register"):
            await page.goto(f"{demo.url}/#/{view}")
            await page.locator("main h1").first.wait_for()
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, view
            assert await page.evaluate(CUT_OFF) == [], view
        await page.goto(f"{demo.url}/#/run")
        await page.get_by_role("button", name="Run", exact=True).tap()
        await page.locator(".live").get_by_text("Succeeded").wait_for()


async def test_why_a_job_waits_stands_where_its_picture_will_be(
    opened: Opening, guest: httpx.AsyncClient, axe: str
) -> None:
    body = {"inputs": {}, "tags": ["nowhere"]}
    job = (await guest.post("/workflows/text-to-image/jobs", json=body)).json()

    async with entered(opened, guest, f"job/{job['id']}", **NARROW) as page:
        stage = page.locator(".live .stage")
        await stage.get_by_text("nowhere").wait_for()
        height = (await stage.bounding_box())["height"]
        found = await violations(page, axe)
        await page.get_by_role("button", name="Cancel this prompt").click()
        await page.get_by_text("Canceled.").wait_for()

    assert found == []
    assert height == 304, "as high as its preview will be: nothing moves when it begins"


async def test_the_keyboard_alone_runs_and_looks(demo: Demo, opened: Opening) -> None:
    async with opened(demo.url) as page:
        await page.get_by_label("Prompt", exact=True).focus()
        await page.keyboard.press("Control+Enter")
        await page.locator(".live").get_by_text("Succeeded").wait_for()
        await page.evaluate("document.activeElement.blur()")
        await page.keyboard.press("2")
        await page.locator(".wall .tile").wait_for()
        await page.locator(".wall .pic-link").first.focus()
        await page.keyboard.press("Enter")
        await page.locator(".viewer").wait_for()
        await page.keyboard.press("i")
        await page.locator("aside").wait_for(state="hidden")
        await page.keyboard.press("Escape")
        await page.locator(".wall").wait_for()


async def test_a_choice_is_found_by_typing(demo: Demo, opened: Opening) -> None:
    async with opened(demo.url) as page:
        await page.get_by_role("combobox", name="Sampler").click()
        await page.keyboard.type("dpmpp_3m")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")

        await page.get_by_role("combobox", name="Sampler: dpmpp_3m_sde_gpu").wait_for()
