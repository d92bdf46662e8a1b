"""Some light ComfyUIs in one process, which count what they are asked: ``python bench/fleet_servers.py 16``.

It prints their URLs, a line of JSON, and answers each line of standard input with a line of JSON: requests by
route and bytes both ways, of all of them together since the start.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any, ClassVar

from comfywire.server import Server

moved = Counter[str]()
send, receive = socket.socket.send, socket.socket.recv


def _send(self: socket.socket, *args: Any) -> int:
    count = send(self, *args)
    moved["sent"] += count
    return count


def _receive(self: socket.socket, *args: Any) -> bytes:
    content = receive(self, *args)
    moved["received"] += len(content)
    return content


class BenchWait:
    """Takes its time and says nothing meanwhile, as a ComfyUI does on which a model is loaded."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "wait"
    CATEGORY = "bench"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """Return the inputs."""
        return {"required": {"image": ("IMAGE",), "seconds": ("FLOAT", {"default": 0.0, "max": 3600.0})}}

    def wait(self, image: Any, seconds: float) -> tuple[Any]:
        """Pass the picture on, later."""
        time.sleep(seconds)
        return (image,)


class Lines:
    """Standard input, without a thread that would wait for it."""

    limit: ClassVar[int] = 1 << 16

    async def __aenter__(self) -> asyncio.StreamReader:
        reader = asyncio.StreamReader(self.limit)
        protocol = asyncio.StreamReaderProtocol(reader)
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        return reader

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()


async def main(count: int) -> None:
    """Serve until standard input ends."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(Server(nodes={"BenchWait": BenchWait})) for _ in range(count)
        ]
        print(json.dumps([server.url for server in servers]), flush=True)
        lines = await stack.enter_async_context(Lines())
        while await lines.readline():
            requests = sum((Counter(server.requests) for server in servers), Counter[str]())
            print(json.dumps({"requests": requests, "bytes": moved}), flush=True)


if __name__ == "__main__":
    socket.socket.send, socket.socket.recv = _send, _receive  # type: ignore[assignment, method-assign]
    asyncio.run(main(int(sys.argv[1])))
