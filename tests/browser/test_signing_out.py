"""What the browser keeps for a key ends with its session, in every tab."""

import contextlib
from typing import Any

import httpx
import pytest
from tests.browser.conftest import Demo, Opening, entered

SECRET = "nobody else's lighthouse"
KEPT = "JSON.stringify([{...localStorage}, {...sessionStorage}])"
HAS = "text => document.querySelector('textarea')?.value === text"


def gone() -> type[Exception]:
    """What Playwright raises of a document that was left."""
    from playwright.async_api import Error  # type: ignore[import-not-found, unused-ignore]

    return Error


async def signs_in(page: Any, key: str) -> None:
    await page.get_by_label("Key", exact=True).fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.locator("form.form").wait_for()


async def test_the_next_person_finds_nothing_of_the_last_in_any_tab(
    house: Demo, opened: Opening, guest: httpx.AsyncClient
) -> None:
    async with entered(opened, guest, "run/text-to-image") as page:
        await page.get_by_label("Prompt", exact=True).fill(SECRET)
        other = await page.context.new_page()
        await other.goto(f"{house.url}/#/run/text-to-image")
        await other.wait_for_function(
            "text => document.querySelector('textarea')?.value === text", arg=SECRET
        )
        assert SECRET in await page.evaluate(KEPT)

        await page.get_by_role("button", name="Sign out").click()
        for tab in (page, other):
            await tab.get_by_label("Key", exact=True).wait_for()
            assert SECRET not in await tab.evaluate(KEPT)

        await signs_in(page, house.key)
        assert await page.get_by_label("Prompt", exact=True).input_value() != SECRET


RUN = "document.querySelector('form.form').requestSubmit()"
VIEW = "location.hash = '#/results'"


@pytest.mark.parametrize("act", [pytest.param(RUN, id="a-run"), pytest.param(VIEW, id="a-view")])
async def test_a_session_that_ended_by_itself_leaves_nothing_either(
    opened: Opening, guest: httpx.AsyncClient, act: str
) -> None:
    async with entered(opened, guest, "run/text-to-image") as page:
        await page.get_by_label("Prompt", exact=True).fill(SECRET)
        # The page asks for its queue meanwhile, and may have left before it comes to the act.
        with contextlib.suppress(gone()):
            await page.evaluate(f"fetch('api/v2/session', {{method: 'DELETE'}}).then(() => {{ {act}; }})")
        await page.get_by_label("Key", exact=True).wait_for()

        assert SECRET not in await page.evaluate(KEPT)
