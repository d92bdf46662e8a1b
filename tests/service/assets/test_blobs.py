"""Bytes by hash, in real files, in memory and on a real S3 API."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import tracemalloc
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from comfywire.service.assets import blobs as blobs_module
from comfywire.service.assets.blobs import BlobGone, Blobs, TooLarge
from comfywire.service.assets.opening import UnusableStore

from .conftest import noise, pieces, whole

CONTENT = noise(3_000_000)
HASH = blake3(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of moto's S3, in a process of its own."""
    pytest.importorskip("s3fs")
    script = (
        "from moto.server import ThreadedMotoServer as S; s = S('127.0.0.1', 0, verbose=False); s.start();"
        "print(s.get_host_and_port()[1], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.terminate()


@pytest.fixture(autouse=True)
def waiting(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own: others' files wait in everybody's."""
    folder = tmp_path_factory.mktemp("waiting")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(params=["folder", "memory", "s3"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    if request.param == "folder":
        yield Blobs((tmp_path / "assets").as_uri())
    elif request.param == "memory":
        yield Blobs(f"memory://{uuid.uuid4()}")
    else:
        async with on_s3(request.getfixturevalue("s3")) as opened:
            yield opened


@contextlib.asynccontextmanager
async def on_s3(endpoint: str) -> AsyncIterator[Blobs]:
    bucket = f"bucket-{uuid.uuid4().hex}"
    blobs = Blobs(f"s3://{bucket}/assets", key="k", secret="s", endpoint_url=endpoint)
    await asyncio.to_thread(blobs._files.mkdir, bucket)
    yield blobs
    await blobs.aclose()


def names(blobs: Blobs) -> list[str]:
    return [str(name) for name in blobs._files.find(blobs._root)]


async def test_a_store_that_works_is_proved_and_left_as_it_was(blobs: Blobs) -> None:
    await blobs.prove()

    assert names(blobs) == []


async def test_a_bucket_that_is_not_there_is_named_with_what_to_check(s3: str) -> None:
    async with contextlib.aclosing(Blobs("s3://nowhere/x", key="k", secret="s", endpoint_url=s3)) as blobs:
        with pytest.raises(UnusableStore, match=r"'s3://nowhere/x' .*does not exist.* AWS_ACCESS_KEY_ID"):
            await blobs.prove()


async def test_a_store_s_password_is_not_told() -> None:
    with pytest.raises(UnusableStore, match=r"the asset store 'http://127.0.0.1:9/x' cannot be used"):
        await Blobs("http://somebody:hush@127.0.0.1:9/x").prove()


async def test_what_is_put_is_read_back_by_its_hash(blobs: Blobs) -> None:
    blob = await blobs.put(pieces(CONTENT))

    assert (blob.hash, blob.size_bytes) == (HASH, len(CONTENT))
    assert await whole(blobs.read(HASH)) == CONTENT


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (1, None), (1_048_575, 1_048_577), (2_999_999, 3_000_000), (0, None)]
)
async def test_a_part_is_read(blobs: Blobs, start: int, end: int | None) -> None:
    await blobs.put(pieces(CONTENT))

    assert await whole(blobs.read(HASH, start, end)) == CONTENT[start:end]


async def test_equal_bytes_are_kept_once(blobs: Blobs) -> None:
    await blobs.put(pieces(CONTENT))
    await blobs.put(pieces(CONTENT, 1000))

    assert len(names(blobs)) == 1


async def test_nothing_is_a_file_as_well(blobs: Blobs) -> None:
    blob = await blobs.put(pieces(b""))

    assert blob.size_bytes == 0
    assert await blobs.exists(blob.hash)
    assert await whole(blobs.read(blob.hash)) == b""


async def test_what_is_too_large_leaves_nothing(blobs: Blobs) -> None:
    with pytest.raises(TooLarge, match="larger than 2999999 bytes"):
        await blobs.put(pieces(CONTENT), most=2_999_999)

    assert names(blobs) == []


async def test_what_is_exactly_as_large_as_it_may_be_is_kept(blobs: Blobs) -> None:
    assert (await blobs.put(pieces(CONTENT), most=3_000_000)).hash == HASH


async def test_a_source_that_fails_leaves_nothing(blobs: Blobs) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield CONTENT
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.put(failing())

    assert names(blobs) == []


async def test_a_cancelled_put_leaves_nothing(blobs: Blobs) -> None:
    stuck = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield CONTENT
        stuck.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(blobs.put(slow()))
    await stuck.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert names(blobs) == []


async def test_a_file_is_taken_and_gone(blobs: Blobs, tmp_path: Path) -> None:
    path = (blobs.incoming or tmp_path) / "made"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)

    async with blobs.staged_file(path) as staged:
        await staged.keep()

    assert (staged.blob.hash, staged.blob.size_bytes) == (HASH, len(CONTENT))
    assert await whole(blobs.read(HASH)) == CONTENT
    assert not path.exists()


async def test_a_file_that_is_not_kept_is_gone_as_well(blobs: Blobs, tmp_path: Path) -> None:
    path = (blobs.incoming or tmp_path) / "made"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)

    async with blobs.staged_file(path):
        pass

    assert not await blobs.exists(HASH)
    assert not path.exists()


async def test_a_file_of_bytes_that_are_there_is_gone_as_well(blobs: Blobs, tmp_path: Path) -> None:
    await blobs.put(pieces(CONTENT))
    path = (blobs.incoming or tmp_path) / "made"
    path.write_bytes(CONTENT)

    async with blobs.staged_file(path) as staged:
        await staged.keep()
        await staged.keep()  # an answer that was not heard

    assert await whole(blobs.read(HASH)) == CONTENT
    assert not path.exists()


async def test_a_file_on_the_same_disk_is_not_copied(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path / "assets"))
    assert blobs.incoming is not None
    blobs.incoming.mkdir(parents=True)
    path = blobs.incoming / "made"
    path.write_bytes(CONTENT)
    inode = _inode(path)

    async with blobs.staged_file(path) as staged:
        await staged.keep()

    assert _inode(Path(blobs.path(HASH))) == inode


def _inode(path: Path) -> int:
    return path.stat().st_ino


async def test_what_is_deleted_is_gone(blobs: Blobs) -> None:
    await blobs.put(pieces(CONTENT))
    await blobs.delete(HASH)
    await blobs.delete(HASH)

    assert not await blobs.exists(HASH)
    with pytest.raises(BlobGone, match=f"no blob {HASH}"):
        await whole(blobs.read(HASH))


async def test_what_a_crash_left_is_discarded_when_it_is_old(blobs: Blobs) -> None:
    def leave() -> None:
        blobs._make_folder_of(path)
        blobs._files.pipe_file(path, b"half")

    path = f"{blobs._root}/incoming/left"
    await asyncio.to_thread(leave)
    kept = await blobs.discard_stale(3600), names(blobs)
    gone = await blobs.discard_stale(-3600), names(blobs)

    assert kept[0] == 0
    assert len(kept[1]) == 1
    assert gone == (1, [])


async def test_what_waits_for_an_object_store_is_private_and_goes_away(s3: str, waiting: Path) -> None:
    async with on_s3(s3) as blobs:
        async with blobs.staged(pieces(CONTENT)):
            assert files_in(waiting) == [("comfywire-incoming", 0o600)]
            assert names(blobs) == []
        assert files_in(waiting) == []
        (waiting / "comfywire-incoming-left").write_bytes(b"half")
        (waiting / "other").write_bytes(b"not ours")

        assert (await blobs.discard_stale(3600), await blobs.discard_stale(-3600)) == (0, 1)
        assert [name for name, _ in files_in(waiting)] == ["other"]


def files_in(folder: Path) -> list[tuple[str, int]]:
    """The beginnings of names, and who may read the files."""
    return [
        (file.name.rpartition("-")[0] or file.name, file.stat().st_mode & 0o777) for file in folder.iterdir()
    ]


ONE_PUT = ["put_object"]
PARTS = ["create_multipart_upload", *["upload_part"] * 3, "complete_multipart_upload"]


@pytest.mark.parametrize(
    ("size", "asked"),
    [pytest.param(3_000_000, ONE_PUT, id="small"), pytest.param(15 << 20, PARTS, id="large")],
)
@pytest.mark.parametrize("is_file", [False, True])
async def test_bytes_go_to_s3_once(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, size: int, asked: list[str], is_file: bool
) -> None:
    """Nothing is copied there, nothing is removed, and what is there is not sent again."""
    content = noise(size)
    called: list[str] = []
    async with on_s3(s3) as blobs:
        call = blobs._files._call_s3

        def counted(method: str, *arguments: Any, **options: Any) -> Any:
            called.append(method)
            return call(method, *arguments, **options)

        monkeypatch.setattr(blobs._files, "_call_s3", counted)

        async def put() -> list[str]:
            called.clear()
            if is_file:
                (tmp_path / "file").write_bytes(content)
                async with blobs.staged_file(tmp_path / "file") as staged:
                    await staged.keep()
            else:
                await blobs.put(pieces(content))
            return [method for method in called if not method.startswith(("head", "list"))]

        first, again = await put(), await put()

        assert (first, again) == (asked, [])
        assert await whole(blobs.read(blake3(content).hexdigest())) == content


@pytest.mark.parametrize("gib", [1, 48, 60, 1000])
def test_no_file_has_more_parts_than_s3_takes(tmp_path: Path, gib: int) -> None:
    file, size = tmp_path / "file", gib << 30
    file.touch()
    os.truncate(file, size)  # it has no bytes

    sent = Blobs("s3://bucket/assets", key="k", secret="s")._parts(file)

    assert size / sent["chunksize"] <= 10_000
    assert (sent["chunksize"] == 5 << 20) is (gib <= 48)


async def test_a_store_whose_puts_show_half_files_is_given_whole_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with SFTP or SMB: the bytes are put aside, and moved to their place."""
    monkeypatch.setattr(blobs_module, "WHOLE", frozenset())
    blobs = Blobs(f"memory://{uuid.uuid4()}")
    seen: list[list[str]] = []
    move = blobs._files.mv

    def moved(source: str, target: str) -> None:
        seen.append(names(blobs))
        move(source, target)

    monkeypatch.setattr(blobs._files, "mv", moved)
    await blobs.put(pieces(CONTENT))
    await blobs.put(pieces(CONTENT))

    assert len(seen) == 1
    assert "/incoming/" in seen[0][0]
    assert names(blobs) == [blobs.path(HASH)]
    assert await whole(blobs.read(HASH)) == CONTENT


async def test_puts_of_the_same_bytes_at_once_are_one_blob(blobs: Blobs) -> None:
    put = await asyncio.gather(*[blobs.put(pieces(CONTENT)) for _ in range(4)])

    assert {blob.hash for blob in put} == {HASH}
    assert len(names(blobs)) == 1
    assert await whole(blobs.read(HASH)) == CONTENT


async def test_two_processes_see_each_others_blobs(s3: str) -> None:
    async with on_s3(s3) as blobs:
        known = await blobs.exists(HASH)
        bucket = blobs._root.partition("/")[0]
        script = (
            "import s3fs; s3fs.S3FileSystem(key='k', secret='s', endpoint_url={!r}).pipe_file({!r}, b'x')"
        ).format(s3, f"{bucket}/assets/blake3/{HASH[:2]}/{HASH}")
        other = await asyncio.create_subprocess_exec(sys.executable, "-W", "ignore", "-c", script)
        await other.wait()

        assert (known, await blobs.exists(HASH)) == (False, True)


@pytest.mark.parametrize("where", ["folder", "s3"])
async def test_a_file_passes_without_ever_being_whole_in_memory(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async def large() -> AsyncIterator[bytes]:
        for number in range(64 * 16):
            yield number.to_bytes(8, "big") * 8192

    async with contextlib.AsyncExitStack() as stack:
        if where == "s3":
            blobs = await stack.enter_async_context(on_s3(request.getfixturevalue("s3")))
        else:
            blobs = Blobs(str(tmp_path))
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        blob = await blobs.put(large())
        read = 0
        async for chunk in blobs.read(blob.hash):
            read += len(chunk)
        _, peak = tracemalloc.get_traced_memory()

    assert (blob.size_bytes, read) == (64 << 20, 64 << 20)
    assert peak < (8 << 20 if where == "folder" else 40 << 20)


@pytest.mark.parametrize("is_file", [False, True])
async def test_a_file_is_on_disk_before_it_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_file: bool
) -> None:
    synced = []
    fsync = os.fsync

    def noted(file: int) -> None:
        synced.append(file)
        fsync(file)

    monkeypatch.setattr(os, "fsync", noted)

    blobs = Blobs(str(tmp_path))
    if is_file:
        path = tmp_path / "incoming" / "made"
        path.parent.mkdir()
        path.write_bytes(CONTENT)
        async with blobs.staged_file(path):
            assert len(synced) == 1
    else:
        await blobs.put(pieces(CONTENT))

    assert len(synced) == 1
