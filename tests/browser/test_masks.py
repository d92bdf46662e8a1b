"""What is painted on the page is what the workflow gets as its mask: looked at in the output, by pixels."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from tests.browser.conftest import Demo, Opening

MASKED = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "MaskToImage", "inputs": {"mask": ["1", 1]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "mask"}},
    "4": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "picture"}},
}


async def test_the_painted_pixels_are_the_mask_and_the_picture_keeps_its_own(
    demo: Demo, opened: Opening, tmp_path: Path
) -> None:
    picture = Image.effect_noise((400, 300), 90).convert("RGB")
    picture.save(tmp_path / "noise.png")
    async with httpx.AsyncClient(base_url=f"{demo.url}/api/v2", timeout=60, trust_env=False) as client:
        answer = await client.put("/workflows/masked", json={"workflow": MASKED})
        assert answer.status_code == 200, json.dumps(answer.json())

    async with opened(demo.url) as page:
        await page.goto(f"{demo.url}/#/run/masked")
        await page.locator("form input[type=file]").first.set_input_files(tmp_path / "noise.png")
        await page.get_by_role("button", name="Paint the mask").click()
        await paint(page)
        await page.get_by_role("button", name="Use this mask").click()
        await page.get_by_text("noise_mask.png").wait_for()
        await page.get_by_role("button", name="Run", exact=True).click()
        await page.locator(".live").get_by_text("Succeeded").wait_for()

    mask, kept = await outputs(demo)
    # A stroke along the left half of the middle row, 40 pixels thick.
    assert [mask.getpixel(at) for at in ((100, 150), (30, 150), (190, 165))] == [(255, 255, 255)] * 3
    assert [mask.getpixel(at) for at in ((300, 150), (100, 100), (100, 200), (5, 5))] == [(0, 0, 0)] * 4
    painted = mask.convert("L").histogram()[255]
    assert abs(painted - (180 * 40 + 3.14 * 20 * 20)) < 0.05 * painted
    assert kept.tobytes() == picture.tobytes()


async def paint(page: Any) -> None:
    """A stroke from 20, 150 to 200, 150 of the picture."""
    await page.get_by_role("slider", name="Brush").fill("40")
    box = await page.locator(".paint-layer").bounding_box()
    scale = box["width"] / 400
    at = [(box["x"] + x * scale, box["y"] + 150 * scale) for x in (20, 110, 200)]
    await page.mouse.move(*at[0])
    await page.mouse.down()
    for point in at[1:]:
        await page.mouse.move(*point, steps=8)
    await page.mouse.up()


async def outputs(demo: Demo) -> list[Image.Image]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        jobs = (await client.get(f"{demo.url}/api/v2/jobs?details=true")).json()["jobs"]
        made = {one["node_id"]: one["url"] for one in jobs[0]["job"]["outputs"]}
        contents = [(await client.get(made[node])).content for node in ("3", "4")]
    return [Image.open(io.BytesIO(content)).convert("RGB") for content in contents]


async def test_a_run_waits_for_a_picture_that_is_still_on_its_way(
    demo: Demo, opened: Opening, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), "navy").save(tmp_path / "navy.png")
    async with httpx.AsyncClient(base_url=f"{demo.url}/api/v2", timeout=60, trust_env=False) as client:
        await client.put("/workflows/masked", json={"workflow": MASKED})

    async with opened(demo.url) as page:
        held = asyncio.Event()

        async def hold(route: Any) -> None:
            await held.wait()
            await route.continue_()

        await page.route(lambda url: url.split("?")[0].endswith("/api/v2/assets"), hold)
        await page.goto(f"{demo.url}/#/run/masked")
        await page.locator("form input[type=file]").first.set_input_files(tmp_path / "navy.png")
        await page.get_by_role("button", name="Run", exact=True).click()
        await page.get_by_role("button", name="Sending").wait_for()
        held.set()
        await page.locator(".live").get_by_text("Succeeded").wait_for()

    _, kept = await outputs(demo)
    assert kept.getpixel((5, 5)) == (0, 0, 128)
