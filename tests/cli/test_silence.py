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

LATEST = 8.5
"""Seconds: five until it is asked, three until that has had no answer, and what starting a process takes."""


@pytest.fixture
def hanging(start) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in a process of its own, which can be stopped in the middle of whatever it does."""
    running = start("server", "--port", "0")
    line = running.line()
    yield next(word for word in line.split() if word.startswith("http")).rstrip("/.,:"), running.process
    running.signal(signal.SIGCONT)


def test_every_form_says_that_the_server_hangs_and_that_it_answers_again(start, hanging, here):
    url, server = hanging
    slow = save(here / "slow.json", sleeper(4))
    terminal = Screen("run", slow, "--server", url, "--out", "a")
    terminal.until("prompt ")
    plain = start("run", slow, "--server", url, "--out", "b")
    plain.line()
    dialect = start("run", slow, "--server", url, "--json", "--out", "c")
    dialect.line()

    server.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    told = plain.line()
    while "does not answer" not in told:
        told = plain.line()
    event = {"event": ""}
    while event["event"] != "silent":
        event = json.loads(dialect.line())
    terminal.until("does not answer")
    took = time.monotonic() - began
    server.send_signal(signal.SIGCONT)

    assert took <= LATEST
    assert f"{url} does not answer: " in told
    assert "; waiting for prompt " in told
    assert f"{url} does not answer: " in event["message"]
    finished, events = plain.end(), dialect.end()
    assert f"{url} answers again, after " in finished.out
    assert (finished.status, events.status, events.result["status"]) == (0, 0, "success")
    assert events.of("answering")
    assert terminal.end() == 0
    assert "answers again" in terminal.text


def test_a_server_that_hangs_before_anything_is_queued_is_told_too(start, hanging, here):
    url, server = hanging
    server.send_signal(signal.SIGSTOP)

    running = start("run", save(here / "slow.json", sleeper(0.1)), "--server", url)
    told = running.line()
    server.send_signal(signal.SIGCONT)

    assert f"{url} does not answer: the opening of its socket has had no reply" in told
    assert "; waiting for it" in told
    assert running.end().status == 0
