"""Small pictures of pictures, and lists of jobs with all that a gallery shows."""

import io
import struct
import zlib
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.service.api.conftest import Service, error_of, submitted


def encoded(kind: str, size: tuple[int, int] = (640, 400), **options: Any) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "teal").save(written, kind, **options)
    return written.getvalue()


async def uploaded(client: httpx.AsyncClient, content: bytes, kind: str) -> dict[str, Any]:
    answer = await client.post("/api/v2/assets", files={"file": ("a.bin", content, kind)})
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


@pytest.mark.parametrize(
    ("kind", "size", "small"),
    [
        ("PNG", (640, 400), (256, 160)),
        ("JPEG", (300, 900), (85, 256)),
        ("WEBP", (100, 50), (100, 50)),
        ("GIF", (512, 512), (256, 256)),
    ],
)
async def test_a_thumbnail_is_webp_and_no_larger_than_asked_for(
    client: httpx.AsyncClient, kind: str, size: tuple[int, int], small: tuple[int, int]
):
    asset = await uploaded(client, encoded(kind, size), f"image/{kind.lower()}")

    answer = await client.get(f"/api/v2/assets/{asset['id']}/content?thumbnail=256")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.format, picture.size) == ("WEBP", small)


async def test_it_is_made_once_and_the_signed_url_gives_it_too(service: Service, client: httpx.AsyncClient):
    asset = await uploaded(client, encoded("PNG"), "image/png")
    address = f"/api/v2/assets/{asset['id']}/content?thumbnail=128"

    first, second = await client.get(address), await client.get(address)
    signed = await client.get(f"{asset['url']}&thumbnail=128")

    rows = await service.core.database.all("SELECT width, height FROM thumbnails")
    assert first.content == second.content == signed.content
    assert rows == [{"width": 640, "height": 400}]


async def test_a_picture_turned_by_its_camera_is_upright(client: httpx.AsyncClient, service: Service):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    asset = await uploaded(client, encoded("JPEG", (400, 200), exif=exif), "image/jpeg")

    answer = await client.get(f"/api/v2/assets/{asset['id']}/content?thumbnail=128")

    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == (64, 128)
    assert await service.core.database.one("SELECT width, height FROM thumbnails") == {
        "width": 200,
        "height": 400,
    }


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"no picture", "image/png"),
        (encoded("PNG")[:200], "image/png"),
        (encoded("TIFF"), "image/tiff"),
        (b"a video", "video/mp4"),
    ],
)
async def test_what_is_no_picture_has_none(client: httpx.AsyncClient, content: bytes, kind: str):
    asset = await uploaded(client, content, kind)

    answer = await client.get(f"/api/v2/assets/{asset['id']}/content?thumbnail=256")

    assert error_of(answer) == (415, "no_thumbnail")


@pytest.mark.parametrize("side", [10_000, 50_000])
async def test_a_bomb_is_not_unpacked(client: httpx.AsyncClient, side: int):
    small = encoded("PNG", (4, 4))
    head = b"IHDR" + struct.pack(">II", side, side) + small[24:29]
    bomb = small[:12] + head + struct.pack(">I", zlib.crc32(head)) + small[33:]
    asset = await uploaded(client, bomb, "image/png")

    answer = await client.get(f"/api/v2/assets/{asset['id']}/content?thumbnail=256")

    assert error_of(answer) == (415, "no_thumbnail")


async def test_another_key_gets_none(service: Service, client: httpx.AsyncClient):
    asset = await uploaded(client, encoded("PNG"), "image/png")

    async with service.client() as other:
        answer = await other.get(f"/api/v2/assets/{asset['id']}/content?thumbnail=256")

    assert answer.status_code == 404


async def test_the_sweep_spares_it_while_its_picture_is_there_and_no_longer(
    service: Service, client: httpx.AsyncClient
):
    asset = await uploaded(client, encoded("PNG"), "image/png")
    await client.get(f"/api/v2/assets/{asset['id']}/content?thumbnail=256")
    old = "UPDATE blobs SET touched_at = now() - interval '2 hours'"

    await service.core.database.do(old)
    kept = await service.core.assets.sweep()
    await client.delete(f"/api/v2/assets/{asset['id']}")
    gone = [await service.core.assets.sweep(), await service.core.assets.sweep()]

    assert (kept, sum(gone)) == (0, 2)


async def test_a_list_with_details_has_each_job_whole(client: httpx.AsyncClient):
    job = await submitted(client, metadata={"who": "me"})

    plain = (await client.get("/api/v2/jobs")).json()["jobs"][0]
    whole = (await client.get("/api/v2/jobs?details=true")).json()["jobs"][0]["job"]

    assert plain["job"] is None
    assert (whole["id"], whole["metadata"], whole["outputs"]) == (job["id"], {"who": "me"}, [])
    assert whole.keys() == job.keys()
