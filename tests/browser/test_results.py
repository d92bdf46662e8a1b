"""The gallery and the form: find, label, compare, end, try again, keep as a preset, list, register."""

import json
from pathlib import Path
from typing import Any

import httpx
from tests.browser.conftest import Opening, entered, made

LONG = {"steps": 400, "width": 512, "height": 512}
BROKEN = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "color": 0, "batch_size": 1}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


async def begun(guest: httpx.AsyncClient, **inputs: Any) -> str:
    answer = await guest.post("/workflows/text-to-image/jobs", json={"inputs": inputs})
    return str(answer.json()["id"])


async def test_results_are_filtered_by_the_service(opened: Opening, guest: httpx.AsyncClient) -> None:
    await made(guest, prompt="a red barn", metadata={"customer": "acme"})
    await made(guest, prompt="a blue lake")
    await guest.post(f"/jobs/{await begun(guest, **LONG)}/cancel")

    async with entered(opened, guest, "results") as page:
        await page.locator(".wall .tile").nth(2).wait_for()
        search = page.get_by_role("searchbox", name="Words in inputs and labels")
        for words, count in (("barn", 1), ("ACME", 1), ("a ", 3), ("nothing of it", 0)):
            await search.fill(words)
            await page.get_by_text(f"{count} result{'' if count == 1 else 's'} match").wait_for()
        await search.fill("")
        await page.get_by_role("combobox", name="Kind: all").click()
        await page.get_by_role("option", name="pictures").click()
        await page.get_by_text("2 results match").wait_for()
        await page.get_by_role("combobox", name="State: all").click()
        await page.get_by_role("option", name="ended early").click()
        await page.get_by_text("0 results match").wait_for()
        await page.get_by_text("Nothing is like that").wait_for()
        await page.get_by_role("link", name="Show all").click()
        await page.get_by_label("Label, as name: value").fill("customer: acme")
        await page.get_by_label("Label, as name: value").press("Enter")
        await page.get_by_text("1 result match").wait_for()


async def test_labels_are_put_on_many_and_taken_off_one(opened: Opening, guest: httpx.AsyncClient) -> None:
    jobs = [await made(guest, seed=seed) for seed in range(2)]

    async with entered(opened, guest, "results") as page:
        await page.locator(".wall .tile").nth(1).wait_for()
        for index in range(2):
            await page.locator(".wall .pic-link").nth(index).focus()
            await page.keyboard.press("Space")
        await page.get_by_role("button", name="Put a label on them").click()
        await page.get_by_label("Name", exact=True).fill("customer")
        await page.get_by_label("Value", exact=True).fill("acme")
        await page.get_by_role("button", name="Put it on").click()
        await page.locator("dialog").wait_for(state="detached")
        found = (await guest.get("/jobs", params={"metadata[customer]": "acme"})).json()["jobs"]
        assert len(found) == 2

        await page.evaluate("(hash) => { location.hash = hash; }", f"#/view/{jobs[0]['id']}/0")
        await page.get_by_role("button", name="Take customer off").click()
        await page.locator(".label-tag", has_text="customer").wait_for(state="detached")

    found = (await guest.get("/jobs", params={"metadata[customer]": "acme"})).json()["jobs"]
    assert [job["id"] for job in found] == [jobs[1]["id"]]


async def test_two_results_are_compared_with_a_cut_that_keys_move(
    opened: Opening, guest: httpx.AsyncClient
) -> None:
    for seed in (11, 22):
        await made(guest, seed=seed)

    async with entered(opened, guest, "results") as page:
        await page.locator(".wall .tile").nth(1).wait_for()
        for index in range(2):
            await page.locator(".wall .pic-link").nth(index).focus()
            await page.keyboard.press("Space")
        await page.get_by_role("button", name="Compare").click()
        await page.get_by_text("A · seed 11").wait_for()
        await page.get_by_text("B · seed 22").wait_for()
        cut = page.get_by_role("slider", name="How much of A is shown")
        await cut.focus()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Shift+ArrowRight")

        shown = await page.locator(".compare").evaluate("one => one.style.getPropertyValue('--cut')")
        assert shown == "61%"


