"""Files that a prompt names with a text, as programs for the official gateway do: the caller's own."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any
from uuid import UUID

import httpx
from PIL import Image
from tests.service.rig import until, worker_of, working

from comfywire.server import Server
from comfywire.service.hooks import Hooks

from .conftest import Service, error_of, id_of

SAVE = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}


def photo(color: str = "red") -> bytes:
    written = BytesIO()
    Image.new("RGB", (8, 8), color).save(written, format="PNG")
    return written.getvalue()


async def upload(client: httpx.AsyncClient, name: str, content: bytes = b"red", **more: str) -> str:
    form = {"content_type": "image/png", "file_path": name, **more}
    answer = await client.post("/api/v2/assets", files={"file": content}, data=form)
    assert answer.status_code in (200, 201), answer.text
    asset_id: str = answer.json()["id"]
    return asset_id


def loading(image: Any, class_type: str = "LoadImage", **inputs: Any) -> dict[str, Any]:
    return {"1": {"class_type": class_type, "inputs": {"image": image, **inputs}}, "2": SAVE}


async def files_of(service: Service, client: httpx.AsyncClient, prompt: dict[str, Any]) -> dict[str, str]:
    """The assets that the nodes of a prompt were found to name."""
    job = (await client.post("/api/v2/jobs", json={"workflow": prompt})).json()
    row = await service.core.database.one("SELECT files FROM jobs WHERE id = %(id)s", id=id_of(job))
    assert row is not None
    return {node_id: inputs["image"]["info"]["id"] for node_id, inputs in (row["files"] or {}).items()}


async def read_by(service: Service, client: httpx.AsyncClient, prompt: dict[str, Any]) -> list[str]:
    """The assets that a job of this prompt reads; what was sent is what is told of it."""
    job = (await client.post("/api/v2/jobs", json={"workflow": prompt})).json()
    shown = (await client.get(f"/api/v2/jobs/{job['id']}/workflow")).json()
    assert shown["workflow"] == prompt
    rows = await service.core.database.all(
        "SELECT asset_id FROM job_inputs WHERE job_id = %(job_id)s", job_id=id_of(job)
    )
    return [str(row["asset_id"]) for row in rows]


MEANT = {
    "plain": ("a.png", "a.png"),
    "folders": ("pets/cats/b.png", "pets/cats/b.png"),
    "marked": ("c.png", "c.png [input]"),
    "a-mask-of-the-editor": ("clipspace/mask-1.png", "clipspace/mask-1.png [input]"),
    "windows": ("pets/d.png", "pets\\d.png"),
    "a-name-that-looks-marked": ("e [input]", "e [input]"),
    "not-ascii": ("\u732b.png", "\u732b.png"),
    "longer-than-an-index-takes": ("f" * 1000 + ".png", "f" * 1000 + ".png"),
}
NOT_MEANT = {
    "without-its-folder": ("pets/a.png", "a.png"),
    "in-another-folder": ("b.png", "pets/b.png"),
    "case": ("c.png", "C.png"),
    "a-space": ("d.png", "d.png "),
    "a-part": ("e.png", "e"),
}


async def test_a_text_that_is_an_uploads_name_means_that_upload(service: Service, client: httpx.AsyncClient):
    assets = {row: await upload(client, name) for row, (name, _) in MEANT.items()}
    prompt = {row: loading(text)["1"] for row, (_, text) in MEANT.items()}

    assert await files_of(service, client, prompt) == assets


async def test_another_name_means_no_upload(service: Service, client: httpx.AsyncClient):
    for name, _ in NOT_MEANT.values():
        await upload(client, name)
    prompt = {row: loading(text)["1"] for row, (_, text) in NOT_MEANT.items()}

    assert await files_of(service, client, prompt) == {}


async def test_masks_latents_and_wrapped_values_are_named_as_well(
    service: Service, client: httpx.AsyncClient
):
    mask, latent = await upload(client, "mask.png", b"1"), await upload(client, "x.latent", b"2")
    prompt = {
        **loading("mask.png", "LoadImageMask", channel="red"),
        "3": {"class_type": "LoadLatent", "inputs": {"latent": "x.latent"}},
        "4": {"class_type": "LoadImage", "inputs": {"image": {"__value__": "mask.png"}}},
    }

    assert sorted(await read_by(service, client, prompt)) == sorted([mask, latent])


async def test_free_text_stays_whatever_was_uploaded(service: Service, client: httpx.AsyncClient):
    await upload(client, "cat")
    prompt = {
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "cat", "clip": ["9", 1]}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "cat"}},
        "3": {"class_type": "SomebodysNode", "inputs": {"name": "cat"}},
        "4": {"class_type": "KSampler", "inputs": {"sampler_name": "cat"}},
    }

    assert await read_by(service, client, prompt) == []


async def test_the_newest_upload_of_a_name_is_meant(service: Service, client: httpx.AsyncClient):
    await upload(client, "cat.png", b"old")
    newer = await upload(client, "cat.png", b"new")

    assert await read_by(service, client, loading("cat.png")) == [newer]


async def test_an_upload_that_was_there_already_is_the_newest_again(
    service: Service, client: httpx.AsyncClient
):
    """The SDK does not send bytes that the service has: it names their hash."""
    older = await upload(client, "cat.png", b"old")
    await upload(client, "cat.png", b"new")
    digest = (await client.get(f"/api/v2/assets/{older}")).json()["hash"]

    again = await client.post("/api/v2/assets/from-hash", json={"hash": digest, "file_path": "cat.png"})

    assert again.json()["id"] == older
    assert await read_by(service, client, loading("cat.png")) == [older]


async def test_another_keys_upload_is_never_meant(service: Service, client: httpx.AsyncClient):
    async with service.client(name="another") as other:
        await upload(other, "cat.png")

    assert await read_by(service, client, loading("cat.png")) == []


async def test_an_upload_that_has_expired_does_not_count(service: Service, client: httpx.AsyncClient):
    older = await upload(client, "cat.png", b"old")
    newer = await upload(client, "cat.png", b"new", expires_in="60")
    await service.core.database.do(
        "UPDATE assets SET expires_at = now() - interval '1 s' WHERE id = %(id)s", id=UUID(newer)
    )

    assert await read_by(service, client, loading("cat.png")) == [older]


async def test_an_upload_that_a_job_names_is_held_until_its_end(service: Service, client: httpx.AsyncClient):
    asset = await upload(client, "cat.png")
    (await client.post("/api/v2/jobs", json={"workflow": loading("cat.png")})).raise_for_status()

    assert error_of(await client.delete(f"/api/v2/assets/{asset}")) == (409, "asset_in_use")


@contextlib.asynccontextmanager
async def running(service: Service, server: Server) -> AsyncIterator[None]:
    async with working(worker_of(service.core, server.url)):
        await until(lambda: _is_up(service))
        yield


async def _is_up(service: Service) -> bool:
    return any(server.state == "up" for server in await service.core.operating.servers())


async def run(client: httpx.AsyncClient, prompt: dict[str, Any]) -> dict[str, Any]:
    """A job that has ended."""
    answer = await client.post("/api/v2/jobs", json={"workflow": prompt})
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    while job["status"] not in ("succeeded", "failed"):
        await asyncio.sleep(0.02)
        job = (await client.get(f"/api/v2/jobs/{job['id']}")).json()
    return job


async def color_of(client: httpx.AsyncClient, job: dict[str, Any]) -> Any:
    assert job["status"] == "succeeded", job["error"]
    content = await client.get(f"/api/v2/assets/{job['outputs'][0]['id']}/content")
    return Image.open(BytesIO(content.content)).convert("RGB").getpixel((3, 3))


async def test_the_callers_upload_wins_over_the_servers_file_of_its_name(
    service: Service, client: httpx.AsyncClient, server: Server
):
    (server.folder / "input" / "cat.png").write_bytes(photo("blue"))
    async with running(service, server):
        before = await run(client, loading("cat.png"))
        await upload(client, "cat.png", photo("red"))
        after = await run(client, loading("cat.png"))

    assert [await color_of(client, job) for job in (before, after)] == [(0, 0, 255), (255, 0, 0)]


async def test_a_name_is_looked_up_when_the_job_is_submitted(
    service: Service, client: httpx.AsyncClient, server: Server
):
    await upload(client, "cat.png", photo("red"))
    job = (await client.post("/api/v2/jobs", json={"workflow": loading("cat.png")})).json()
    await upload(client, "cat.png", photo("blue"))
    async with running(service, server):
        while job["status"] != "succeeded":
            await asyncio.sleep(0.02)
            job = (await client.get(f"/api/v2/jobs/{job['id']}")).json()

    assert await color_of(client, job) == (255, 0, 0)


async def test_an_output_is_named_with_its_job(service: Service, client: httpx.AsyncClient, server: Server):
    save = {**SAVE, "inputs": {"images": ["1", 0], "filename_prefix": "a/b/x"}}
    await upload(client, "cat.png", photo("lime"))
    async with running(service, server), service.client(name="another") as other:
        made = await run(client, {**loading("cat.png"), "2": save})
        name = made["outputs"][0]["name"]
        whole = await run(client, loading(f"{made['id']}/a/b/{name} [output]"))
        bare = await run(client, loading(f"{made['id']}/{name} [output]"))
        foreign = loading(f"{made['id']}/{name} [output]")
        refused = await other.post("/api/v2/jobs", json={"workflow": foreign})

    assert [await color_of(client, job) for job in (whole, bare)] == [(0, 255, 0)] * 2
    assert error_of(refused) == (422, "foreign_file")


async def test_hooks_are_shown_the_file_that_a_name_means(service_with: Any):
    seen: list[dict[str, Any]] = []

    class Policy:
        def on_submit(self, job: dict[str, Any]) -> None:
            seen.append(json.loads(json.dumps(job)))

    async with service_with(Hooks({"policy": Policy()})) as service, service.client() as client:
        asset = await upload(client, "cat.png")
        await client.post("/api/v2/jobs", json={"workflow": loading("cat.png")})

    assert seen[0]["prompt"]["1"]["inputs"]["image"] == {"__type": "core/ASSET", "info": {"id": asset}}
