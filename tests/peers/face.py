"""``comfywire serve`` in front of two test servers, for clients that believe it to be a ComfyUI."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comfywire.server import Server
from comfywire.service.postgres.embedded import Cluster

__all__ = ["Face", "until"]

PATIENCE = 60.0


class Face:
    """A service whose API and whose worker are processes of their own, or one.

    Args:
        folder: Where it keeps everything.
        servers: What it is in front of.
        is_whole: Whether one process is all of it.

    """

    def __init__(self, folder: Path, servers: list[Server], *, is_whole: bool = False) -> None:
        self.servers = servers
        self.url = ""
        self._folder = folder
        self._is_whole = is_whole
        self._leaving: list[subprocess.Popen[str]] = []
        self._api: subprocess.Popen[str] | None = None
        self._worker: subprocess.Popen[str] | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Have it run inside this context, with all of its servers up."""
        try:
            self.start_api()
            if not self._is_whole:
                self.start_worker()
            self.until_up()
            yield
        finally:
            for process in (self._worker, self._api, *self._leaving):
                if process is not None:
                    _stop(process)

    def start_api(self, *more: str) -> None:
        """Start the API, with its worker if there is no other; again at the address that it had."""
        port = self.url.rpartition(":")[2] or "0"
        options = ["--data", str(self._folder), "--port", port, *more]
        options += self._for_workers() if self._is_whole else ["--no-workers"]
        self._api, found = _started(re.compile(r"ready at (http://[\d.:]+)"), "serve", *options)
        self.url = found

    def start_worker(self) -> None:
        """Start the worker."""
        database = Cluster(self._folder / "postgres").url
        options = ["--data", str(self._folder), "--database-url", database]
        options += ["--drain-timeout", "0", *self._for_workers()]
        self._worker, _ = _started(re.compile(r"(runs jobs)"), "worker", *options)

    def _for_workers(self) -> list[str]:
        return ["--server-patience", "2", *(f"--server={server.url}" for server in self.servers)]

    def restart_worker(self) -> None:
        """Stop the worker in the middle of its jobs, and start another."""
        assert self._worker is not None
        _stop(self._worker)
        self.start_worker()

    def restart_api(self, *, is_killed: bool = False) -> None:
        """Stop or kill the API, whose sockets close, and start it again."""
        assert self._api is not None
        if is_killed:
            self._api.kill()
        _stop(self._api)
        self.start_api()

    def succeed_api(self, *, is_told: bool) -> None:
        """Tell the API to stop, and start the next one at once, or start that and have it tell the other."""
        assert self._api is not None
        self._leaving.append(self._api)
        if is_told:
            self._api.terminate()
            self.start_api()
        else:
            self.start_api("--take-over")

    def until_left(self) -> None:
        """Wait until those that were told to stop have stopped, by themselves and well."""
        while self._leaving:
            process = self._leaving.pop()
            process.communicate(timeout=PATIENCE)
            assert process.returncode == 0

    def until_up(self) -> None:
        """Wait until it may use all of its servers."""
        until(lambda: all(server["state"] == "up" for server in self._asked("servers")["servers"]))

    def _asked(self, path: str) -> dict[str, list[dict[str, str]]]:
        with urllib.request.urlopen(f"{self.url}/api/v2/{path}") as reply:
            found: dict[str, list[dict[str, str]]] = json.load(reply)
            return found

    def history(self, prompt_id: str) -> dict[str, Any]:
        """What the history has of a prompt; nothing while it has not ended."""
        with urllib.request.urlopen(f"{self.url}/history/{prompt_id}") as reply:
            found: dict[str, dict[str, Any]] = json.load(reply)
            return found.get(prompt_id, {})

    def view(self, image: dict[str, str]) -> bytes:
        """The bytes of a picture that the history names."""
        with urllib.request.urlopen(f"{self.url}/view?{urllib.parse.urlencode(image)}") as reply:
            content: bytes = reply.read()
            return content

    def runs(self) -> list[tuple[str, int]]:
        """Which prompts its servers ran, and how often; not those with which a worker tries a server."""
        logs = [run for server in self.servers for run in server.log]
        prompts = [run.prompt_id for run in logs if "empty" not in run.prompt]
        return [(prompt_id, prompts.count(prompt_id)) for prompt_id in dict.fromkeys(prompts)]


def _started(ready: re.Pattern[str], *command: str) -> tuple[subprocess.Popen[str], str]:
    """Start one of our commands; return it, and what its first line with ``ready`` says."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("COMFYWIRE_")}
    whole = [sys.executable, "-m", "comfywire", *command]
    process = subprocess.Popen(whole, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        if (found := ready.search(line)) is not None:
            return process, found[1]
    raise AssertionError(f"comfywire {command[0]} did not start")


def _stop(process: subprocess.Popen[str]) -> None:
    """Stop it; at once if it has been told before, and waits for somebody."""
    process.terminate()
    process.communicate()


def until(condition: object, seconds: float = PATIENCE) -> None:
    """Wait until ``condition()`` is true."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