async def test_a_job_is_canceled_and_tried_again_on_its_panel(
    opened: Opening, guest: httpx.AsyncClient
) -> None:
    job = await begun(guest, **LONG)

    async with entered(opened, guest, "run/text-to-image") as page:
        live = page.locator(".live")
        await live.get_by_role("button", name="Cancel this prompt").click()
        await live.get_by_text("Canceled").first.wait_for()
        await live.get_by_role("button", name="Retry as it is").click()
        await live.get_by_role("button", name="Cancel this prompt").wait_for()
        await live.get_by_role("button", name="Duplicate with changes").click()
        assert await page.get_by_label("Steps, as a number").input_value() == "400"
        await live.get_by_role("button", name="Cancel this prompt").click()
        await live.get_by_text("Canceled").first.wait_for()

    steps = (await guest.get(f"/jobs/{job}/transitions")).json()["transitions"]
    assert [step["to_status"] for step in steps].count("canceled") == 2


async def test_values_are_kept_under_a_name_and_come_back(opened: Opening, guest: httpx.AsyncClient) -> None:
    async with entered(opened, guest, "run/text-to-image") as page:
        prompt = page.get_by_label("Prompt", exact=True)
        await prompt.fill("a mill by the river")
        await page.get_by_role("button", name="Save these values").click()
        await page.get_by_label("Name of the preset").fill("mill")
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.get_by_role("combobox", name="Preset: Preset: mill").wait_for()
        await prompt.fill("something else")
        await page.reload()
        await page.get_by_role("combobox", name="Preset: Preset: none").click()
        await page.get_by_role("option", name="Preset: mill").click()
        assert await prompt.input_value() == "a mill by the river"
        await page.get_by_role("button", name="Delete the preset mill").click()
        await page.get_by_role("combobox", name="Preset").wait_for(state="detached")

    assert (await guest.get("/workflows/text-to-image/presets")).json()["presets"] == []


async def test_a_list_of_values_makes_a_batch(opened: Opening, guest: httpx.AsyncClient) -> None:
    async with entered(opened, guest, "run/text-to-image") as page:
        await page.get_by_label("Steps, as a number").fill("1")
        await page.get_by_text("A list", exact=True).click()
        await page.get_by_label("Values, one a line").fill("a barn\na lake\n\na hill")
        await page.get_by_role("button", name="Run 3 prompts").click()
        await page.locator(".strip a").nth(2).wait_for()

    jobs = (await guest.get("/jobs", params={"details": True})).json()["jobs"]
    assert sorted(job["job"]["inputs"]["prompt"] for job in jobs) == ["a barn", "a hill", "a lake"]


async def test_a_file_is_registered_in_the_order_that_was_chosen(
    opened: Opening, guest: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "plain picture.json"
    file.write_text(json.dumps(BROKEN), encoding="utf-8")

    async with entered(opened, guest, "register") as page:
        await page.locator("input[type=file]").set_input_files(file)
        await page.get_by_text("Can run it").first.wait_for()
        names = "nodes => nodes.map((one) => one.value)"
        before = await page.locator("input[aria-label^='Name of']").evaluate_all(names)
        await page.get_by_role("button", name=f"Move {before[1]} up").click()
        after = await page.locator("input[aria-label^='Name of']").evaluate_all(names)
        assert after == [before[1], before[0], *before[2:]]
        await page.get_by_role("checkbox", name=f"Expose {before[-1]}").uncheck()
        await page.get_by_role("button", name=f"Register {len(before) - 1} inputs").click()
        await page.get_by_role("button", name="Run", exact=True).wait_for()
        await page.get_by_role("heading", name="Plain picture").wait_for()

    workflow = (await guest.get("/workflows/plain-picture")).json()
    assert list(workflow["parameters"]) == after[:-1]


async def test_a_file_that_no_server_can_run_says_what_is_lacking(
    opened: Opening, guest: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "odd.json"
    odd = {**BROKEN, "3": {"class_type": "NodeOfNobody", "inputs": {"image": ["1", 0], "amount": 3}}}
    file.write_text(json.dumps(odd), encoding="utf-8")

    async with entered(opened, guest, "register") as page:
        await page.locator("input[type=file]").set_input_files(file)
        await page.get_by_text("It lacks node 'NodeOfNobody'.").first.wait_for()
