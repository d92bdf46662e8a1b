"""A recorded conversation, replayed through the core as the shell would have done it."""

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comfywire.errors import UnexpectedReply
from comfywire.protocol.binary import parse_binary
from comfywire.protocol.feeds import FeedKey
from comfywire.protocol.messages import Message
from comfywire.protocol.parsing import parse_text
from comfywire.protocol.session import Session
from comfywire.protocol.snapshots import parse_history, parse_queue
from comfywire.protocol.tracked import Tracked

FOLDER = Path(__file__).parents[1] / "transcripts"


@dataclass
class Transcript:
    """One file of tests/transcripts."""

    path: Path
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = [json.loads(line) for line in self.path.read_text().splitlines()]

    def __str__(self) -> str:
        return f"{self.path.parent.name}-{self.path.stem}"

    @property
    def expect(self) -> str:
        return str(self.lines[0]["expect"])

    def frames(self, client_id: str | None = None) -> Iterator[Message]:
        """Every message that was received, parsed."""
        for line in self.lines:
            if client_id in (None, line.get("client_id")):
                if line["kind"] == "ws_text":
                    yield parse_text(line["data"])
                elif line["kind"] == "ws_binary":
                    yield parse_binary(b64decode(line["b64"]))

    def submissions(self) -> Iterator[dict[str, Any]]:
        """Every POST /prompt, with its reply."""
        for line in self.lines:
            request = line.get("request", {})
            if "response" in line and (request["method"], request["path"]) == ("POST", "/prompt"):
                yield line


def transcripts() -> list[Transcript]:
    return [Transcript(path) for path in sorted(FOLDER.glob("*/*.jsonl"))]


class Replay:
    """Feeds a transcript to a session: what the server said, when it said it."""

    def __init__(self, transcript: Transcript) -> None:
        self.session = Session(iter([f"fresh-{number}" for number in range(100)]).__next__)
        self.tracked: dict[str, Tracked] = {}
        self.key = FeedKey(self.session.feeds.client_id, 0)
        self.now = 0.0
        for line in transcript.lines[1:]:
            self.now = line["t"]
            self.take(line)
        self.settle(transcript)

    def take(self, line: dict[str, Any]) -> None:
        match line["kind"]:
            case "ws_open":
                self.key = self.session.feeds.wanted()[0]
                self.session.feed_opened(self.key, self.now)
            case "ws_close":
                self.session.feed_lost(self.key)
            case "ws_text":
                self.hear(lambda: parse_text(line["data"]))
            case "ws_binary":
                self.hear(lambda: parse_binary(b64decode(line["b64"])))
            case "http" if "response" in line:
                self.take_reply(line["request"], line["response"])

    def hear(self, parse: Any) -> None:
        try:
            self.session.hear(self.key, parse(), self.now)
        except UnexpectedReply:
            return

    def take_reply(self, request: dict[str, Any], response: dict[str, Any]) -> None:
        path = request["path"].removeprefix("/api")
        if request["method"] == "POST" and path == "/prompt" and response["status"] == 200:
            self.accept(request["json"], response["json"]["prompt_id"])
        elif request["method"] == "GET" and path == "/queue":
            self.session.queue_was_read(parse_queue(response["json"]), began=self.now, now=self.now)
        elif request["method"] == "GET" and path.startswith("/history/"):
            self.read_history(path.removeprefix("/history/"), response["json"])

    def accept(self, body: dict[str, Any], prompt_id: str) -> None:
        if prompt_id not in self.tracked:
            self.tracked[prompt_id] = self.session.expect(prompt_id, body["prompt"], self.now)
        self.session.accepted(prompt_id, self.now)

    def read_history(self, prompt_id: str, reply: object) -> None:
        entry = parse_history(reply, prompt_id)
        self.session.history_was_read(prompt_id, entry, began=self.now, now=self.now)

    def settle(self, transcript: Transcript) -> None:
        """Go on reading the state in which the recording ended until the session wants nothing more."""
        replies = last_replies(transcript)
        for _ in range(200):
            if not self.session.open:
                return
            for read in self.session.reads_due(self.now):
                if read.prompt_id is None:
                    self.session.queue_was_read(parse_queue(replies["/queue"]), began=self.now, now=self.now)
                else:
                    self.read_history(read.prompt_id, replies.get(f"/history/{read.prompt_id}", {}))
            self.now = max(self.now + 0.01, min(self.session.next_due(self.now), self.now + 60))


def last_replies(transcript: Transcript) -> dict[str, Any]:
    found: dict[str, Any] = {"/queue": {"queue_running": [], "queue_pending": []}}
    for line in transcript.lines:
        if line["kind"] == "http" and line["request"]["method"] == "GET" and "response" in line:
            path = line["request"]["path"].removeprefix("/api")
            if path.startswith("/history/"):
                found[path] = line["response"].get("json", {})
    return found
