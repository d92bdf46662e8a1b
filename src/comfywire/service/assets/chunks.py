"""Bytes on their way in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

from comfywire.client.threads import in_thread

__all__ = ["CHUNK", "chunks_of", "gathered"]

CHUNK = 1 << 20
"""Bytes that pass from hand to hand at a time; a transfer holds a few of them."""


async def chunks_of(path: Path) -> AsyncIterator[bytes]:
    """Yield the bytes of a file."""
    file = await in_thread(lambda: path.open("rb"))
    try:
        while chunk := await in_thread(file.read, CHUNK):
            yield chunk
    finally:
        await in_thread(file.close)


async def gathered(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Yield the same bytes in pieces of about ``CHUNK``: 64 KiB of a socket are too little for a thread."""
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= CHUNK:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
