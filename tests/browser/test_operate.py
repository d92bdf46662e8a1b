"""What an admin does: servers come and go, keys move up, webhooks go out again, one of a batch is picked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
from tests.browser.conftest import Demo, Opening, entered, made


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, asyncio.Queue[bytes]]]:
    """An address that says yes to all, and what it was sent."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            got.put_nowait(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook", got


async def test_a_server_is_added_and_removed(opened: Opening, guest: httpx.AsyncClient) -> None:
    async with entered(opened, guest, "operate", allow="422") as page:
        await page.get_by_role("button", name="Add a server").click()
        await page.get_by_label("Address").fill("http://169.254.169.254")
        await page.get_by_role("button", name="Add it").click()
        await page.locator("dialog").get_by_role("alert").wait_for()
        await page.get_by_label("Address").fill("http://127.0.0.1:9/comfy")
        await page.get_by_label("Tags").fill("big, slow")
        await page.get_by_role("button", name="Add it").click()
        row = page.locator("tr", has_text="127.0.0.1:9/comfy")
        await row.get_by_text("slow").wait_for()
        assert await page.get_by_role("button", name="Remove ").count() == 1  # not those of --server

        await page.get_by_role("button", name="Remove 127.0.0.1:9/comfy").click()
        await page.get_by_role("button", name="Remove it").click()
        await row.wait_for(state="detached")

    assert ":9/comfy" not in (await guest.get("/servers")).text


async def test_what_a_key_has_waiting_is_moved_to_the_front(
    house: Demo, opened: Opening, guest: httpx.AsyncClient
) -> None:
    job = {"workflow": {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "color": 0,
           "batch_size": 1}}, "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0],
           "filename_prefix": "x"}}}, "tags": ["nowhere"]}  # fmt: skip
    first = (await guest.post("/jobs", json={**job, "priority": 9})).json()
    second = (await guest.post("/jobs", json={**job, "priority": 3})).json()
    name = next(row["key_name"] for row in (await guest.get("/queue/waiting")).json()["waiting"])

    async with entered(opened, guest, "operate") as page:
        table = page.get_by_role("region", name="What waits, by priority and key")
        await table.get_by_role("button", name=f"Move what {name} has waiting at priority 3").click()
        await table.get_by_role("button", name=f"Move what {name} has waiting at priority 3").wait_for(
            state="detached"
        )

    assert (await guest.get(f"/jobs/{second['id']}")).json()["priority"] == 9
    for one in (first, second):
        await guest.post(f"/jobs/{one['id']}/cancel")


async def test_a_webhook_goes_out_again_from_the_log(opened: Opening, guest: httpx.AsyncClient) -> None:
    async with listening() as (url, got):
        body = {"inputs": {"steps": 1, "width": 64, "height": 64}, "webhook_url": url}
        await guest.post("/workflows/text-to-image/jobs?wait=60", json=body)
        await asyncio.wait_for(got.get(), 60)
        async with entered(opened, guest, "operate") as page:
            log = page.get_by_role("region", name="Webhooks")
            await log.get_by_text("Delivered").wait_for()
            await log.get_by_role("button", name="Deliver again").click()

            assert b"webhook-signature" in (await asyncio.wait_for(got.get(), 60)).lower()


async def test_keys_stand_with_what_they_used(opened: Opening, guest: httpx.AsyncClient) -> None:
    await made(guest)
    name = (await guest.get("/session")).json()["name"]

    async with entered(opened, guest, "operate") as page:
        row = page.get_by_role("region", name="Keys").locator("tr", has_text=name)
        await row.wait_for()

        cells = await row.locator("td").all_inner_texts()
        assert cells[1] == "1"
        assert cells[3] not in ("0 bytes", "")


async def test_one_of_a_batch_is_picked_and_found_again(opened: Opening, guest: httpx.AsyncClient) -> None:
    inputs = [{"seed": seed, "steps": 1, "width": 64, "height": 64} for seed in range(3)]
    batch = (await guest.post("/batches", json={"name": "text-to-image", "inputs": inputs})).json()
    while not (await guest.get(f"/batches/{batch['id']}")).json()["completed_at"]:  # noqa: ASYNC110 - it is elsewhere
        await asyncio.sleep(0.2)

    async with entered(opened, guest, "operate") as page:
        await page.get_by_role("link", name="3 prompts").click()
        await page.locator(".wall .tile").nth(2).wait_for()
        await page.locator(".wall .pic-link").nth(1).click()
        pick = page.get_by_role("button", name="Pick this one")
        await pick.click()
        await page.locator(".strip .is-picked").wait_for()
        assert await pick.get_attribute("aria-pressed") == "true"
        await page.get_by_text("picked: yes").wait_for()

        await page.evaluate("(hash) => { location.hash = hash; }", f"#/batch/{batch['id']}")
        await page.get_by_role("combobox", name="Pick: all").click()
        await page.get_by_role("option", name="picked").click()
        await page.get_by_text("1 result match").wait_for()

    found = (await guest.get("/jobs", params={"metadata[picked]": "yes"})).json()["jobs"]
    assert [job["batch_index"] for job in found] == [1]
