"""A job's files on the ComfyUI: each once, never replaced, under a name that nobody else can tell."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from tests.service.conftest import new_key
from tests.service.rig import Rig, picture, up, working

from comfywire.client import Client
from comfywire.server import Server
from comfywire.service.assets.assets import AssetRecord
from comfywire.service.assets.input_names import FOLDER, input_name, input_stem
from comfywire.service.database.pool import Database
from comfywire.service.jobs.records import JobRecord
from comfywire.service.worker.inputs import Inputs

SENT = "POST /upload/image"


def photo(color: str = "red") -> bytes:
    written = BytesIO()
    Image.new("RGB", (8, 8), color).save(written, format="PNG")
    return written.getvalue()


async def uploaded(rig: Rig, content: bytes, *, name: str = "photo.png", key_id: Any = None) -> AssetRecord:
    async def once() -> AsyncIterator[bytes]:
        yield content

    asset, _ = await rig.assets.create(key_id or rig.key_id, once(), file_path=name)
    return asset


def reference(asset: AssetRecord) -> dict[str, Any]:
    return {"__type": "core/ASSET", "info": {"id": str(asset.id)}}


def loading(asset: AssetRecord) -> dict[str, Any]:
    load = {"class_type": "LoadImage", "inputs": {"image": reference(asset)}}
    return {**picture(), "1": load}


def staged(server: Server) -> dict[str, Path]:
    """The files of ours on the server."""
    folder = server.folder / "input" / FOLDER
    return {path.name: path for path in folder.iterdir()} if folder.exists() else {}


async def shown(rig: Rig, job: JobRecord) -> tuple[int, ...]:
    """The colour of the picture that a job made."""
    assert job.state == "succeeded", job.error
    (output,) = await rig.store.outputs(job.id)
    assert output.asset_id is not None
    asset = await rig.assets.get(output.asset_id)
    assert asset is not None
    content = b"".join([chunk async for chunk in rig.assets.read(asset)])
    pixel = Image.open(BytesIO(content)).convert("RGB").getpixel((3, 3))
    assert isinstance(pixel, tuple)
    return pixel


async def test_a_file_is_sent_once_for_all_the_jobs_that_read_it(rig: Rig, server: Server):
    asset = await uploaded(rig, photo())
    async with working(rig.worker(server.url)):
        await up(rig)
        server.requests.clear()  # a probe sends a file, too
        await rig.ended(await rig.submit(loading(asset)))
        ((name, path),) = staged(server).items()
        before = path.stat()
        again = await rig.ended(await rig.submit(loading(asset)))

    assert await shown(rig, again) == (255, 0, 0)
    assert list(staged(server)) == [name]
    assert server.requests[SENT] == 1
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


async def test_jobs_at_the_same_time_send_a_file_once(rig: Rig, server: Server, tmp_path: Path):
    asset = await uploaded(rig, photo())
    inputs = Inputs(rig.assets, b"secret")

    async with Client(server.url) as client:
        prompts = await asyncio.gather(*(inputs.bring(client, loading(asset), tmp_path) for _ in range(5)))

    assert server.requests[SENT] == 1
    assert {prompt["1"]["inputs"]["image"] for prompt in prompts} == {
        f"{FOLDER}/{input_name(b'secret', asset)}"
    }


async def test_a_film_that_was_sent_before_is_not_loaded_again(rig: Rig, server: Server):
    """LoadVideo goes by the time of the file."""
    film = await uploaded(rig, b"a film that nobody decodes", name="film.mp4")
    prompt = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": reference(film)}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    async with working(rig.worker(server.url)):
        first = await rig.ended(await rig.submit(prompt))
        second = await rig.ended(await rig.submit(prompt))

    assert [job.state for job in (first, second)] == ["succeeded"] * 2, (first.error, second.error)
    assert (first.outputs_reused, second.outputs_reused) == (False, True)


async def test_a_file_that_went_from_the_server_is_sent_again(rig: Rig, server: Server):
    asset = await uploaded(rig, photo())
    async with working(rig.worker(server.url)):
        await rig.ended(await rig.submit(loading(asset)))
        (path,) = staged(server).values()
        path.unlink()
        path.parent.rmdir()  # as a new container has it
        again = await rig.ended(await rig.submit(loading(asset)))

    assert await shown(rig, again) == (255, 0, 0)


async def test_a_file_that_is_cut_short_is_left_alone_and_sent_once_more(rig: Rig, server: Server):
    asset = await uploaded(rig, photo())
    async with working(rig.worker(server.url)):
        await up(rig)
        server.requests.clear()  # a probe sends a file, too
        await rig.ended(await rig.submit(loading(asset)))
        ((name, path),) = staged(server).items()
        path.write_bytes(photo()[:40])
        jobs = [await rig.ended(await rig.submit(loading(asset))) for _ in range(3)]

    assert [await shown(rig, job) for job in jobs] == [(255, 0, 0)] * 3
    assert path.stat().st_size == 40
    assert set(staged(server)) == {name, name.replace(".png", " (1).png")}
    assert server.requests[SENT] == 2


async def test_each_key_has_a_file_of_its_own_whose_name_is_no_hash_of_it(
    rig: Rig, server: Server, database: Database
):
    mine = await uploaded(rig, photo())
    theirs = await uploaded(rig, photo(), key_id=await new_key(database, "two"))
    async with working(rig.worker(server.url)):
        for asset in (mine, theirs):
            await rig.ended(await rig.submit(loading(asset), key_id=asset.key_id))

    assert mine.hash == theirs.hash
    assert len(staged(server)) == 2
    assert not [name for name in staged(server) if mine.hash in name]


def test_the_name_of_an_input_depends_on_the_key_the_bytes_and_the_secret():
    one, other = UUID(int=1), UUID(int=2)
    names = [
        input_stem(b"secret", one, "0" * 64),
        input_stem(b"secret", other, "0" * 64),
        input_stem(b"secret", one, "1" * 64),
        input_stem(b"another", one, "0" * 64),
    ]

    assert len(set(names)) == 4
    assert names[0] == input_stem(b"secret", one, "0" * 64)


@pytest.mark.parametrize(
    ("file_path", "suffix"),
    [
        pytest.param("a/Photo.PNG", ".png", id="loaders-look-at-it"),
        pytest.param("film.mp4", ".mp4", id="short"),
        pytest.param("x." + "a" * 300, "", id="no-file-system-takes-it"),
        pytest.param('x.p"g', "", id="a-quote-breaks-the-form"),
        pytest.param("x.p g", "", id="a-space"),
        pytest.param("x.b\u00efld", "", id="not-ascii"),
        pytest.param("x", "", id="none"),
        pytest.param(None, "", id="no-name"),
    ],
)
def test_of_a_callers_file_name_only_a_plain_suffix_is_kept(file_path: str | None, suffix: str):
    asset = AssetRecord(
        id=UUID(int=3), key_id=UUID(int=1), hash="0" * 64, size_bytes=1, content_type="image/png",
        file_path=file_path, tags=[], job_id=None, created_at=datetime.now(UTC), expires_at=None,
    )  # fmt: skip

    assert input_name(b"secret", asset) == input_stem(b"secret", asset.key_id, asset.hash) + suffix
