"""Large files through the service: seconds, and the most memory that its process holds meanwhile.

    python bench/large_files.py [--mib 2000] [--s3 [URL]] [--json FILE]

A file of noise is uploaded and downloaded again, to a folder and, with ``--s3``, to the S3 at a URL (its
credentials as ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``), or to one that moto plays in another
process; then it is uploaded once more, when its bytes are there. Noise is made as it is sent.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import fsspec
from machine import conditions, conditions_line
from streams import Process, api_process

from service import comfywire, process

MIB = 1 << 20
MOTO = (
    "from moto.server import ThreadedMotoServer as S; s = S('127.0.0.1', 0, verbose=False); s.start();"
    "print('http://127.0.0.1:%d' % s.get_host_and_port()[1], flush=True); import time; time.sleep(86400)"
)
LOOK_EVERY = 0.05


def noise(mib: int) -> bytes:
    """Return one MiB that no other of the file is like."""
    return hashlib.shake_128(str(mib).encode()).digest(MIB)


class Body:
    """A form with one file, a MiB at a time."""

    def __init__(self, mib: int) -> None:
        self._mib = mib
        self.seconds = 0.0

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the file, made in a thread; what making it takes is not the service's."""
        for number in range(self._mib):
            began = time.perf_counter()
            made = await asyncio.to_thread(noise, number)
            self.seconds += time.perf_counter() - began
            yield made


async def watched(api: Process, work: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
    """Do something; tell how long that took, and what the process held at most."""
    before, cpu, began, peak = api.memory(), api.cpu(), time.perf_counter(), api.memory()
    doing = asyncio.ensure_future(work())
    while not doing.done():
        peak = max(peak, api.memory())
        await asyncio.wait([doing], timeout=LOOK_EVERY)
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "CPU s": round(api.cpu() - cpu, 1),
        "MiB before": round(before / MIB, 1),
        "MiB at most": round(peak / MIB, 1),
        **(await doing or {}),
    }


async def through(url: str, mib: int) -> dict[str, Any]:
    """Upload, download, and upload again."""
    api, asset = api_process(), dict[str, Any]()
    timeout = aiohttp.ClientTimeout(None)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def upload() -> dict[str, Any]:
            body = Body(mib)
            form = aiohttp.FormData()
            form.add_field("file", body.chunks(), filename="noise.bin")
            async with session.post(f"{url}/api/v2/assets", data=form) as reply:
                reply.raise_for_status()
                asset.update(await reply.json())
            return {"of them making noise": round(body.seconds, 1)}

        async def download() -> dict[str, Any]:
            read = 0
            async with session.get(f"{url}/api/v2/assets/{asset['id']}/content") as reply:
                reply.raise_for_status()
                async for chunk in reply.content.iter_chunked(MIB):
                    read += len(chunk)
            assert read == mib * MIB, read
            return {}

        await _small(session, url)
        return {
            "in": await watched(api, upload),
            "out": await watched(api, download),
            "in once more": await watched(api, upload),
        }


async def _small(session: aiohttp.ClientSession, url: str) -> None:
    """What the first upload loads is no part of what a large one holds."""
    form = aiohttp.FormData()
    form.add_field("file", noise(0), filename="small.bin")
    async with session.post(f"{url}/api/v2/assets", data=form) as reply:
        reply.raise_for_status()


async def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """To a folder, and to S3."""
    most = f"--max-upload-bytes={options.mib * MIB + 1}"
    found: dict[str, Any] = {}
    for where in ("folder", *(("S3",) if options.s3 else ())):
        async with contextlib.AsyncExitStack() as stack:
            data = folder / where
            arguments = ["serve", "--port=0", "--no-workers", f"--data={data}", most]
            if where == "S3":
                endpoint = options.s3
                if endpoint == "moto":
                    endpoint = await stack.enter_async_context(process(sys.executable, "-c", MOTO))
                os.environ["AWS_ENDPOINT_URL"] = endpoint
                os.environ.setdefault("AWS_ACCESS_KEY_ID", "k")
                os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "s")
                bucket = f"bench-{secrets.token_hex(4)}"
                await asyncio.to_thread(fsspec.filesystem("s3").mkdir, bucket)
                arguments.append(f"--assets=s3://{bucket}/assets")
            url = await stack.enter_async_context(comfywire(*arguments))
            found[where] = await through(url, options.mib)
            print(where, json.dumps(found[where]), flush=True)
    return found


def main() -> None:
    """Measure, print, and write."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--mib", type=int, default=2000)
    parser.add_argument("--s3", nargs="?", const="moto", metavar="URL")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = conditions()
    print(conditions_line(before))
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(options, Path(folder)))
    if options.json is not None:
        options.json.write_text(json.dumps({"conditions": before, **found}, indent=2))


if __name__ == "__main__":
    main()
