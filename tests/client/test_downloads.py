from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from tests.client.graphs import file, show
from tests.transport.apps import serving

from comfywire import Client, ConnectionLost, Output, OutputsGone, ServerError
from comfywire.client.downloads import AT_ONCE
from comfywire.client.patience import Patience
from comfywire.server import Server
from comfywire.server.faults.tcp import reset

pytestmark = pytest.mark.fault("B20")

CONTENT = b"".join(b"%07d\n" % number for number in range(300_000))  # 2.4 MB: more than one buffer
VIEW = "GET /view"


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    client = Client(server.url)
    client._patience = Patience(download=0.001)
    async with client:
        yield client


@pytest.fixture
async def output(server: Server, client: Client) -> Output:
    """A large file on the server."""
    result = await client.run(show(files=[file("a.bin")]))
    (server.folder / "output/a.bin").write_bytes(CONTENT)
    return result.outputs[0]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def read(output: Output, folder: Path) -> bytes:
    return await output.read()


async def save(output: Output, folder: Path) -> bytes:
    path = await output.save(folder)
    assert names(folder) == ["a.bin"]
    return path.read_bytes()


either_way = pytest.mark.parametrize("take", [read, save])


@either_way
@pytest.mark.parametrize("at_bytes", [0, 1, 100_000, 1_500_000, len(CONTENT) - 1])
async def test_a_download_that_was_cut_is_whole_in_the_end(server, output, tmp_path, take, at_bytes):
    cut = server.faults.replies.cut_body(VIEW, at_bytes)

    assert await take(output, tmp_path) == CONTENT

    assert (cut.hits, server.requests[VIEW]) == (1, 2)


@either_way
async def test_a_download_that_is_cut_again_and_again_goes_on_from_there(server, output, tmp_path, take):
    cut = server.faults.replies.cut_body(VIEW, 700_000, times=3)

    assert await take(output, tmp_path) == CONTENT

    assert cut.hits == 3


@either_way
async def test_without_ranges_a_download_begins_again(server, output, tmp_path, take):
    server.faults.replies.ignore_range()
    server.faults.replies.cut_body(VIEW, 1_500_000)

    assert await take(output, tmp_path) == CONTENT


@either_way
@pytest.mark.parametrize("other", [CONTENT[::-1], b"short", b""], ids=["as-long", "short", "empty"])
async def test_another_file_under_the_name_is_not_mixed_with_the_first(server, output, tmp_path, take, other):
    server.faults.replies.cut_body(VIEW, 1_500_000)
    server.faults.replies.stall(VIEW, skip=1)
    taking = asyncio.create_task(take(output, tmp_path))
    await server.until(lambda: server.requests[VIEW] == 2)
    (server.folder / "output/a.bin").write_bytes(other)
    server.faults.replies.release()

    assert await taking == other


@either_way
async def test_a_file_that_goes_in_the_middle_is_gone(server, output, tmp_path, take):
    server.faults.replies.cut_body(VIEW, 1_500_000)
    server.faults.replies.stall(VIEW, skip=1)
    taking = asyncio.create_task(take(output, tmp_path))
    await server.until(lambda: server.requests[VIEW] == 2)
    server.faults.files.vanish("a.bin")
    server.faults.replies.release()

    with pytest.raises(OutputsGone, match=r"no longer has 'a\.bin'"):
        await taking
    assert names(tmp_path) == []


@either_way
async def test_a_download_that_never_comes_is_given_up(server, output, tmp_path, take):
    cut = server.faults.replies.cut_body(VIEW, 200_000, times=None)
    server.faults.replies.ignore_range()

    with pytest.raises(ConnectionLost, match="broke during GET /view"):
        await take(output, tmp_path)

    assert cut.hits == 5
    assert names(tmp_path) == []


@pytest.mark.parametrize(("status", "tries"), [(500, 5), (503, 5), (403, 1)])
async def test_an_answer_that_may_change_is_asked_for_again(server, output, tmp_path, status, tries):
    failing = server.faults.replies.fail(VIEW, status, times=None)

    with pytest.raises(ServerError, match=str(status)):
        await save(output, tmp_path)

    assert failing.hits == tries
    assert names(tmp_path) == []


async def test_a_server_that_is_away_for_a_moment_is_waited_for(server, client, output, tmp_path):
    client.downloads._pause = 0.1
    await server.faults.life.refuse_connections(0.15)

    assert await save(output, tmp_path) == CONTENT


async def test_nothing_partial_is_under_the_final_name_while_it_comes(server, output, tmp_path):
    server.faults.replies.cut_body(VIEW, 1_500_000)
    server.faults.replies.stall(VIEW, skip=1)
    saving = asyncio.create_task(save(output, tmp_path))
    await server.until(lambda: server.requests[VIEW] == 2)

    (part,) = names(tmp_path)

    assert part.startswith(".")
    assert part.endswith(".part")
    server.faults.replies.release()
    await saving


