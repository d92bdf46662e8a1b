"""comfy-sdk, which speaks /api/v2, through comfy-api-proxy, which makes ComfyUI's requests of it."""

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comfy_sdk import Comfy  # type: ignore[import-not-found, attr-defined]

RETRY_INTERVAL = 0.05
RETRIES = 400


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def proxy(url: str) -> Iterator[str]:
    port = free_port()
    command = [str(Path(sys.executable).parent / "comfy-api-proxy"), "run", "--comfyui", url]
    running = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until_listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait()


def until_listening(port: int) -> None:
    for _ in range(RETRIES):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(RETRY_INTERVAL)
        else:
            return
    raise RuntimeError("comfy-api-proxy did not start")


def drive(task: dict[str, Any], url: str) -> dict[str, str]:
    with proxy(url) as os.environ["COMFY_BASE_URL"], Comfy() as client:

        def picture(workflow: Any) -> str:
            (output,) = client.run(workflow).outputs
            return base64.b64encode(output.to_bytes()).decode()

        def words(prompt: dict[str, Any]) -> str:
            try:
                return str(client.run(client.workflows.from_json(prompt)))
            except Exception as error:  # noqa: BLE001 - what it raises is what it says
                return f"{error} {getattr(error, 'error', '')} {getattr(error, 'details', '')}"

        edit = client.workflows.from_json(task["edit"])
        edit.set_input("1", "image", client.assets.from_file(task["file"]))
        return {
            "picture": picture(client.workflows.from_json(task["picture"])),
            "edited": picture(edit),
            "failed": words(task["broken"]),
            "refused": words(task["wrong"]),
        }


given = json.load(sys.stdin)
print(json.dumps([drive(given, url) for url in given["servers"]]))
