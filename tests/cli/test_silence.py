"""A server that hangs with its connections open: each form of `comfywire run` says so, and goes on after."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from tests.cli.conftest import save
from tests.cli.test_live import Screen
from tests.server.wire import sleeper

LATEST = 12
"""Seconds: five until it is asked, three until that has had no answer, and what a busy machine takes."""


@pytest.fixture
def hanging(start) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in a process of its own, which can be stopped in the middle of whatever it does."""
    running = start("server", "--port", "0")
    line = running.line()
    yield next(word for word in line.split() if word.startswith("http")).rstrip("/.,:"), running.process
    running.signal(signal.SIGCONT)


def until(running, words: str) -> str:
    """Read on until a line has these words."""
    while words not in (line := running.line()):
        assert line, f"it ended without saying {words!r}"
    return line


def test_every_form_says_that_the_server_hangs_and_that_it_answers_again(start, hanging, here):
    url, server = hanging
    slow = save(here / "slow.json", sleeper(60))
    terminal = Screen("run", slow, "--server", url, "--no-save")
    terminal.until("prompt ")
    plain = start("run", slow, "--server", url, "--no-save")
    until(plain, "prompt ")
    dialect = start("run", slow, "--server", url, "--json", "--no-save")
    until(dialect, "submitted")

    server.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    told = until(plain, "does not answer")
    event = json.loads(until(dialect, '"silent"'))
    terminal.until("does not answer")
    took = time.monotonic() - began
    server.send_signal(signal.SIGCONT)

    assert took <= LATEST
    assert f"{url} does not answer: " in told
    assert "; waiting for prompt " in told
    assert f"{url} does not answer: " in event["message"]
    assert until(plain, f"{url} answers again, after ")
    assert until(dialect, '"answering"')
    terminal.until("answers again")
    plain.signal()
    dialect.signal()
    assert (plain.end().status, dialect.end().result["status"]) == (130, "interrupted")
    terminal.type("\x03")
    assert terminal.end() == 130


def test_a_server_that_hangs_before_anything_is_queued_is_told_too(start, hanging, here):
    url, server = hanging
    server.send_signal(signal.SIGSTOP)

    running = start("run", save(here / "slow.json", sleeper(0.1)), "--server", url)
    told = running.line()
    server.send_signal(signal.SIGCONT)

    assert f"{url} does not answer: the opening of its socket has had no reply" in told
    assert "; waiting for it" in told
    assert running.end().status == 0
