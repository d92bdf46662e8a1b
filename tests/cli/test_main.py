from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import save
from tests.server.wire import image

import comfywire as package
from comfywire.cli.failures import sentence
from comfywire.errors import ConnectionFailed

NOBODY = "http://127.0.0.1:9"  # the discard port: nobody listens


def rejected() -> dict:
    prompt = image()
    prompt["1"]["inputs"]["width"] = 0
    return prompt


def failing() -> dict:
    prompt = image()
    prompt["3"] = {"class_type": "TestSyncError", "inputs": {"value": ["1", 0]}}
    prompt["2"]["inputs"]["images"] = ["3", 0]
    return prompt


@pytest.fixture
def files(here: Path) -> None:
    save("good.json", image())
    save("rejected.json", rejected())
    save("failing.json", failing())
    save("empty.json", {})
    Path("broken.json").write_text('{"1": ', encoding="utf-8")
    Path("taken").write_text("a file", encoding="utf-8")


@pytest.fixture
def served(server, files) -> None:
    """A server, and workflows for it."""


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param(["run", "good.json"], 0, "", id="success"),
        pytest.param(
            ["run", "failing.json"], 1, "node 3 (TestSyncError) raised RuntimeError", id="a-node-raised"
        ),
        pytest.param(["run", "rejected.json"], 1, "node 1 (EmptyImage): width 0 is below", id="rejected"),
        pytest.param(["run", "good.json", "--server", NOBODY], 2, "no ComfyUI was reached", id="unreachable"),
        pytest.param(["queue", "--server", NOBODY], 2, "no ComfyUI was reached", id="unreachable-for-a-read"),
        pytest.param(["run", "good.json", "--server", "ftp://x"], 2, "is not an address", id="no-address"),
        pytest.param(["run", "good.json", "--header", "secret"], 2, "'Name: value'", id="no-header"),
        pytest.param(["run", "broken.json"], 2, "'broken.json'", id="broken-file"),
        pytest.param(["run", "goood.json"], 2, "did you mean 'good.json'?", id="no-file"),
        pytest.param(["run"], 2, "Missing argument 'FILE'", id="no-argument"),
        pytest.param(["run", "good.json", "--set", "5.x=1"], 2, "has no node '5'", id="no-such-node"),
        pytest.param(
            ["run", "good.json", "--set", "1.widht=1"], 2, "did you mean 'width'", id="no-such-input"
        ),
        pytest.param(["run", "good.json", "--set", "1.width=wide"], 2, "takes a number", id="no-such-value"),
        pytest.param(["run", "good.json", "--set", "width"], 2, "NODE.INPUT=VALUE", id="no-setting"),
        pytest.param(
            ["run", "good.json", "--out", "taken"], 2, "--out", id="a-file-where-the-folder-should-be"
        ),
        pytest.param(
            ["run", "good.json", "--out", "taken/in"], 2, "--out", id="a-folder-that-cannot-be-made"
        ),
        pytest.param(
            ["run", "good.json", "--show", "--json"], 2, "--show", id="options-that-exclude-each-other"
        ),
        pytest.param(["run", "good.json", "--timeout", "0"], 2, "--timeout", id="no-time-at-all"),
        pytest.param(["frobnicate"], 2, "No such command 'frobnicate'", id="no-such-command"),
        pytest.param(["cancel", "nonsense"], 1, "", id="cancelled-nothing"),
        pytest.param(["download", "nonsense"], 1, "is no longer on", id="nothing-to-download"),
        pytest.param(["history", "nonsense"], 1, "no history of prompt 'nonsense'", id="no-such-history"),
        pytest.param(["models", "nonsense"], 2, "no model folder 'nonsense'", id="no-such-folder"),
        pytest.param(["upload", "nonsense"], 2, "'nonsense' does not exist", id="nothing-to-upload"),
        pytest.param(
            ["server", "--host", "0.0.0.0"], 2, "not a loopback address", id="a-server-for-everybody"
        ),
    ],
)
def test_the_exit_status_and_one_line_say_what_is_wrong(comfywire, served, arguments, status, words):
    finished = comfywire(*arguments)

    assert (finished.status, words in finished.err) == (status, True), finished.err
    assert len(finished.err.splitlines()) == (1 if words else 0)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        pytest.param(401, 2, "--token", id="a-login-is-needed"),
        pytest.param(404, 2, "`comfywire doctor` looks", id="something-else-answers"),
        pytest.param(500, 1, "500", id="the-server-broke-down"),
        pytest.param(503, 2, "503", id="a-proxy-has-no-server"),
    ],
)
def test_what_the_server_answers_decides_the_exit_status(comfywire, server, answer, status, words):
    server.faults.replies.fail("GET /queue", answer)

    finished = comfywire("queue")

    assert (finished.status, words in finished.err) == (status, True)


