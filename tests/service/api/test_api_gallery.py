"""Archives, links to one job, presets, pictures of workflows, usage of keys and the log of webhooks."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.service.api.conftest import Service, error_of, id_of, submitted
from tests.service.serving import asking

from comfywire.service.jobs.records import JobRecord
from comfywire.service.migrate import _steps
from comfywire.service.workflows.presets import LARGEST_PRESET

PICTURE = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


async def _bytes(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def with_outputs(service: Service, client: httpx.AsyncClient, **files: bytes) -> dict[str, Any]:
    """A job with outputs of these names and bytes, as a worker keeps them."""
    job = await submitted(client)
    store, assets = service.core.store, service.core.assets
    record = await store.get(id_of(job))
    assert isinstance(record, JobRecord)
    for position, (name, content) in enumerate(files.items()):
        asset, _ = await assets.create(record.key_id, _bytes(content), content_type="image/png")
        await store.database.do(
            "INSERT INTO outputs (job_id, position, node_id, key, kind, name, asset_id) "
            "VALUES (%(job)s, %(position)s, '9', 'images', 'image', %(name)s, %(asset)s)",
            job=record.id,
            position=position,
            name=name,
            asset=asset.id,
        )
    return job


def unpacked(answer: httpx.Response) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name) for name in packed.namelist()}


async def test_a_zip_has_every_output_under_a_safe_name(service: Service, client: httpx.AsyncClient):
    large = bytes(range(256)) * 5000
    names = {
        "a.png": b"one",
        "../../etc/a.png": large,
        "b\\a.png": b"three",
        "bär:<b>.png": b"four",
        "..": b"five",
    }
    job = await with_outputs(service, client, **names)

    answer = await client.get(f"/api/v2/jobs/{job['id']}/outputs.zip")

    assert answer.headers["content-type"] == "application/zip"
    assert unpacked(answer) == {
        "a.png": b"one",
        "1_a.png": large,
        "2_a.png": b"three",
        "bär__b_.png": b"four",
        "images_4": b"five",
    }


async def test_a_link_shows_one_job_without_a_key_until_it_is_ended(
    service: Service, client: httpx.AsyncClient
):
    job = await with_outputs(service, client, **{"a.png": b"one"})
    made = (await client.post(f"/api/v2/jobs/{job['id']}/share", json={"expires_in": 3600})).json()

    async with asking(base_url=service.url) as stranger:
        shown = (await stranger.get(f"/api/v2/shared/{made['token']}")).json()
        content = await stranger.get(shown["outputs"][0]["url"])
        packed = await stranger.get(f"/api/v2/shared/{made['token']}/outputs.zip")
        await client.delete(f"/api/v2/jobs/{job['id']}/share")
        ended = await stranger.get(f"/api/v2/shared/{made['token']}")

    assert (content.content, unpacked(packed)) == (b"one", {"a.png": b"one"})
    assert shown.keys().isdisjoint({"id", "metadata", "server", "urls", "webhook_url", "key_id"})
    assert error_of(ended) == (404, "not_found")


async def test_another_link_ends_the_one_before_and_time_ends_every_one(
    service: Service, client: httpx.AsyncClient
):
    job = await submitted(client)
    address = f"/api/v2/jobs/{job['id']}/share"
    first, second = [(await client.post(address)).json()["token"] for _ in range(2)]

    async with asking(base_url=service.url) as stranger:
        statuses = [(await stranger.get(f"/api/v2/shared/{one}")).status_code for one in (first, second)]
        await service.core.database.do("UPDATE job_links SET expires_at = now()")
        late = await stranger.get(f"/api/v2/shared/{second}")

    assert (statuses, late.status_code) == ([404, 200], 404)


async def test_a_revoked_key_s_links_show_nothing(service: Service, client: httpx.AsyncClient):
    job = await submitted(client)
    token = (await client.post(f"/api/v2/jobs/{job['id']}/share")).json()["token"]
    record = await service.core.store.get(id_of(job))
    assert record is not None
    await service.core.access.revoke(record.key_id)

    async with asking(base_url=service.url) as stranger:
        assert (await stranger.get(f"/api/v2/shared/{token}")).status_code == 404


@pytest.mark.parametrize("path", ["share", "outputs.zip"])
async def test_nobody_shares_or_packs_another_key_s_job(
    service: Service, client: httpx.AsyncClient, path: str
):
    job = await submitted(client)
    async with service.client() as other:
        method = "POST" if path == "share" else "GET"
        answer = await other.request(method, f"/api/v2/jobs/{job['id']}/{path}")

    assert error_of(answer) == (404, "not_found")


async def registered(service: Service, name: str = "w") -> None:
    async with service.client("admin") as operator:
        answer = await operator.put(f"/api/v2/workflows/{name}", json={"workflow": PICTURE})
        assert answer.status_code == 200, answer.text


async def test_presets_are_the_key_s_own_and_name_real_inputs(service: Service, client: httpx.AsyncClient):
    await registered(service)
    kept = await client.put("/api/v2/workflows/w/presets/small", json={"inputs": {"width": 64}})
    wrong = await client.put("/api/v2/workflows/w/presets/x", json={"inputs": {"widht": 64}})
    async with service.client() as other:
        others = (await other.get("/api/v2/workflows/w/presets")).json()["presets"]
    listed = (await client.get("/api/v2/workflows/w/presets")).json()["presets"]
    gone = [(await client.delete("/api/v2/workflows/w/presets/small")).status_code for _ in range(2)]

    assert (kept.status_code, kept.json()["inputs"]) == (200, {"width": 64})
    assert (wrong.status_code, "width" in wrong.json()["error"]["message"]) == (422, True)
    assert ([one["name"] for one in listed], others, gone) == (["small"], [], [204, 404])


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("x" * (LARGEST_PRESET - len('{"text": ""}')), 200),
        ("x" * (LARGEST_PRESET - len('{"text": ""}') + 1), 413),
        ("\N{OLD PERSIAN SIGN A}" * (LARGEST_PRESET // 4), 413),
        (["x" * 100] * 1000, 413),
        ("x" * (4 << 20), 413),
    ],
    ids=["at_most", "a_byte_more", "not_ascii", "a_list", "megabytes"],
)
async def test_a_preset_has_a_size_that_a_list_of_them_can_have(
    service: Service, client: httpx.AsyncClient, value: Any, status: int
):
    async with service.client("admin") as operator:
        told = {"workflow": PICTURE, "parameters": {"text": {"inputs": ["2.filename_prefix"]}}}
        assert (await operator.put("/api/v2/workflows/w", json=told)).status_code == 200

    answer = await client.put("/api/v2/workflows/w/presets/long", json={"inputs": {"text": value}})

    listed = (await client.get("/api/v2/workflows/w/presets")).json()["presets"]
    assert (answer.status_code, len(listed)) == (status, int(status == 200))
    if status == 413:
        assert error_of(answer) == (413, "payload_too_large")
        assert "'long'" in answer.json()["error"]["message"]


async def test_a_workflow_s_picture_is_kept_and_every_key_sees_it(
    service: Service, client: httpx.AsyncClient
):
    await registered(service)
    async with service.client("admin", "submit", "read", name="chooser") as operator:
        asset = (await operator.post("/api/v2/assets", files={"file": ("a.png", b"a picture")})).json()
        chosen = await operator.put("/api/v2/workflows/w/example", json={"asset_id": asset["id"]})
        missing = await operator.put("/api/v2/workflows/w/example", json={"asset_id": str(UUID(int=1))})
        await operator.delete(f"/api/v2/assets/{asset['id']}")
        key_id = (await service.core.access.find("chooser")).id
    await service.core.access.revoke(key_id)  # what shows a workflow outlives the key that chose it
    shown = (await client.get("/api/v2/workflows")).json()["workflows"][0]

    async with asking() as stranger:
        content = (await stranger.get(shown["example_url"])).content
    assert (chosen.status_code, missing.status_code, content) == (204, 404, b"a picture")
    assert shown["example_asset_id"] == (await client.get("/api/v2/workflows/w")).json()["example_asset_id"]


async def test_a_workflow_s_picture_of_before_outlives_its_key_and_no_other_asset_does(
    service: Service, client: httpx.AsyncClient
):
    await registered(service)
    async with service.client("admin", "submit", "read", name="chooser") as operator:
        asset = (await operator.post("/api/v2/assets", files={"file": ("a.png", b"a picture")})).json()
        await operator.put("/api/v2/workflows/w/example", json={"asset_id": asset["id"]})
    shown = (await client.get("/api/v2/workflows/w")).json()
    chooser = (await service.core.access.find("chooser")).id
    await service.core.database.do(
        "UPDATE assets SET key_id = %(key)s WHERE id = %(id)s", key=chooser, id=shown["example_asset_id"]
    )
    await service.core.access.revoke(chooser)
    async with asking() as stranger:
        before = await stranger.get(shown["example_url"])

        step = dict(_steps())["0183_examples.sql"]
        for statement in step.split(";\n"):
            await service.core.database.do(statement)

        after = await stranger.get(shown["example_url"])
        own = await stranger.get(asset["url"])
    assert (before.status_code, after.status_code, after.content) == (403, 200, b"a picture")
    assert own.status_code == 403


async def test_usage_counts_a_key_s_jobs_run_time_and_bytes_by_day(service: Service):
    async with service.client("admin", "submit", "read", name="busy") as busy:
        await with_outputs(service, busy, **{"a.png": b"12345"})
        await submitted(busy)
        await service.core.database.do(
            "UPDATE jobs SET started_at = now() - interval '30 seconds', completed_at = now()"
        )
        key = next(one for one in (await busy.get("/api/v2/keys")).json()["keys"] if one["name"] == "busy")
        usage = (await busy.get(f"/api/v2/keys/{key['id']}/usage?days=3")).json()

    today = datetime.now(UTC).date().isoformat()
    assert (usage["days"][0]["day"], len(usage["days"])) == (today, 3)
    assert (usage["total"]["jobs"], usage["total"]["bytes"]) == (2, 5)
    assert usage["total"]["run_seconds"] == pytest.approx(60, abs=1)


async def test_usage_is_for_operators(client: httpx.AsyncClient):
    assert error_of(await client.get(f"/api/v2/keys/{UUID(int=1)}/usage")) == (403, "forbidden")


async def test_the_log_of_webhooks_has_the_key_s_own_in_pages(service: Service, client: httpx.AsyncClient):
    jobs = [await submitted(client, webhook_url="https://example.com/hook") for _ in range(3)]
    for job in jobs:
        await client.post(f"/api/v2/jobs/{job['id']}/cancel")

    first = (await client.get("/api/v2/webhooks/deliveries?limit=2")).json()
    last = (await client.get(f"/api/v2/webhooks/deliveries?limit=2&cursor={first['next_cursor']}")).json()
    async with service.client() as other:
        others = (await other.get("/api/v2/webhooks/deliveries")).json()

    told = [one["job_id"] for one in [*first["deliveries"], *last["deliveries"]]]
    assert told == [job["id"] for job in reversed(jobs)]
    assert (last["next_cursor"], others["deliveries"]) == (None, [])


@pytest.mark.parametrize("kind", ["API format", "a picture"])
async def test_a_file_is_inspected_as_it_comes(client: httpx.AsyncClient, kind: str):
    content = json.dumps(PICTURE).encode()
    if kind == "a picture":
        note, written = PngInfo(), io.BytesIO()
        note.add_text("prompt", content.decode())
        Image.new("RGB", (4, 4)).save(written, "PNG", pnginfo=note)
        content = written.getvalue()

    found = (await client.post("/api/v2/workflows/inspect", content=content)).json()

    assert (found["workflow"]["1"]["class_type"], found["document"]) == ("EmptyImage", None)
    assert found["parameters"]["width"]["inputs"] == ["1.width"]
    assert list(found["outputs"].values()) == [["2"]]


@pytest.mark.parametrize("content", [b"", b"<svg onload=alert(1)>", b"[" * 100_000, b'{"a":' * 100_000])
async def test_a_file_without_a_workflow_is_told_to_be_none(client: httpx.AsyncClient, content: bytes):
    answer = await client.post("/api/v2/workflows/inspect", content=content)

    assert answer.status_code == 422, answer.text


async def test_a_preset_of_what_is_no_workflow_s_name_is_not_there(client: httpx.AsyncClient):
    answers = [await client.delete(f"/api/v2/workflows/{name}/presets/x") for name in ("%01", "no", "a%20b")]

    assert [error_of(answer) for answer in answers] == [(404, "not_found")] * 3
