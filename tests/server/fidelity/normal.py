"""What two conversations have in common: everything but ids, times and how finely progress is told."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
from dataclasses import dataclass
from typing import Any

from PIL import Image

TIMES = {"timestamp", "create_time", "execution_start_time", "execution_end_time"}
MACHINE = {"system_stats": "keys", "extensions": "list", "history?": "entry"}


@dataclass
class Conversation:
    """Where the numbers of one conversation begin."""

    first_number: float | None = None

    def number(self, number: float) -> float:
        if self.first_number is None:
            self.first_number = number
        return number - self.first_number


def normal_reply(asked: str, reply: dict[str, Any], conversation: Conversation) -> Any:
    body = reply.get("json", reply.get("text", ""))
    if "b64" in reply:
        body = picture(base64.b64decode(reply["b64"]))
    if "/system_stats" in asked:
        return reply["status"], shape(body)
    if "/extensions" in asked:
        return reply["status"], type(body)
    if "/history?" in asked:
        return reply["status"], "a page"
    if asked.startswith("GET /object_info/LoadImage"):
        body["LoadImage"]["input"]["required"]["image"][0] = []
    if isinstance(body, dict) and "number" in body:
        body = {**body, "number": conversation.number(body["number"])}
    content_type = reply["content_type"].partition(";")[0] if body else ""
    return reply["status"], content_type, normal(body, conversation)


def shape(value: Any) -> Any:
    return (
        {key: shape(inner) for key, inner in value.items()}
        if isinstance(value, dict)
        else type(value).__name__
    )


def picture(content: bytes) -> Any:
    """A picture's size and pixels, and the prompt in it."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            texts = {key: json.loads(text) for key, text in getattr(image, "text", {}).items()}
            return image.size, image.mode, image.tobytes(), texts
    except OSError:
        return "a picture that was recorded in part"


def normal(value: Any, conversation: Conversation, key: str = "") -> Any:
    """Take out what may differ, wherever it stands."""
    if key in TIMES:
        return 0
    if key == "traceback":
        return "a traceback" if value else value
    if key == "current_inputs" and isinstance(value, dict):
        return sorted(value)
    if key in ("executed", "current_outputs", "dependent_outputs") and isinstance(value, list):
        return sorted(value)
    if key == "errors":
        ordered = sorted(value, key=lambda error: (error["type"], error["details"]))
        return [normal(one, conversation) for one in ordered]
    if key == "prompt" and isinstance(value, list):
        number, prompt_id, prompt, extra_data, outputs = value
        return [
            conversation.number(number),
            prompt_id,
            prompt,
            normal(extra_data, conversation),
            sorted(outputs),
        ]
    if key == "priority":
        return conversation.number(value)
    if key in ("queue_running", "queue_pending"):
        return [normal(item, conversation, "prompt") for item in value]
    if isinstance(value, dict):
        return {name: normal(inner, conversation, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [normal(one, conversation) for one in value]
    if isinstance(value, str):
        return counted(value)
    return value


def counted(text: str) -> str:
    """File names without their counters and random letters."""
    return re.sub(r"_temp_[a-z]{5}", "_temp_", re.sub(r"_\d{5}(?=_|\.)", "_N", text))


def normal_messages(heard: list[Any], conversation: Conversation) -> list[Any]:
    """The feed with each run of progress as one item: its last states, and the kinds of frames in it."""
    messages: list[Any] = []
    run: list[Any] = []
    for one in heard:
        if not isinstance(one, bytes) and one["type"] == "status" and "sid" not in one["data"]:
            # How the queue's length is told races with the rest; its place before the end does not.
            continue
        if isinstance(one, bytes) or one["type"] in ("progress", "progress_state"):
            run.append(one)
            continue
        if run and one["type"] != "execution_interrupted":  # how far it had come is a matter of time
            # A greeting after progress is another socket's: the first one was cut somewhere.
            messages.append(progress(run)[:2] if one["type"] == "status" else progress(run))
        run = []
        messages.append(normal(one, conversation))
    # What came last before the server was killed, or the socket cut, is a matter of time, too.
    return [*messages, progress(run)[:2]] if run else messages


def progress(run: list[Any]) -> Any:
    states: dict[str, Any] = {}
    kinds: list[Any] = []
    for one in run:
        kind = frame(one) if isinstance(one, bytes) else one["type"]
        if kind == "progress_state":
            states = {node_id: node_state(node) for node_id, node in one["data"]["nodes"].items()}
        elif kinds[-1:] != [kind] and len(kinds) < 2:
            kinds.append(kind)
        if kind == "progress":
            assert set(one["data"]) == {"value", "max", "prompt_id", "node"}
    return "progress", states, kinds


def node_state(node: dict[str, Any]) -> Any:
    return {key: value for key, value in node.items() if key not in ("value", "max")}


def frame(content: bytes) -> Any:
    """The type of a binary frame, and what it says of itself."""
    (kind,) = struct.unpack(">I", content[:4])
    if kind == 4:
        (length,) = struct.unpack(">I", content[4:8])
        return kind, tuple(json.loads(content[8 : 8 + length]).items())
    return kind, struct.unpack(">I", content[4:8])
