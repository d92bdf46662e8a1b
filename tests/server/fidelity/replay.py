"""Replaying a recorded conversation with a real ComfyUI against ours, and saying what differs."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image
from tests.server.fidelity.normal import Conversation, normal_messages, normal_reply
from tests.server.wire import Wire

from comfywire.server import Server

PROGRESS = {"progress", "progress_state", "status"}
CUT_OFF = 4096  # bodies were recorded up to here
PATIENCE = 60


def load(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass
class Replay:
    """Does what the recorded client did, when the server has said what it had said by then."""

    server: Server
    wire: Wire
    records: list[dict[str, Any]]
    sockets: dict[str, aiohttp.ClientWebSocketResponse] = field(default_factory=dict)
    listeners: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    heard: dict[str, list[Any]] = field(default_factory=dict)
    replies: list[tuple[str, Any, Any]] = field(default_factory=list)
    submitted: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        for index, record in enumerate(self.records):
            match record["kind"]:
                case "ws_open":
                    await self.rest(index)
                    await self.open(record["client_id"])
                case "ws_close":
                    await self.catch_up(index)
                    await self.close(record["client_id"], is_kill=self.is_next_refused(index))
                case "ws_send":
                    await self.sockets[record["client_id"]].send_json(record["data"])
                case "http":
                    await self.catch_up(self.before_interrupt(index))
                    await self.ask(record)
        await self.catch_up(len(self.records))
        for client_id in list(self.sockets):
            await self.sockets[client_id].close()
            await self.listeners[client_id]

    def before_interrupt(self, index: int) -> int:
        """Where the conversation stood when an interrupt took effect: the reply may have come before."""
        if not self.records[index]["request"]["path"].endswith(("/interrupt", "/cancel")):
            return index
        later = range(index, len(self.records))
        return next(
            (each for each in later if "execution_interrupted" in str(self.records[each].get("data"))), index
        )

    async def rest(self, index: int) -> None:
        """Wait for the end of what ran, if it had ended by the time of the greeting that comes next."""
        greeting = next(
            json.loads(record["data"]) for record in self.records[index:] if record["kind"] == "ws_text"
        )
        if self.server.is_running and not greeting["data"]["status"]["exec_info"]["queue_remaining"]:
            await self.server.until_idle()

    def is_next_refused(self, index: int) -> bool:
        return any("error" in record for record in self.records[index + 1 : index + 2])

    async def open(self, client_id: str) -> None:
        if not self.server.is_running:
            await self.server.start()
        # What the recorder saw as open before the greeting came, the server had accepted.
        ws = await self.wire.session.ws_connect(f"/ws?clientId={client_id}", max_msg_size=0)
        self.sockets[client_id] = ws
        heard = self.heard.setdefault(client_id, [])
        self.listeners[client_id] = asyncio.create_task(self.listen(ws, heard))

    def name(self, answer: Any, expected: dict[str, Any]) -> Any:
        """Note the id of a prompt that the server named."""
        recorded = expected.get("json")
        if (
            isinstance(answer, dict)
            and isinstance(recorded, dict)
            and "prompt_id" in answer
            and "prompt_id" in recorded
        ):
            self.submitted.add(recorded["prompt_id"])
            if answer["prompt_id"] != recorded["prompt_id"]:
                self.aliases[answer["prompt_id"]] = recorded["prompt_id"]
        return json.loads(self.as_recorded(json.dumps(answer)))

    async def listen(self, ws: aiohttp.ClientWebSocketResponse, heard: list[Any]) -> None:
        async for frame in ws:
            is_binary = frame.type is aiohttp.WSMsgType.BINARY
            heard.append(frame.data if is_binary else json.loads(self.as_recorded(frame.data)))

    def as_recorded(self, text: str) -> str:
        """Name prompts whose ids the server made up as they were named in the record."""
        for ours, theirs in self.aliases.items():
            text = text.replace(ours, theirs)
        return text

    async def close(self, client_id: str, *, is_kill: bool) -> None:
        if is_kill:
            await self.server.faults.life.kill()
        await self.sockets.pop(client_id).close()
        await self.listeners.pop(client_id)

    async def catch_up(self, index: int) -> None:
        """Wait for everything but progress and status that had been heard at this point of the record."""
        for client_id in self.sockets:
            expected = [
                record["data"]
                for record in self.records[:index]
                if record["kind"] == "ws_text" and record["client_id"] == client_id
            ]
            wanted = [one for one in map(json.loads, expected) if self.is_due(one)]
            async with asyncio.timeout(PATIENCE):
                while sum(map(self.is_due, self.heard[client_id])) < len(wanted):  # noqa: ASYNC110 - a list
                    await asyncio.sleep(0.005)
            if index < len(self.records) and self.was_previewed(index, client_id):
                async with asyncio.timeout(PATIENCE):
                    while not any(isinstance(one, bytes) for one in self.heard[client_id]):  # noqa: ASYNC110
                        await asyncio.sleep(0.005)

    def was_previewed(self, index: int, client_id: str) -> bool:
        return any(
            record["kind"] == "ws_binary" and record["client_id"] == client_id
            for record in self.records[:index]
        )

    def is_due(self, message: Any) -> bool:
        if isinstance(message, bytes) or message["type"] in PROGRESS:
            return False
        return message["data"].get("prompt_id", "") in {"", *self.submitted}

    def as_walked(self, body: dict[str, Any]) -> None:
        """Name the output nodes in the order in which the recorded server walked its set of them."""
        asked = body.get("prompt_id")
        for record in self.records:
            history = record.get("response", {}).get("json")
            if asked and isinstance(history, dict) and asked in history and "prompt" in history[asked]:
                order = history[asked]["prompt"][4]
                nodes, walked = body["prompt"], iter(order)
                places = [next(walked) if node_id in order else node_id for node_id in nodes]
                body["prompt"] = {node_id: nodes[node_id] for node_id in places}

    async def ask(self, record: dict[str, Any]) -> None:
        request = record["request"]
        if "error" in record:
            try:
                await self.wire.get(request["path"])
            except aiohttp.ClientConnectionError:
                return
            raise AssertionError(f"{request['path']} was refused, and is not here")
        body = request.get("json")
        if request["path"] == "/prompt" and isinstance(body, dict):
            self.submitted.add(str(body.get("prompt_id")))
            self.as_walked(body)
        expected = record["response"]
        path = request["path"]
        for ours, theirs in self.aliases.items():
            path = path.replace(theirs, ours)
        if path.startswith("/history/") and expected.get("json"):
            await self.server.until_done(path.removeprefix("/history/"))
        options = {"data": form(request["form"])} if "form" in request else {"json": body}
        if request["method"] == "POST":
            next_millisecond()  # jobs are listed by it, and ours come faster than the recorded ones
        async with self.wire.session.request(request["method"], path, **options) as reply:
            actual: dict[str, Any] = {"status": reply.status}
            content = await reply.read()
            if "json" in reply.content_type:
                actual["json"] = self.name(json.loads(content), expected)
            elif "b64" in expected:
                actual["b64"] = base64.b64encode(content[:CUT_OFF]).decode()
            else:
                actual["text"] = content.decode()
            actual["content_type"] = reply.headers.get("Content-Type", "")
        self.replies.append((f"{request['method']} {request['path']}", expected, actual))


UPLOADS = [0]


def form(recorded: dict[str, str]) -> aiohttp.FormData:
    """Make up files: the recorder sent the same picture twice, then others, and a sound."""
    fields = aiohttp.FormData()
    for name, value in recorded.items():
        if name != "image":
            fields.add_field(name, value)
    filename, _, kind = recorded["image"].rstrip(")").partition(" (")
    content = sound() if kind.startswith("audio/") else picture(has_alpha="original_ref" in recorded)
    fields.add_field("image", content, filename=filename, content_type=kind or "image/png")
    return fields


def picture(*, has_alpha: bool) -> bytes:
    UPLOADS[0] += 1
    colour = (0, 0, 255) if UPLOADS[0] > 2 else (255, 0, 0)
    buffer = io.BytesIO()
    Image.new("RGBA" if has_alpha else "RGB", (16, 16), colour).save(buffer, format="PNG")
    return buffer.getvalue()


def sound() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000))
    return buffer.getvalue()


def warm_up(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The nodes that an earlier scenario of the same recording had left in the cache, each shown somehow."""
    for record in records:
        message: dict[str, Any] = {"type": ""}
        if record["kind"] == "ws_text":
            message = json.loads(record["data"])
        if message["type"] == "execution_cached":
            prompt = next(
                record["request"]["json"]["prompt"]
                for record in records
                if record["kind"] == "http" and record["request"]["path"] == "/prompt"
            )
            cached = {node_id: prompt[node_id] for node_id in message["data"]["nodes"]}
            shown = {
                f"show {node_id}": {"class_type": "PreviewAny", "inputs": {"source": [node_id, 0]}}
                for node_id in cached
            }
            return cached | shown
    return {}


