"""``comfywire serve`` in front of two test servers, for clients that believe it to be a ComfyUI."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from comfywire.server import Server

__all__ = ["Face", "until"]

PATIENCE = 60.0
STARTED = re.compile(r"ready at (http://[\d.:]+)")


class Face:
    """A service in a process of its own.

    Args:
        folder: Where it keeps everything.
        servers: What it is in front of.
        options: More options of ``comfywire serve``.

    """

    def __init__(self, folder: Path, servers: list[Server], options: Sequence[str] = ()) -> None:
        self.servers = servers
        self.url = ""
        self._command = [sys.executable, "-m", "comfywire", "serve", "--data", str(folder), *options]
        self._command += ["--server-patience", "2", "--drain-timeout", "0"]
        self._command += [f"--server={server.url}" for server in servers]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Have it run inside this context, with all of its servers up."""
        self.start()
        try:
            self.until_up()
            yield
        finally:
            self.stop()

    def start(self) -> None:
        """Start it; again at the address that it had."""
        port = self.url.rpartition(":")[2] or "0"
        environment = {name: text for name, text in os.environ.items() if not name.startswith("COMFYWIRE_")}
        self._process = subprocess.Popen(
            [*self._command, "--port", port], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if (found := STARTED.search(line)) is not None:
                self.url = found[1]
                return
        raise AssertionError("the service did not start")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it, and wait until it has."""
        self._process.send_signal(number)
        self._process.communicate()

    def until_up(self) -> None:
        """Wait until it may use all of its servers."""
        until(lambda: all(server["state"] == "up" for server in self._asked("servers")["servers"]))

    def _asked(self, path: str) -> dict[str, list[dict[str, str]]]:
        with urllib.request.urlopen(f"{self.url}/api/v2/{path}") as reply:
            found: dict[str, list[dict[str, str]]] = json.load(reply)
            return found

    def runs(self) -> list[tuple[str, int]]:
        """Which prompts its servers ran, and how often."""
        prompts = [run.prompt_id for server in self.servers for run in server.log]
        return [(prompt_id, prompts.count(prompt_id)) for prompt_id in dict.fromkeys(prompts)]


def until(condition: object, seconds: float = PATIENCE) -> None:
    """Wait until ``condition()`` is true."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
