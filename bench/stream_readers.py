"""Readers of events: those that read, those that read slowly, and those that read nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from math import inf

import aiohttp

KINDS = (b"event: status", b"event: progress", b"event: preview", b"event: output")
LONGEST_KIND = max(map(len, KINDS))
PAUSES = (1.0, inf)
"""Of slow readers, in turns: one piece of 4 KiB a second at most, or nothing."""


class Reader(asyncio.Protocol):
    """One event stream, read without a client's cost.

    Args:
        host: The service's.
        path: Of the stream.
        key: Who asks.
        pause: Seconds from one read to the next; infinite for who reads nothing once the stream is open.

    """

    def __init__(self, host: str, path: str, key: str, *, pause: float = 0.0) -> None:
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {key}", "Connection: close"]
        self._head = "\r\n".join([*lines, "", ""]).encode()
        self._pause = pause
        self._rest = b""
        self.seen: Counter[bytes] = Counter()
        self.bytes = 0
        self.ended_at: float | None = None
        self.opened = asyncio.Event()
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        """Count what came; the first bytes say that the stream is open."""
        if not self.opened.is_set():
            assert data.startswith(b"HTTP/1.1 200"), data[:200]
            self.opened.set()
        if self._pause:
            self.transport.pause_reading()
            if self._pause < inf:
                asyncio.get_running_loop().call_later(self._pause, self._read_on)
        self.bytes += len(data)
        text = self._rest + data
        for kind in KINDS:
            self.seen[kind] += text.count(kind) - self._rest.count(kind)
        self._rest = text[-LONGEST_KIND:]

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note when the stream ended."""
        del exc
        self.ended_at = time.perf_counter()
        self.ended.set()


async def count_frames(opened: aiohttp.ClientWebSocketResponse, pause: float = 0.0) -> int:
    """Read one of ComfyUI's sockets until this is cancelled, pausing after each frame; return how many."""
    frames = 0
    with contextlib.suppress(asyncio.CancelledError):
        if pause == inf:
            await asyncio.Event().wait()
        async for _ in opened:
            frames += 1
            await asyncio.sleep(pause)
    return frames
