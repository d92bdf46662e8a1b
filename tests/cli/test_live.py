from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.cli.conftest import save, submitted
from tests.server.wire import image

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PATIENT = """
import sys
from textual_image import _terminal
read = _terminal.read
_terminal.read = lambda file, length, timeout=None: read(file, length, 60)
from comfywire.cli.main import main
sys.exit(main())
"""
"""The command, which waits longer for what the terminal answers than textual-image's tenth of a second."""


def _take_terminal() -> None:
    """Make the terminal the controlling one, so that Ctrl-C typed there becomes SIGINT."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Screen:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str, answers: Mapping[str, str] = MappingProxyType({})) -> None:
        self._answers = dict(answers)
        self._reader, writer = pty.openpty()
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 1000, 600))
        environment = {**os.environ, "TERM": "xterm-256color"}
        environment.pop("COLUMNS", None)
        program = ["-c", PATIENT] if answers else ["-m", "comfywire"]
        self.process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            stdin=writer, stdout=writer, stderr=writer, env=environment,
            start_new_session=True, preexec_fn=_take_terminal,  # noqa: PLW1509 (no thread of ours holds a lock)
        )  # fmt: skip
        os.close(writer)
        self.raw = ""

    @property
    def text(self) -> str:
        """Everything that it showed, without colours and cursor movements."""
        return ESCAPES.sub("", self.raw)

    def until(self, words: str, *, after: int = 0) -> None:
        """Wait until it shows something, after so many characters."""
        while words not in self.text[after:]:
            assert self._more(), self.text

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._reader, keys.encode())

    def end(self) -> int:
        """Read to its end, and return its exit status."""
        while self._more():
            pass
        return self.process.wait(timeout=60)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._reader)

    def _more(self) -> bool:
        try:
            read = os.read(self._reader, 65536)
        except OSError:  # Linux's way to say that the other side has closed
            return False
        self.raw += read.decode(errors="replace")
        for question, answer in list(self._answers.items()):
            if (asked := re.search(question, self.raw)) is not None:
                self.type(asked.expand(answer))
                del self._answers[question]
        return bool(read)


@pytest.fixture
def screen() -> Iterator[Callable[..., Screen]]:
    screens: list[Screen] = []

    def begin(*arguments: str, **options: Any) -> Screen:
        screens.append(Screen(*arguments, **options))
        return screens[-1]

    yield begin
    for one in screens:
        one.close()


def test_a_terminal_shows_nodes_steps_and_the_end(screen, server, steps):
    server.faults.nodes.slow(0.2, class_type="KSampler")
    shown = screen("run", steps)

    assert shown.end() == 0
    for words in ("7 nodes", "KSampler", "✓ SaveImage (node 9)", "saved test_00001_.png", "done in "):
        assert words in shown.text, words
    assert not re.search(r"nodes +100%", shown.text), "whole before the end"


def test_a_terminal_shows_the_steps_of_the_node_at_work(screen, server, steps):
    server.faults.nodes.slow(1.0, steps=5, class_type="KSampler")
    shown = screen("run", steps)

    shown.until("3/5 steps")


def test_a_terminal_shows_the_place_in_the_queue(screen, server, slow, picture):
    submitted(server, slow)
    shown = screen("run", picture)

    shown.until("1 ahead in the queue")


def test_ctrl_c_on_a_terminal_cancels_and_leaves_it_in_order(screen, server, slow):
    shown = screen("run", slow)
    shown.until("TestSleep")

    shown.type("\x03")

    assert shown.end() == 130
    assert "was cancelled" in shown.text
    assert shown.raw.rindex("\x1b[?25h") > shown.raw.rindex("\x1b[?25l")  # the cursor is back
    assert [run.how for run in server.log] == ["interrupted"]


def test_a_failure_on_a_terminal_ends_in_one_line(screen, server, half):
    shown = screen("run", half)

    assert shown.end() == 1
    assert shown.text.rstrip().splitlines()[-1].startswith("comfywire: prompt ")


ATTRIBUTES = r"\x1b\[c"  # "which terminal are you?"
GRAPHICS = r"\x1b_Gi=(\d+),[^;]*a=q"  # "do you speak kitty's protocol?"


@pytest.mark.parametrize(
    ("answers", "drawn"),
    [
        pytest.param({}, "\u2580", id="half-blocks-where-it-answers-nothing"),
        pytest.param({ATTRIBUTES: "\x1b[?62;4c"}, "\x1bP", id="sixels"),
        pytest.param(
            {ATTRIBUTES: "\x1b[?62c", GRAPHICS: "\x1b_Gi=\\1;OK\x1b\\\\"}, "\x1b_Ga=p", id="kittys-protocol"
        ),
    ],
)
def test_show_draws_as_well_as_the_terminal_can(screen, server, steps, answers, drawn):
    pytest.importorskip("textual_image")
    shown = screen("run", steps, "--show", answers=answers)

    assert shown.end() == 0
    assert drawn in shown.raw
    assert Path("test_00001_.png").exists()


def test_a_terminal_gets_tables_with_headings(screen, server, picture):
    screen("run", picture, "--no-save").end()
    shown = screen("history")

    assert shown.end() == 0
    assert "prompt_id" in shown.text


def test_a_title_that_looks_like_markup_is_shown_as_it_is(screen, server, here):
    prompt = image()
    prompt["2"]["_meta"] = {"title": "[red]Save[/red]"}
    shown = screen("run", save("odd.json", prompt))

    assert shown.end() == 0
    assert "✓ [red]Save[/red] (node 2)" in shown.text
