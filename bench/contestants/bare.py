"""The least that works while nothing goes wrong: a socket, POST, wait for the end, GET history, GET view."""

from __future__ import annotations

import asyncio
import json
import uuid

import aiohttp
from contest import Prompt, Run, race


class BareLoop:
    """Waits for the ends of prompts on one socket."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = f"{url}/api"
        self._client_id = str(uuid.uuid4())
        self._ends: dict[str, asyncio.Event] = {}

    async def listen(self, is_open: asyncio.Event) -> None:
        """Parse each text frame; ``executing`` with a null node ends a prompt."""
        url = f"{self._url}/ws?clientId={self._client_id}"
        async with self._session.ws_connect(url, max_msg_size=0) as socket:
            is_open.set()
            async for frame in socket:
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    continue
                message = json.loads(frame.data)
                if message["type"] == "executing" and message["data"]["node"] is None:
                    self._ends[message["data"]["prompt_id"]].set()

    async def run(self, prompt: Prompt) -> bytes:
        """Return the first picture of ``prompt``."""
        prompt_id = str(uuid.uuid4())
        end = self._ends[prompt_id] = asyncio.Event()
        body = {"prompt": prompt, "prompt_id": prompt_id, "client_id": self._client_id}
        async with self._session.post(f"{self._url}/prompt", json=body) as reply:
            await reply.json()
        await end.wait()
        del self._ends[prompt_id]
        async with self._session.get(f"{self._url}/history/{prompt_id}") as reply:
            history = await reply.json()
        picture = history[prompt_id]["outputs"]["2"]["images"][0]
        async with self._session.get(f"{self._url}/view", params=picture) as reply:
            return await reply.read()


async def main() -> None:
    run = Run.from_command_line()
    async with aiohttp.ClientSession() as session:
        loop, is_open = BareLoop(session, run.url), asyncio.Event()
        listening = asyncio.create_task(loop.listen(is_open))
        await is_open.wait()
        await race(loop.run, run, version=f"aiohttp {aiohttp.__version__}")
        listening.cancel()


asyncio.run(main())
