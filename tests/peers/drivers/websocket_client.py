"""The two ways of ComfyUI's example scripts: urllib, and websocket-client for the end and for pictures."""

import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any

import websocket  # type: ignore[import-not-found]

Prompt = dict[str, Any]
HEAD = 8  # a binary frame begins with two numbers of four bytes; the picture follows


class Example:
    """One client id and its socket, as a script keeps them for as long as it runs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client_id = str(uuid.uuid4())
        self.socket = websocket.WebSocket()
        self.socket.connect(f"{url.replace('http', 'ws', 1)}/ws?clientId={self.client_id}")

    def queue(self, prompt: Prompt) -> str:
        body = json.dumps({"prompt": prompt, "client_id": self.client_id}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/prompt", data=body)) as reply:
            return str(json.load(reply)["prompt_id"])

    def frames_of(self, prompt_id: str, node_id: str) -> list[bytes]:
        """Read the socket to the end of a prompt; keep what came in while ``node_id`` ran."""
        kept, running = [], ""
        while True:
            frame = self.socket.recv()
            if not isinstance(frame, str):
                if running == node_id:
                    kept.append(frame[HEAD:])
                continue
            message = json.loads(frame)
            if message["type"] == "executing" and message["data"]["prompt_id"] == prompt_id:
                running = message["data"]["node"]
                if running is None:
                    return kept

    def saved(self, prompt: Prompt) -> bytes:
        """Wait on the socket, look into history, fetch the file."""
        prompt_id = self.queue(prompt)
        self.frames_of(prompt_id, "")
        with urllib.request.urlopen(f"{self.url}/history/{prompt_id}") as reply:
            outputs = json.load(reply)[prompt_id]["outputs"]
        (image,) = [image for output in outputs.values() for image in output["images"]]
        wanted = {key: image[key] for key in ("filename", "subfolder", "type")}
        with urllib.request.urlopen(f"{self.url}/view?{urllib.parse.urlencode(wanted)}") as reply:
            content: bytes = reply.read()
            return content

    def sent(self, prompt: Prompt, node_id: str) -> bytes:
        """Take the picture from the socket."""
        (picture,) = self.frames_of(self.queue(prompt), node_id)
        return picture

    def refusal(self, prompt: Prompt) -> str:
        try:
            return self.queue(prompt)
        except urllib.error.HTTPError as refused:
            return refused.read().decode()


def drive(task: dict[str, Any], url: str) -> dict[str, str]:
    example = Example(url)
    saved, sent = example.saved(task["picture"]), example.sent(task["streamed"], "stream")
    refusal = example.refusal(task["wrong"])
    example.socket.close()
    return {
        "picture": base64.b64encode(saved).decode(),
        "streamed": base64.b64encode(sent).decode(),
        "refused": refusal,
    }


given = json.load(sys.stdin)
print(json.dumps([drive(given, url) for url in given["servers"]]))
