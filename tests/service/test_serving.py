import asyncio
import socket
from pathlib import Path

from comfywire.service.http_server import bound
from comfywire.service.settings import Settings


async def test_answers_do_not_wait_for_acknowledgements(tmp_path: Path) -> None:
    listener = bound(Settings(data=tmp_path, port=0))
    delays = asyncio.Queue[int]()

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        delays.put_nowait(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async with await asyncio.start_server(accept, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())

        assert await delays.get() == 1
        writer.close()
