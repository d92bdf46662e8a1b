from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.server.wire import Prompt, image, sleeper, text_to_image

from comfywire.cli.main import main
from comfywire.server import Server, server_in_thread

PATIENCE = 60
SLOW = re.compile(
    r"^comfywire: \S+ (does not answer: .+ has had no reply for |answers again, after ).+\n", re.MULTILINE
)
"""What a command says as well where the machine is at other work; test_silence.py is about it."""


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it printed with --json, an object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        """The last object."""
        return self.events[-1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The objects of one event."""
        return [event for event in self.events if event["event"] == kind]


class Running:
    """A command in a process of its own."""

    def __init__(self, *arguments: str, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "comfywire", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def line(self) -> str:
        """Its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def error(self) -> str:
        """Its next line on standard error."""
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def signal(self, number: signal.Signals = signal.SIGINT) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(number)

    def end(self) -> Finished:
        """Wait for its end, and return what it printed since."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return Finished(self.process.returncode, out, SLOW.sub("", err))


@pytest.fixture(scope="session")
def one_server() -> Iterator[Server]:
    with server_in_thread() as server:
        yield server


@pytest.fixture
def server(one_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that has just been started, and is what the command talks to."""
    one_server.wait(one_server.reset(), timeout=60)
    monkeypatch.setenv("COMFYWIRE_SERVER", one_server.url)
    return one_server


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with two test servers, in a process of its own; the fixture is its address."""
    folder = tmp_path_factory.mktemp("service")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMFYWIRE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "comfywire", "serve", "--demo", "--port", "0", "--data", str(folder / "data")],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test has a current folder of its own, and nobody's settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("COMFYWIRE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    yield tmp_path
    logging.getLogger("comfywire").setLevel(logging.NOTSET)  # --debug changes it


@pytest.fixture
def comfywire(capfd: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """The command in this process, which is ten times quicker than a new one."""

    def run(*arguments: str | Path) -> Finished:
        status = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Finished(status, out, SLOW.sub("", err))

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """The command in a process of its own."""
    started: list[Running] = []

    def begin(*arguments: str | Path, **options: Any) -> Running:
        started.append(Running(*map(str, arguments), **options))
        return started[-1]

    yield begin
    for running in started:
        running.process.kill()
        running.process.communicate()


def save(path: Path | str, prompt: Prompt) -> str:
    """Write a workflow, and return its path."""
    Path(path).write_text(json.dumps(prompt), encoding="utf-8")
    return str(path)


def submitted(server: Server, path: str) -> str:
    """The id of a prompt that somebody else gave the server: without a process, for which it is no test."""
    body = json.dumps({"prompt": json.loads(Path(path).read_text(encoding="utf-8"))}).encode()
    with urllib.request.urlopen(f"{server.url}/prompt", body) as reply:
        return str(json.load(reply)["prompt_id"])


@pytest.fixture
def picture(here: Path) -> str:
    """A workflow that makes one picture at once."""
    return save(here / "picture.json", image())


@pytest.fixture
def slow(here: Path) -> str:
    """A workflow that runs until somebody stops it."""
    return save(here / "slow.json", sleeper(60))


@pytest.fixture
def steps(here: Path) -> str:
    """A workflow with steps, previews and titles."""
    prompt = text_to_image()
    prompt["6"]["_meta"] = {"title": "Positive"}
    prompt["7"]["_meta"] = {"title": "Negative"}
    return save(here / "steps.json", prompt)


@pytest.fixture
def half(here: Path) -> str:
    """A workflow that saves a picture while another of its nodes is about to fail."""
    prompt = image()
    prompt["4"] = {"class_type": "TestAsyncError", "inputs": {"value": ["1", 0], "error_after": 0.3}}
    prompt["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}}
    return save(here / "half.json", prompt)


@pytest.fixture
def red(here: Path) -> Path:
    from PIL import Image

    Image.new("RGB", (8, 8), "red").save(here / "red.png")
    return here / "red.png"
