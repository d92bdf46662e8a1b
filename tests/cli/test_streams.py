"""Output ends nothing: characters that a console lacks, and pipes that nobody reads on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import save
from tests.cli.test_live import Screen
from tests.server.wire import image, text_to_image

from comfywire.cli.streams import _has_no_reader

TITLES = {
    "chinese-on-cp1252": ("cp1252", "保存图像", "\\u4fdd\\u5b58"),
    "emoji-on-cp936": ("cp936", "保存 🏠", "保存 \\U0001f3e0"),
    "half-a-character-on-utf-8": ("utf-8", "a\ud83c", "a\ufffd"),
    "half-a-character-on-cp1252": ("cp1252", "a\ud83c", "a\\ufffd"),
    "accents-where-nothing-is-set": ("ascii", "Größe", "Größe"),
}


def titled(title: str) -> str:
    prompt = image()
    prompt["2"]["_meta"] = {"title": title}
    prompt["5"] = {"class_type": "PreviewAny", "inputs": {"source": title}, "_meta": {"title": title}}
    return save("titled.json", prompt)


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["plain", "json"])
@pytest.mark.parametrize("console", TITLES.values(), ids=TITLES)
def test_a_title_that_the_console_cannot_say_ends_no_run(server, here, console, form):
    encoding, title, shown = console
    command = [sys.executable, "-m", "comfywire", "run", titled(title), "--out", "out", *form]

    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(path.name for path in Path("out").iterdir()) == ["node5_text.txt", "test_00001_.png"]
    if not form:
        assert shown in done.stdout.decode("utf-8" if encoding == "ascii" else encoding)


def test_a_terminal_that_cannot_say_a_title_ends_no_run(server, here, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    screen = Screen("run", titled("保存图像"), "--out", "out")

    assert screen.end() == 0
    assert "\\u4fdd\\u5b58" in screen.text
    assert Path("out/test_00001_.png").is_file()
    screen.close()


def test_an_error_that_the_console_cannot_say_is_said(server, here):
    command = [sys.executable, "-m", "comfywire", "run", "保存图像.json"]

    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 2
    assert b"\\u4fdd\\u5b58" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["run", "steps.json", "--out", "out"], id="run"),
        pytest.param(["run", "steps.json", "--out", "out", "--json"], id="json"),
        pytest.param(["demo", "--out", "out"], id="demo"),
    ],
)
def test_who_reads_one_line_gets_the_results_all_the_same(server, here, arguments):
    save("steps.json", text_to_image())
    with subprocess.Popen(
        [sys.executable, "-m", "comfywire", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()

        assert process.stderr is not None
        assert (process.stderr.read(), process.wait(25)) == (b"", 0)
    assert list(Path("out").glob("*.png"))


def test_a_list_that_nobody_reads_on_ends_quietly(server, here):
    command = f"{sys.executable} -m comfywire nodes | head -1"

    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1)
    assert b"Broken pipe" not in done.stderr
    assert b"Error" not in done.stderr


def test_windows_says_it_in_other_words():
    assert _has_no_reader(OSError(22, "Invalid argument"), "nt")
    assert not _has_no_reader(OSError(22, "Invalid argument"), "posix")
    assert not _has_no_reader(OSError(28, "No space left on device"), "nt")