def test_a_bug_of_ours_is_one_line_too(comfywire, server, monkeypatch):
    monkeypatch.setattr("comfywire.cli.terminal.print_table", None)

    finished = comfywire("queue")

    assert (finished.status, len(finished.err.splitlines())) == (1, 1)
    assert "this is a bug" in finished.err


def test_an_error_names_the_next_step(comfywire, here, files):
    finished = comfywire("run", "good.json", "--server", NOBODY)

    assert finished.err.startswith("comfywire: ")
    assert "--server" in finished.err


def test_misuse_names_the_help(comfywire):
    assert "`comfywire run --help`" in comfywire("run").err


def test_without_arguments_the_help_is_shown(comfywire):
    finished = comfywire()

    assert (finished.status, "comfywire demo" in finished.err) == (2, True)


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_tracebacks_here_and_there(comfywire, server, files, place):
    arguments = ["run", "failing.json"]

    finished = comfywire(*(["--debug", *arguments] if place == "before" else [*arguments, "--debug"]))

    assert "Traceback (most recent call last)" in finished.err
    assert "the server's traceback" in finished.err


PASSWORD, TOKEN = "hunter2", "hunter3"  # a traceback may show the lines of this test that use them


def test_credentials_appear_nowhere(comfywire, server, files):
    address = server.url.replace("http://", f"http://user:{PASSWORD}@")

    finished = comfywire("run", "failing.json", "--server", address, "--token", TOKEN, "--debug")

    printed = finished.out + finished.err
    assert [secret for secret in (PASSWORD, TOKEN) if secret in printed] == []


def test_what_would_steer_a_terminal_is_not_printed(comfywire, server, here):
    prompt = image()
    prompt["2"]["_meta"] = {"title": "\x1b[31mred\nSave"}

    finished = comfywire("run", save("odd.json", prompt))

    assert "\N{REPLACEMENT CHARACTER}[31mred Save (node 2)" in finished.out
    assert "\x1b" not in finished.out


def test_python_m_is_the_command():
    command = [sys.executable, "-m", "comfywire", "--version"]

    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert printed == f"comfywire {package.__version__}\n"


def test_the_version_costs_less_than_a_quarter_of_a_second_of_cpu():
    def version() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "comfywire", "--version"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(version() for _ in range(3)) < 0.25


@pytest.mark.parametrize("heavy", ["aiohttp", "rich", "numpy", "PIL", "comfywire.client", "comfywire.server"])
def test_help_imports_nothing_heavy(heavy):
    code = "import sys; from comfywire.cli.main import main; main(['--help']); print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert heavy not in printed.splitlines()[-1].split()


@pytest.mark.parametrize(
    ("typed", "meant"), [(["rnu"], "run"), (["cancl", "x"], "cancel"), (["keys", "crete"], "create")]
)
def test_a_command_that_is_mistyped_is_told_with_the_nearest(comfywire, typed, meant):
    finished = comfywire(*typed)

    assert finished.status == 2
    assert f"did you mean {meant!r}?" in finished.err


def test_on_the_command_line_a_certificate_is_accepted_by_an_option():
    refused = ConnectionFailed("the certificate of https://x was not accepted (y); verify=False takes any")

    assert sentence(refused).endswith("--insecure takes any")
