"""Connections that do nothing are ended, over real sockets; the time is told to them."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse

from comfywire.service.http_connections import KEPT_BACK, AllowedSlowness, Connections
from comfywire.service.http_server import bound, serving
from comfywire.service.settings import Settings

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HALF_HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "
POST = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


@dataclass
class Rig:
    """A service of three routes, its connections, and the time."""

    most: int = 100
    now: float = 0.0
    port: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    read: int = 0
    clients: list["Client"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connections = Connections(self.most, AllowedSlowness(every=1000.0), clock=lambda: self.now)

    async def connect(self, sent: bytes = b"", buffer: int | None = None) -> "Client":
        own = socket.socket()
        if buffer is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", self.port))
        client = Client(*await asyncio.open_connection(sock=own, limit=1024))
        self.clients.append(client)
        await client.send(sent)
        return client

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(40):
            while not condition():  # noqa: ASYNC110 - the server's own loop is what changes it
                await asyncio.sleep(0.01)

    async def until_begun(self, count: int) -> None:
        """Wait until the service has read the beginning of so many heads; connections are open before."""
        await self.until(lambda: sum(one._has_begun for one in self.connections.open) == count)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.connections.look()


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def status(self) -> str:
        async with asyncio.timeout(40):
            head = await self.reader.readuntil(b"\r\n\r\n")
        return head.decode().split(" ", 2)[1]

    async def rest(self) -> bytes:
        """What comes until the server ends the connection."""
        async with asyncio.timeout(40):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@contextlib.asynccontextmanager
async def rigged(folder: Path, most: int = 100) -> AsyncIterator[Rig]:
    rig, app = Rig(most), FastAPI()

    @app.get("/")
    async def short() -> str:
        return "here"

    @app.get("/long")
    async def long() -> str:
        await rig.released.wait()
        return "at last"

    @app.post("/body")
    async def body(request: Request) -> int:
        async for piece in request.stream():
            rig.read += len(piece)
        return rig.read

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b" " * 65536
                await asyncio.sleep(0)

        return StreamingResponse(pieces())

    listener = bound(Settings(data=folder, port=0))
    rig.port = listener.getsockname()[1]
    async with serving(app, listener, rig.released.set, rig.connections):
        yield rig
        for client in rig.clients:
            client.writer.close()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as rig:
        yield rig


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, GET + HALF_HEAD])
async def test_half_a_head_is_ended_after_ten_seconds(rig: Rig, sent: bytes):
    client = await rig.connect(sent)
    await rig.until(lambda: rig.connections.without_head)
    if sent.startswith(GET):
        assert await client.status() == "200"
    await rig.until_begun(1 if sent else 0)

    rig.pass_time(9.9)
    assert rig.connections.open
    await client.send(b"a")  # one letter at a time is no head, either
    assert await (await rig.connect(GET)).status() == "200"  # by now the letter has come as well
    rig.pass_time(0.2)

    assert (b" 408 " in await client.rest()) == (sent != b"")
    assert len(rig.connections.open) == 1


async def test_a_connection_that_goes_on_is_not_ended(rig: Rig):
    client = await rig.connect()
    for _ in range(3):
        rig.pass_time(8)
        await client.send(GET)
        assert await client.status() == "200"
        assert await client.reader.readexactly(6) == b'"here"'

    assert rig.connections.open


async def test_half_a_body_is_ended_after_half_a_minute(rig: Rig):
    client = await rig.connect(POST + b" " * 20_000)
    await rig.until(lambda: rig.read == 20_000)

    rig.pass_time(29)
    assert rig.connections.open
    rig.pass_time(1)

    assert await client.rest() == b""
    assert not rig.connections.open


async def test_a_body_that_comes_fast_enough_is_not_ended(rig: Rig):
    client = await rig.connect(POST)
    for half_minute in range(1, 4):
        await client.send(b" " * 32_000)
        await rig.until(lambda: rig.read == half_minute * 32_000)  # noqa: B023 - asked at once
        rig.pass_time(30)

    assert rig.connections.open


async def test_what_is_left_of_a_body_after_its_answer_is_not_waited_for(rig: Rig):
    client = await rig.connect(POST.replace(b"/body", b"/nowhere"))
    assert await client.status() == "404"
    await rig.until(lambda: rig.connections.open)

    for _ in range(30):
        await client.send(b" " * 10_000)
        rig.pass_time(1)

    assert not rig.connections.open


async def test_an_answer_that_nobody_reads_is_ended_after_half_a_minute(rig: Rig):
    await rig.connect(GET.replace(b"/ ", b"/endless "), buffer=4096)
    await rig.until(lambda: [one for one in rig.connections.open if one.flow.write_paused])

    rig.pass_time(29)
    assert rig.connections.open
    rig.pass_time(1)

    await rig.until(lambda: not rig.connections.open)


async def test_an_answer_that_is_read_is_not_ended(rig: Rig):
    client = await rig.connect(GET.replace(b"/ ", b"/endless "), buffer=4096)
    for _ in range(4):
        await rig.until(lambda: [one for one in rig.connections.open if one.flow.write_paused])
        await client.reader.readexactly(4_000_000)
        rig.pass_time(20)

    assert rig.connections.open


async def test_an_answer_that_takes_long_to_come_is_waited_for(rig: Rig):
    client = await rig.connect(GET.replace(b"/ ", b"/long "))
    await rig.until(lambda: rig.connections.open and not rig.connections.without_head)

    rig.pass_time(3600)
    rig.released.set()

    assert await client.status() == "200"


async def test_beyond_the_cap_the_one_that_waited_longest_for_a_head_makes_room(tmp_path: Path):
    async with rigged(tmp_path, most=3) as rig:
        oldest = await rig.connect(HALF_HEAD)
        await rig.until_begun(1)
        others = [await rig.connect(HALF_HEAD) for _ in range(2)]
        await rig.until_begun(3)

        late = await rig.connect(GET)

        assert await late.status() == "200"
        assert b" 408 " in await oldest.rest()
        for other in others:
            await other.send(b"\r\n\r\n")
            assert await other.status() == "200"


async def test_beyond_the_cap_a_connection_is_refused_when_all_others_are_of_use(tmp_path: Path):
    async with rigged(tmp_path, most=2) as rig:
        busy = [await rig.connect(GET.replace(b"/ ", b"/long ")) for _ in range(2)]
        await rig.until(lambda: len(rig.connections.open) == 2 and not rig.connections.without_head)

        late = await rig.connect(GET)

        assert await late.status() == "503"
        rig.released.set()
        assert [await one.status() for one in busy] == ["200", "200"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize(("soft", "hard", "most"), [(128, 700, 700 - KEPT_BACK), (128, 200, 64)])
def test_the_limit_of_open_files_is_raised_and_some_are_kept_back(soft: int, hard: int, most: int):
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
        "from comfywire.service.http_connections import most_connections;"
        "print(most_connections(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout.split() == [str(most), str(hard)]
