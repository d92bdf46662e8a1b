"""comfy-cli: ``comfy run --wait``, with a home of its own, and told to send nothing home."""

import base64
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

COMFY = str(Path(sys.executable).with_name("comfy"))


def run(prompt: dict[str, Any], url: str, home: str) -> dict[str, Any]:
    """Return the envelope that it prints at the end."""
    workflow = Path(home, "workflow.json")
    workflow.write_text(json.dumps(prompt))
    host, _, port = url.partition("://")[2].partition(":")
    command = [COMFY, "--skip-prompt", "--json", "run", "--workflow", str(workflow), "--wait"]
    environment = {**os.environ, "HOME": home, "DO_NOT_TRACK": "1"}
    command += ["--host", host, "--port", port]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def drive(task: dict[str, Any], url: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as home:
        made = run(task["picture"], url, home)
        assert made["ok"], made
        with urllib.request.urlopen(urllib.parse.quote(made["data"]["outputs"][0], safe=":/?&=")) as reply:
            picture = base64.b64encode(reply.read()).decode()
        return {"picture": picture, "refused": json.dumps(run(task["wrong"], url, home))}


given = json.load(sys.stdin)
print(json.dumps([drive(given, url) for url in given["servers"]]))
