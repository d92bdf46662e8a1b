"""The least that any durable service does for a job; see ``bench/service_limit.py``.

    python bench/contestants/limit.py --database URL --folder FOLDER --server URL [--server URL ...]

One request is parsed by uvicorn, the job is committed three times (queued, begun, ended), its prompt is
driven by the bare loop, and its picture is put away as a file that is on the disk. No key, no check, no
fairness, no retry, no progress; what a crash would leave behind is there, and nobody takes it up.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import aiohttp
import psycopg
import uvicorn
import uvloop
from psycopg_pool import AsyncConnectionPool

SLOTS = 2
"""Jobs on a server at a time, as the service has it."""
TABLE = """CREATE TABLE IF NOT EXISTS jobs (
    id uuid PRIMARY KEY, state text NOT NULL, prompt jsonb NOT NULL, file text,
    created_at timestamptz DEFAULT now(), completed_at timestamptz)"""
QUEUED = "INSERT INTO jobs (id, state, prompt) VALUES (%s, 'queued', %s)"
BEGUN = "UPDATE jobs SET state = 'running' WHERE id = %s"
ENDED = "UPDATE jobs SET state = 'succeeded', file = %s, completed_at = now() WHERE id = %s"
LOOK = "SELECT state, completed_at FROM jobs WHERE id = %s"
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Limit:
    """The jobs, the servers, and the application in front of them."""

    def __init__(self, database: str, folder: Path) -> None:
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            database, kwargs={"autocommit": True, "prepare_threshold": 0}, min_size=1, max_size=8, open=False
        )
        self._folder = folder
        self._waiting: asyncio.Queue[tuple[uuid.UUID, dict[str, Any]]] = asyncio.Queue()
        self._ends: dict[str, asyncio.Event] = {}
        self._done: dict[uuid.UUID, asyncio.Event] = {}

    async def open(self) -> None:
        """Connect, and make the table."""
        await self._pool.open()
        await self._do(TABLE)

    async def _do(self, statement: str, *values: Any) -> Any:
        async with self._pool.connection() as connection:
            found = await connection.execute(cast("Any", statement), values)
            return await found.fetchone() if found.description else None

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send
    ) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        if scope["method"] == "POST":
            body = b""
            while (message := await receive())["type"] == "http.request":
                body += message["body"]
                if not message.get("more_body"):
                    break
            job_id, prompt = uuid.uuid4(), json.loads(body)["workflow"]
            await self._do(QUEUED, job_id, json.dumps(prompt))
            self._done[job_id] = asyncio.Event()
            self._waiting.put_nowait((job_id, prompt))
            await _answer(send, 201, {"id": str(job_id), "status": "queued"})
        elif path.endswith("/events"):
            await self._done[uuid.UUID(path.split("/")[-2])].wait()
            await _answer(send, 200, {})
        else:
            state, at = await self._do(LOOK, uuid.UUID(path.rpartition("/")[2]))
            await _answer(send, 200, {"status": state, "completed_at": at and at.isoformat()})

    async def drive(self, url: str) -> None:
        """Run jobs on one server, for ever."""
        client_id, url = str(uuid.uuid4()), f"{url}/api"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/ws?clientId={client_id}", max_msg_size=0) as socket,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(SLOTS):
                group.create_task(self._work(session, url, client_id))
            async for frame in socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    said = json.loads(frame.data)
                    if said["type"] == "executing" and said["data"]["node"] is None:
                        self._ends[said["data"]["prompt_id"]].set()

    async def _work(self, session: aiohttp.ClientSession, url: str, client_id: str) -> None:
        while True:
            job_id, prompt = await self._waiting.get()
            prompt_id = str(job_id)
            await self._do(BEGUN, job_id)
            end = self._ends[prompt_id] = asyncio.Event()
            body = {"prompt": prompt, "prompt_id": prompt_id, "client_id": client_id}
            async with session.post(f"{url}/prompt", json=body) as reply:
                await reply.json()
            await end.wait()
            del self._ends[prompt_id]
            async with session.get(f"{url}/history/{prompt_id}") as reply:
                picture = (await reply.json())[prompt_id]["outputs"]["2"]["images"][0]
            async with session.get(f"{url}/view", params=picture) as reply:
                content = await reply.read()
            await asyncio.to_thread(_put_away, self._folder / prompt_id, content)
            await self._do(ENDED, picture["filename"], job_id)
            self._done[job_id].set()


def _put_away(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


async def _answer(send: Send, status: int, content: Any) -> None:
    body = json.dumps(content).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


class Server(uvicorn.Server):
    """uvicorn, which says where it listens as the service does."""

    async def startup(self, sockets: Any = None) -> None:
        """Listen, and print the address."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        print(f"http://{host}:{port}", flush=True)


async def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--server", action="append", required=True)
    options = parser.parse_args()
    limit = Limit(options.database, options.folder)
    await limit.open()
    driving = [asyncio.create_task(limit.drive(url)) for url in options.server]
    app = cast("Any", limit)
    config = uvicorn.Config(
        app, port=0, http="httptools", lifespan="off", access_log=False, log_level="error"
    )
    await Server(config).serve()
    for task in driving:
        task.cancel()
    with contextlib.suppress(BaseException):
        await asyncio.gather(*driving)


if __name__ == "__main__":
    uvloop.run(main())
