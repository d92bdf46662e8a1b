"""All outputs of a job as one ZIP, made while it is sent: nothing of it is kept, in memory or on a disk."""

from __future__ import annotations

import re
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import PurePosixPath
from uuid import UUID

from starlette.responses import StreamingResponse

from comfywire.service.assets.assets import Assets
from comfywire.service.jobs.records import OutputRecord

__all__ = ["archive"]

LARGE = 1 << 30
"""Bytes of one file from which the archive says its size in 64 bits."""


class _Pipe:
    """A file that is only written to: what is written is taken away at once."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: whoever reads takes what there is."""

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def archive(assets: Assets, job_id: UUID, outputs: Sequence[OutputRecord]) -> StreamingResponse:
    """Return the response with every kept output of a job, stored as they are: pictures are small already."""
    headers = {
        "Content-Disposition": f'attachment; filename="{job_id}.zip"',
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(_zipped(assets, outputs), media_type="application/zip", headers=headers)


async def _zipped(assets: Assets, outputs: Sequence[OutputRecord]) -> AsyncIterator[bytes]:
    pipe = _Pipe()
    used: set[str] = set()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as packed:  # type: ignore[call-overload]
        for output in outputs:
            asset = None if output.asset_id is None else await assets.get(output.asset_id)
            if asset is None:
                continue
            about = zipfile.ZipInfo(_name(output, used), _date(asset.created_at))
            with packed.open(about, "w", force_zip64=asset.size_bytes >= LARGE) as file:
                async with aclosing(assets.read(asset)) as chunks:
                    async for chunk in chunks:
                        file.write(chunk)
                        yield pipe.taken()
    yield pipe.taken()


def _name(output: OutputRecord, used: set[str]) -> str:
    """Return a file name that leads out of no folder, and that no other file of the archive has."""
    given = PurePosixPath((output.name or "").replace("\\", "/")).name
    name = re.sub(r'[\x00-\x1f<>:"|?*]', "_", given).strip(".") or f"{output.key}_{output.position}"
    if name in used:
        name = f"{output.position}_{name}"
    used.add(name)
    return name


def _date(made: datetime) -> tuple[int, int, int, int, int, int]:
    return (made.year, made.month, made.day, made.hour, made.minute, made.second)