def differences(records: list[dict[str, Any]], replay: Replay) -> list[str]:
    """Say what differs, one line for each reply and each socket's feed."""
    found: list[str] = []
    theirs, ours = Conversation(), Conversation()
    for asked, expected, actual in replay.replies:
        wanted, got = normal_reply(asked, expected, theirs), normal_reply(asked, actual, ours)
        if wanted != got:
            found.append(f"{asked}\n  recorded {wanted}\n  here     {got}")
    for client_id, heard in replay.heard.items():
        recorded = [
            json.loads(record["data"]) if record["kind"] == "ws_text" else base64.b64decode(record["b64"])
            for record in records
            if record["kind"] in ("ws_text", "ws_binary") and record["client_id"] == client_id
        ]
        wanted_feed, feed = normal_messages(recorded, theirs), normal_messages(heard, ours)
        for place, (one, other) in enumerate(zip(wanted_feed, feed, strict=False)):
            if one != other:
                found.append(f"message {place}\n  recorded {one}\n  here     {other}")
                break
        else:
            if len(wanted_feed) != len(feed):
                found.append(f"{len(wanted_feed)} messages were recorded, {len(feed)} came here")
    return found


def next_millisecond() -> None:
    """Wait, for at most one, until the clock of ``create_time`` has moved on."""
    now = int(time.time() * 1000)
    while int(time.time() * 1000) == now:
        pass
