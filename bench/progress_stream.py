"""What it costs to follow: a stream of large progress messages, and many jobs of which nothing is heard.

    python bench/progress_stream.py [--nodes 500] [--rate 1000] [--seconds 10] [--open-jobs 1000]

The server here is a few lines that send frames at a rate; the client runs in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from machine import conditions, conditions_line
from others.environments import Contestant

WATCHING = Contestant("watching", sys.executable, Path(__file__).parent / "contestants" / "watching.py")
TICK = 0.01
"""Seconds between two bursts of frames."""


@dataclass
class Streamer:
    """Accepts every prompt, and sends the first one's progress at a rate until it ends."""

    nodes: int
    rate: int
    seconds: float
    requests: Counter[str] = field(default_factory=Counter)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    prompt_ids: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    sent: int = 0
    frame_bytes: int = 0

    def app(self) -> web.Application:
        """Return the server."""
        app = web.Application(middlewares=[self.count])
        app.add_routes(
            [
                web.get("/api/ws", self.socket),
                web.post("/api/prompt", self.prompt),
                web.get("/api/queue", self.queue),
                web.get("/api/history/{prompt_id}", self.history),
            ]
        )
        return app

    @web.middleware
    async def count(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Count requests by route."""
        self.requests[request.path.split("/")[2]] += 1
        answered: web.StreamResponse = await handler(request)
        return answered

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """Greet, answer the feature flags, and stay."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(status(len(self.prompt_ids), sid=request.query["clientId"]))
        self.sockets.append(socket)
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        return socket

    async def prompt(self, request: web.Request) -> web.Response:
        """Accept, and begin to stream if there is a rate."""
        body = await request.json()
        self.prompt_ids.append(body["prompt_id"])
        await self.sockets[-1].send_json(status(len(self.prompt_ids)))
        if self.rate:
            self.streaming = asyncio.create_task(self.stream(body["prompt_id"]))
        return web.json_response({"prompt_id": body["prompt_id"], "number": 1, "node_errors": {}})

    async def queue(self, _: web.Request) -> web.Response:
        """List what is open; the first one runs."""
        items = [[n, each, {}, {}, []] for n, each in enumerate(self.prompt_ids) if each not in self.done]
        return web.json_response({"queue_running": items[:1], "queue_pending": items[1:]})

    async def history(self, request: web.Request) -> web.Response:
        """Return the entry of what has ended."""
        prompt_id = request.match_info["prompt_id"]
        entry = {"prompt": [], "outputs": {}, "status": {"status_str": "success", "messages": []}}
        return web.json_response({prompt_id: entry} if prompt_id in self.done else {})

    async def stream(self, prompt_id: str) -> None:
        """Send frames as they are due, and then the end; a client that is too slow lowers the rate."""
        socket, loop = self.sockets[-1], asyncio.get_running_loop()
        frames = [progress_state(prompt_id, self.nodes, step) for step in range(20)]
        self.frame_bytes = len(frames[0])
        await socket.send_json({"type": "execution_start", "data": {"prompt_id": prompt_id}})
        began = loop.time()
        while (elapsed := loop.time() - began) < self.seconds:
            if self.sent >= elapsed * self.rate:
                await asyncio.sleep(TICK)
            await socket.send_str(frames[self.sent % len(frames)])
            self.sent += 1
        self.done.add(prompt_id)
        await socket.send_json({"type": "executing", "data": {"node": None, "prompt_id": prompt_id}})


def status(remaining: int, **more: str) -> dict[str, Any]:
    return {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": remaining}}, **more}}


def progress_state(prompt_id: str, nodes: int, step: int) -> str:
    """Return a frame as ComfyUI writes it (progress.py, _send_progress_state, 0.3.64)."""
    states = {
        str(number): {
            "value": float(step),
            "max": 20.0,
            "state": "running" if number == nodes - 1 else "finished",
            "node_id": str(number),
            "prompt_id": prompt_id,
            "display_node_id": str(number),
            "parent_node_id": None,
            "real_node_id": str(number),
        }
        for number in range(nodes)
    }
    return json.dumps({"type": "progress_state", "data": {"prompt_id": prompt_id, "nodes": states}})


async def watched(streamer: Streamer, mode: str, number: int, seconds: float) -> dict[str, Any]:
    """Return what the client reports, with the requests that came while nothing was said."""
    runner = web.AppRunner(streamer.app(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with WATCHING.process(url, mode, str(number), str(seconds)) as process:
            assert process.stdout is not None
            if mode == "silence":
                await process.stdout.readline()
                streamer.requests.clear()
            out, errors = await process.communicate()
    finally:
        await runner.cleanup()
    if process.returncode:
        raise SystemExit(errors.decode())
    found: dict[str, Any] = json.loads(out)
    return found


async def main(options: argparse.Namespace) -> None:
    where = conditions()
    print(conditions_line(where))
    rows: dict[str, Any] = {}
    for mode in ("result", "events", "progress"):
        streamer = Streamer(options.nodes, options.rate, options.seconds)
        found = await watched(streamer, mode, options.nodes, options.seconds)
        found |= {"frames": streamer.sent, "frame_bytes": streamer.frame_bytes}
        rows[mode] = found
        print(
            f"{mode}: {streamer.sent / found['seconds']:.0f} frames/s of {streamer.frame_bytes} bytes "
            f"({options.nodes} nodes) for {found['seconds']:.1f} s: "
            f"{found['cpu_seconds'] / found['seconds']:.2f} of a core"
        )
    if options.open_jobs:
        streamer = Streamer(2, 0, 0)
        found = await watched(streamer, "silence", options.open_jobs, options.silence)
        found["requests"] = dict(streamer.requests)
        rows["silence"] = found
        print(
            f"{options.open_jobs} open jobs: {found['kib_per_job']:.1f} KiB each, of which "
            f"{found['kib_per_graph']:.1f} KiB are its graph; {found['tasks']} tasks; "
            f"in {options.silence:g} s of silence {streamer.requests.total()} requests {found['requests']}, "
            f"{found['cpu_seconds']:.2f} s of CPU, {found['open']} still open"
        )
    if options.json is not None:
        options.json.write_text(json.dumps({"conditions": where, **rows}, indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--rate", type=int, default=1000, help="frames a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--open-jobs", type=int, default=1000, help="0 leaves this part out")
    parser.add_argument("--silence", type=float, default=30.0, help="seconds")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments()))
