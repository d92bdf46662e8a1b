"""Titles, file names, labels and outputs that would like to run: none does, and all are shown as texts."""

import json
from pathlib import Path
from typing import Any

import httpx
from tests.browser.conftest import Demo, Opening

EVIL = '<img src=x onerror="window.owned=1">'
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='window.owned=1'><script>window.owned=1</script></svg>"
HTML = b"<script>window.owned=1; top.owned=1</script>"


async def owned(page: Any) -> bool:
    return bool(await page.evaluate("window.owned === 1"))


async def made(demo: Demo, workflow: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    """A job of a workflow of hostile names, ended."""
    async with httpx.AsyncClient(base_url=f"{demo.url}/api/v2", timeout=60, trust_env=False) as client:
        put = {"workflow": workflow, "description": EVIL}
        answer = await client.put("/workflows/evil", json=put)
        assert answer.status_code == 200, answer.text
        body = {"inputs": inputs, "metadata": {EVIL: EVIL}}
        answer = await client.post("/workflows/evil/jobs?wait=60", json=body)
        assert answer.status_code in (200, 424), answer.text
        return dict(answer.json())


def evil_workflow() -> dict[str, Any]:
    empty = {"width": 8, "height": 8, "batch_size": 1, "color": 0}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty, "_meta": {"title": EVIL}},
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": "x"},
            "_meta": {"title": EVIL},
        },
        "3": {"class_type": "PreviewAny", "inputs": {"source": EVIL}, "_meta": {"title": EVIL}},
    }


async def test_hostile_titles_labels_and_texts_are_texts_on_every_view(demo: Demo, opened: Opening) -> None:
    job = await made(demo, evil_workflow())

    async with opened(demo.url) as page:
        for address in ("run/evil", "results", f"job/{job['id']}", f"view/{job['id']}/0", "operate"):
            await page.goto(f"{demo.url}/#/{address}")
            await page.locator("main h1, .viewer h1").first.wait_for()
            await page.wait_for_timeout(300)
            assert not await owned(page), address
        await page.goto(f"{demo.url}/#/run/evil")
        await page.get_by_text(EVIL).first.wait_for()


async def test_a_hostile_file_is_looked_at_and_not_run(demo: Demo, opened: Opening, tmp_path: Path) -> None:
    file = tmp_path / 'x" onload="alert(1)<b>.json'
    file.write_text(json.dumps(evil_workflow()), encoding="utf-8")

    async with opened(demo.url, allow="422") as page:
        await page.goto(f"{demo.url}/#/register")
        await page.locator("input[type=file]").set_input_files(file)
        await page.get_by_text(EVIL).first.wait_for()
        assert not await owned(page)
        await page.locator("input[type=file]").set_input_files(
            {"name": "a.svg", "mimeType": "image/svg+xml", "buffer": SVG}
        )
        await page.get_by_role("alert").wait_for()
        assert not await owned(page)


async def test_svg_and_html_are_files_to_save_and_never_shown(demo: Demo, opened: Opening) -> None:
    async with httpx.AsyncClient(base_url=f"{demo.url}/api/v2", timeout=60, trust_env=False) as client:
        urls = []
        for name, content, kind in (("a.svg", SVG, "image/svg+xml"), ("a.html", HTML, "text/html")):
            asset = (await client.post("/assets", files={"file": (name, content, kind)})).json()
            urls.append(asset["url"])

    async with opened(demo.url, allow="Content Security|sandbox") as page:
        shown = await page.evaluate(
            """async (urls) => {
                const app = document.querySelector('script').src;
                const { mediaOf } = await import(app.replace('app.js', 'tiles.js'));
                return urls.map((url) => mediaOf({url, name: 'a', type: 'image', kind: 'image', content_type:
                    url.includes('svg') ? 'image/svg+xml' : 'text/html'}).tagName);
            }""",
            urls,
        )
        assert shown == ["DIV", "DIV"]
        for url in urls:
            async with page.expect_download() as download:
                await page.evaluate("(url) => { location.href = url; }", url)
            assert (await download.value).suggested_filename in ("a.svg", "a.html")
        assert not await owned(page)