async def test_a_cancelled_download_leaves_nothing_behind(server, output, tmp_path):
    server.faults.replies.cut_body(VIEW, 1_500_000)
    server.faults.replies.stall(VIEW, skip=1)
    saving = asyncio.create_task(save(output, tmp_path))
    await server.until(lambda: server.requests[VIEW] == 2)
    saving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await saving
    assert names(tmp_path) == []


@pytest.mark.parametrize("steps", range(0, 60, 6))
async def test_cancelling_at_any_moment_leaves_nothing_or_everything(output, tmp_path, steps):
    saving = asyncio.create_task(output.save(tmp_path / "x.bin"))
    for _ in range(steps):
        await asyncio.sleep(0)
    saving.cancel()
    await asyncio.gather(saving, return_exceptions=True)

    assert names(tmp_path) in ([], ["x.bin"])


# The caller's own disk


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a file/x.bin", id="below-a-file"),
        pytest.param("x" * 300, id="name-too-long"),
        pytest.param("gone/x.bin", id="below-a-dangling-link"),
    ],
)
async def test_what_the_disk_refuses_stays_an_error_of_the_disk(output, tmp_path, name):
    (tmp_path / "a file").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere" / "at all")

    with pytest.raises(OSError, match=r"x|a file|gone"):
        await output.save(tmp_path / name)

    assert names(tmp_path) == ["a file", "gone"]


async def test_a_full_disk_keeps_no_part(output, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            await output.save(tmp_path / "x.bin")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert names(tmp_path) == []


# Servers and proxies of other makes

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
WHOLE = b"0123456789" * 100_000


async def download(handler: Handler) -> bytes:
    async with serving(handler) as url, Client(url) as client:
        return await client.downloads.read("a.bin", "", "output")


async def cut_after(request: web.Request, content: bytes, **headers: str) -> web.StreamResponse:
    reply = web.StreamResponse(headers={"ETag": '"1"', "Accept-Ranges": "bytes", **headers})
    reply.enable_chunked_encoding()
    await reply.prepare(request)
    await reply.write(content)
    await asyncio.sleep(0.05)  # for the client to read it: a reset also discards what is not read yet
    reset(request.transport)
    return reply


async def test_a_connection_that_breaks_behind_the_last_byte_is_no_loss():
    asked: list[str | None] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Range"))
        if len(asked) == 1:
            return await cut_after(request, WHOLE)
        return web.Response(status=416) if "Range" in request.headers else web.Response(body=WHOLE)

    assert await download(answer) == WHOLE

    assert asked == [None, f"bytes={len(WHOLE)}-", None]


async def test_another_part_than_was_asked_for_is_not_taken():
    async def answer(request: web.Request) -> web.StreamResponse:
        if "Range" in request.headers:
            part = {"Content-Range": f"bytes 0-9/{len(WHOLE)}", "ETag": '"1"', "Accept-Ranges": "bytes"}
            return web.Response(status=206, body=WHOLE[:10], headers=part)
        answer.count += 1  # type: ignore[attr-defined] # a function's own counter
        return await cut_after(request, WHOLE[:500]) if answer.count == 1 else web.Response(body=WHOLE)  # type: ignore[attr-defined] # the same

    answer.count = 0  # type: ignore[attr-defined] # the same

    assert await download(answer) == WHOLE


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"ETag": 'W/"1"'}, id="weak-tag"),
        pytest.param({"ETag": ""}, id="no-tag"),
        pytest.param({"Accept-Ranges": "none"}, id="no-ranges"),
    ],
)
async def test_a_rest_is_only_asked_for_where_it_is_certain_to_fit(headers):
    asked: list[str | None] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Range"))
        if len(asked) == 1:
            return await cut_after(request, WHOLE[:500], **headers)
        return web.Response(body=WHOLE)

    assert await download(answer) == WHOLE

    assert asked == [None, None]


async def test_files_are_asked_for_as_they_are_and_not_compressed():
    asked: list[str | None] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Accept-Encoding"))
        return web.Response(body=WHOLE)

    await download(answer)

    assert asked == ["identity"]


async def test_only_a_few_files_come_at_the_same_time():
    now = 0
    released = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal now
        if request.path.endswith("/queue"):
            return web.json_response({"queue_running": [], "queue_pending": []})
        now += 1
        await released.wait()
        return web.Response(body=b"x")

    async with serving(answer) as url, Client(url) as client:
        reads = [asyncio.create_task(client.downloads.read(f"{n}", "", "output")) for n in range(40)]
        for _ in range(20):  # enough for one more to arrive
            await client.queue()

        assert now == AT_ONCE == 8
        released.set()
        assert await asyncio.gather(*reads) == [b"x"] * 40
