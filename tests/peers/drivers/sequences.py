"""What SillyTavern (2026-10) and n8n-nodes-comfyui (2025-12) ask, in their order: neither can be run here.

SillyTavern submits without a client_id and reads the whole history ten times a second. n8n asks for the
stats, submits, and then asks the queue and, once the prompt is not there, the history, where it must be.
"""

import base64
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

Prompt = dict[str, Any]
OFTEN = 0.1


class Asking:
    """Asks one server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> Any:
        """Ask again while the server cannot be reached, as both do at their next look."""
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}{path}") as reply:
                    return json.load(reply)
            except urllib.error.HTTPError:
                raise
            except OSError:
                time.sleep(OFTEN)

    def queue(self, prompt: Prompt) -> str:
        body = json.dumps({"prompt": prompt}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/prompt", data=body)) as reply:
            return str(json.load(reply)["prompt_id"])

    def view(self, image: dict[str, str]) -> str:
        query = urllib.parse.urlencode({key: image[key] for key in ("filename", "subfolder", "type")})
        with urllib.request.urlopen(f"{self.url}/view?{query}") as reply:
            return base64.b64encode(reply.read()).decode()

    def as_sillytavern(self, prompt: Prompt) -> str:
        prompt_id = self.queue(prompt)
        while (entry := self.get("/history").get(prompt_id)) is None:
            time.sleep(OFTEN)
        assert entry["status"]["status_str"] != "error", entry["status"]
        return self.view(next(output["images"][0] for output in entry["outputs"].values()))

    def as_n8n(self, prompt: Prompt) -> str:
        self.get("/system_stats")
        prompt_id = self.queue(prompt)
        while self._is_queued(prompt_id):
            time.sleep(OFTEN)
        entry = self.get(f"/history/{prompt_id}")[prompt_id]  # gone from the queue and not here: it gives up
        assert entry["status"]["completed"]
        images = [image for output in entry["outputs"].values() for image in output["images"]]
        return self.view(next(image for image in images if image["type"] == "output"))

    def _is_queued(self, prompt_id: str) -> bool:
        queue = self.get("/queue")
        return any(item[1] == prompt_id for item in (*queue["queue_running"], *queue["queue_pending"]))


def drive(task: dict[str, Any], url: str) -> dict[str, str]:
    asking = Asking(url)
    return {"picture": asking.as_sillytavern(task["picture"]), "polled": asking.as_n8n(task["polled"])}


given = json.load(sys.stdin)
print(json.dumps([drive(given, url) for url in given["servers"]]))
