"""What a newcomer does: start the demo, open its page, press Run, look at the picture."""

import asyncio
import re
from typing import Any

from tests.browser.conftest import Demo, Opening, demo_at

AWAY = r"ERR_|Failed to (load|fetch)"
"""What a browser itself says of a service that is away."""


async def run_something(page: Any, **fields: str) -> None:
    await page.wait_for_selector("form.form")
    for label, value in fields.items():
        await page.get_by_label(label, exact=True).fill(value)
    await page.get_by_role("button", name="Run", exact=True).click()


async def test_from_the_demo_to_a_picture_with_live_progress(demo: Demo, opened: Opening) -> None:
    async with opened(demo.url) as page:
        await run_something(page, Prompt="a lighthouse at dusk")
        live = page.locator(".live")
        await live.locator("img.preview").wait_for()
        steps = re.compile(r"step \d+ of 20")
        await live.get_by_text(steps).wait_for()
        await live.get_by_text("Succeeded").wait_for()

        await live.get_by_role("link", name="Open").click()
        picture = page.locator(".hang img.hung")
        await picture.wait_for()
        width = await picture.evaluate("image => image.decode().then(() => image.naturalWidth)")

        assert width == 768
        assert "a lighthouse at dusk" in await page.locator("aside").inner_text()


async def test_a_second_tab_and_a_reload_show_the_same_run(demo: Demo, opened: Opening) -> None:
    async with opened(demo.url) as page, opened(demo.url) as other:
        await run_something(page)
        title = await page.locator(".live h2").inner_text()
        await page.reload()
        await page.locator(".live").get_by_text("Succeeded").wait_for()
        await other.locator(".live").get_by_text("Succeeded").wait_for()

        assert re.search(r"seed \d+", title)
        shown = [await tab.locator(".live h2").inner_text() for tab in (page, other)]
        assert shown == [title, title]


async def test_the_stream_goes_on_after_the_connection_was_cut(demo: Demo, opened: Opening) -> None:
    async with opened(demo.url, allow=AWAY) as page:
        await run_something(page)
        await page.locator(".live").get_by_text("Running").wait_for()
        await page.context.set_offline(True)
        await page.evaluate(
            "location.hash = '#/results'"
        )  # leaves the stream, and asks in vain for another view
        await asyncio.sleep(0.5)
        await page.context.set_offline(False)
        await page.evaluate("location.hash = '#/run'")

        await page.locator(".live").get_by_text("Succeeded").wait_for()


async def test_what_ran_when_the_service_was_killed_ends_on_the_page_that_stayed_open(
    demo: Demo, opened: Opening
) -> None:
    async with opened(demo.url, allow=AWAY) as page:
        await run_something(page)
        await page.locator(".live").get_by_text("Running").wait_for()
        await demo.stop(lambda process: process.kill())
        await page.get_by_text("The service does not answer").wait_for()
        await demo.start()

        await page.get_by_text("It has caught up: nothing was lost.").wait_for()
        await page.locator(".live").get_by_text("Succeeded").wait_for(timeout=60_000)


async def test_several_seeds_are_a_batch_whose_results_stand_together(demo: Demo, opened: Opening) -> None:
    async with opened(demo.url) as page:
        await page.wait_for_selector("form.form")
        await page.get_by_text("Several seeds").click()
        await page.get_by_label("Seeds, as a number").fill("3")
        await page.get_by_label("Seed", exact=True).fill("18446744073709551612")
        await page.get_by_role("button", name="Run 3 prompts").click()
        await page.locator(".strip img").nth(2).wait_for()
        await page.locator(".strip a").first.click()

        await page.locator(".live").get_by_role("link", name="Open").click()
        seeds = [await seed_shown(page)]
        for _ in range(2):
            await page.keyboard.press("ArrowRight")
            await page.locator("aside dl.pairs").get_by_text(seeds[-1]).wait_for(state="detached")
            seeds.append(await seed_shown(page))

    assert sorted(seeds) == ["18446744073709551612", "18446744073709551613", "18446744073709551614"]


async def seed_shown(page: Any) -> str:
    text = await page.locator("aside dl.pairs").inner_text()
    return re.search(r"Seed\s+(\d+)", text)[1]  # type: ignore[index]


async def test_two_keys_see_only_their_own(tmp_path: Any, opened: Opening) -> None:
    async with demo_at(tmp_path / "data", "--keys") as demo:
        other_key = await demo.another_key()
        async with opened(demo.url, allow="401") as page, opened(demo.url, allow="401") as other:
            for one, key in ((page, demo.key), (other, other_key)):
                await one.get_by_label("Key", exact=True).fill("cw_wrong")
                await one.get_by_role("button", name="Sign in").click()
                await one.get_by_role("alert").wait_for()
                await one.get_by_label("Key", exact=True).fill(key)
                await one.get_by_role("button", name="Sign in").click()
            await run_something(page)
            await page.locator(".live").get_by_text("Succeeded").wait_for()
            await other.wait_for_selector("form.form")
            await other.goto(f"{demo.url}/#/results")
            await other.get_by_text("Nothing was made yet").wait_for()
            await page.goto(f"{demo.url}/#/results")
            await page.locator(".wall .tile").wait_for()

            assert await other.locator(".wall .tile").count() == 0
