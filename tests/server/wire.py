"""A client as plain as can be, so that what is tested is the server: aiohttp, JSON, nothing of ours."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any, Self

import aiohttp

Prompt = dict[str, Any]


def image(color: int = 0, *, size: int = 8) -> Prompt:
    """One picture, saved."""
    empty = {"width": size, "height": size, "batch_size": 1, "color": color}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "test"}},
    }


def sleeper(seconds: float, color: int = 0) -> Prompt:
    """One picture that takes its time."""
    prompt = image(color)
    prompt["5"] = {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": seconds}}
    prompt["2"]["inputs"]["images"] = ["5", 0]
    return prompt


def text_to_image(text: str = "a lighthouse", *, seed: int = 1, steps: int = 3, size: int = 64) -> Prompt:
    """The usual seven nodes."""
    latent = {"width": size, "height": size, "batch_size": 1}
    sampler = {
        "seed": seed,
        "steps": steps,
        "cfg": 7,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1,
        "model": ["4", 0],
        "positive": ["6", 0],
        "negative": ["7", 0],
        "latent_image": ["5", 0],
    }
    return {
        "4": {
            "class_type": "CheckpointLoaderSimple",
            "inputs": {"ckpt_name": "comfywire-placeholder.safetensors"},
        },
        "5": {"class_type": "EmptyLatentImage", "inputs": latent},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": text}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": ""}},
        "3": {"class_type": "KSampler", "inputs": sampler},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "test"}},
    }


def masked_edit(picture: str, mask: str) -> Prompt:
    """What an edit of images is: a picture and a mask, saved as they came, and words."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": picture}},
        "2": {"class_type": "LoadImageMask", "inputs": {"image": mask, "channel": "alpha"}},
        "3": {"class_type": "MaskToImage", "inputs": {"mask": ["2", 0]}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "edited"}},
        "5": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "mask"}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["7", 1], "text": ""}},
        "7": {
            "class_type": "CheckpointLoaderSimple",
            "inputs": {"ckpt_name": "comfywire-placeholder.safetensors"},
        },
    }


def film(picture: str) -> Prompt:
    """Three times the same picture, as an animated WebP."""
    animated = {
        "images": ["3", 0],
        "filename_prefix": "f",
        "fps": 6.0,
        "lossless": True,
        "quality": 80,
        "method": "default",
    }
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": picture}},
        "3": {"class_type": "RepeatImageBatch", "inputs": {"image": ["1", 0], "amount": 3}},
        "2": {"class_type": "SaveAnimatedWEBP", "inputs": animated},
    }


class Feed:
    """One socket and everything it heard."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, client_id: str) -> None:
        self.ws = ws
        self.client_id = client_id
        self.heard: list[dict[str, Any]] = []
        self.frames: list[bytes] = []

    async def next(self) -> dict[str, Any]:
        """The next JSON message; binary frames are put aside. EOFError when the socket ends."""
        while True:
            frame = await asyncio.wait_for(self.ws.receive(), 60)
            if frame.type is aiohttp.WSMsgType.TEXT:
                message: dict[str, Any] = json.loads(frame.data)
                self.heard.append(message)
                return message
            if frame.type is not aiohttp.WSMsgType.BINARY:
                raise EOFError(frame.type)
            self.frames.append(frame.data)

    async def until(self, kind: str) -> dict[str, Any]:
        """The next message of a type."""
        while (message := await self.next())["type"] != kind:
            pass
        return message

    async def until_end(self, prompt_id: str) -> list[str]:
        """Listen to the end of a prompt and return the types of what was heard about it."""
        end = {"type": "executing", "data": {"node": None, "prompt_id": prompt_id}}
        while await self.next() != end:
            pass
        return [one["type"] for one in self.heard if one["data"].get("prompt_id") == prompt_id]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The data of every message of a type."""
        return [one["data"] for one in self.heard if one["type"] == kind]


class Wire:
    """HTTP and sockets to one server."""

    def __init__(self, url: str) -> None:
        self.session = aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=60))
        self.feeds: list[Feed] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for feed in self.feeds:
            await feed.ws.close()
        await self.session.close()

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        """Status, and JSON if it is, else bytes."""
        async with self.session.get(path, **options) as reply:
            return reply.status, await (reply.json() if "json" in reply.content_type else reply.read())

    async def post(self, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """The same, with a JSON body."""
        async with self.session.post(path, json=body, **options) as reply:
            return reply.status, await (reply.json() if "json" in reply.content_type else reply.read())

    async def feed(
        self, client_id: str | None = None, *, flags: dict[str, Any] | None = None, ends_first: bool = False
    ) -> Feed:
        """Open a socket and read its greeting; if it ``ends_first``, closing it waits until the server has.

        Others do not wait for that: a frozen server does not answer a close frame.
        """
        client_id = client_id or str(uuid.uuid4())
        patience = aiohttp.ClientWSTimeout(ws_close=60 if ends_first else 0.05)
        ws = await self.session.ws_connect(f"/ws?clientId={client_id}", max_msg_size=0, timeout=patience)
        if flags is not None:
            await ws.send_json({"type": "feature_flags", "data": flags})
        feed = Feed(ws, client_id)
        self.feeds.append(feed)
        await feed.next()
        return feed

    async def submit(self, prompt: Prompt, feed: Feed | None = None, **more: Any) -> str:
        """Queue a prompt and return its id."""
        body = {"prompt": prompt, "prompt_id": str(uuid.uuid4()), **more}
        if feed is not None:
            body["client_id"] = feed.client_id
        status, answer = await self.post("/prompt", body)
        assert status == 200, answer
        prompt_id: str = answer["prompt_id"]
        return prompt_id

    async def history(self, prompt_id: str) -> dict[str, Any]:
        """The history entry, or an empty dict."""
        _, answer = await self.get(f"/history/{prompt_id}")
        entry: dict[str, Any] = answer.get(prompt_id, {})
        return entry
