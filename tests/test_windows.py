"""What Windows does differently, as far as another system can try it."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from tests.server.wire import sleeper

from comfywire.cli.calling import quoted
from comfywire.cli.signals import WAKES_EVERY, called_on
from comfywire.server import Server, server_in_thread
from comfywire.service.event_loop import new_event_loop
from comfywire.service.postgres.embedded import NoDatabase, must_be_possible
from comfywire.sync.background import TICK, _until_done

SRC = Path(__file__).parents[1] / "src" / "comfywire"
# A process whose event loops have no signal handlers, as those of Windows have none.
AS_ON_WINDOWS = """
import asyncio, sys

class Loop(asyncio.SelectorEventLoop):
    def add_signal_handler(self, *_):
        raise NotImplementedError

asyncio.new_event_loop = Loop
asyncio.events.new_event_loop = Loop
asyncio.set_event_loop_policy(type("Policy", (asyncio.DefaultEventLoopPolicy,), {"_loop_factory": Loop})())
from comfywire.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with server_in_thread() as server:
        yield server


def begin(*arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", AS_ON_WINDOWS, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


# Ctrl-C


def test_ctrl_c_takes_the_prompt_back_where_loops_have_no_signal_handlers(server: Server, tmp_path: Path):
    (tmp_path / "slow.json").write_text(json.dumps(sleeper(60)), encoding="utf-8")
    running = begin("run", "slow.json", "--json", "--server", server.url, cwd=tmp_path)
    assert running.stdout is not None
    prompt_id = json.loads(running.stdout.readline())["prompt_id"]
    server.wait(server.until_executing(prompt_id, "5"))

    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)

    assert running.returncode == 130
    assert json.loads(out.splitlines()[-1])["status"] == "interrupted"
    assert err == f"comfywire: interrupted: prompt {prompt_id} was cancelled\n"
    assert [run.how for run in server.runs(prompt_id)] == ["interrupted"]


def test_ctrl_c_ends_the_test_server_where_loops_have_no_signal_handlers():
    running = begin("server", "--port", "0")
    assert running.stdout is not None
    assert "http://" in running.stdout.readline()

    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)

    assert (running.returncode, err) == (0, "stopped\n")


async def test_a_loop_without_signal_handlers_never_waits_for_long(monkeypatch):
    """Python may hear of a signal behind the wait only, where that came just before it."""
    loop: Any = asyncio.get_running_loop()
    select, waits, often = loop._selector.select, [], asyncio.Event()

    def no_handlers(*_):
        raise NotImplementedError

    def watched(timeout):
        waits.append(timeout)
        if len(waits) == 5:
            often.set()
        return select(timeout)

    monkeypatch.setattr(loop, "add_signal_handler", no_handlers)
    with called_on([signal.SIGINT], list):
        monkeypatch.setattr(loop._selector, "select", watched)
        await asyncio.wait_for(often.wait(), 20)

    assert all(wait is not None and wait <= WAKES_EVERY for wait in waits)


def test_a_blocking_wait_has_an_end_every_fifth_of_a_second():
    future: Future[int] = Future()
    threading.Timer(TICK * 1.5, future.set_result, [5]).start()

    _until_done(future, system="nt")

    assert future.done()


def test_elsewhere_a_blocking_wait_is_one():
    _until_done(Future(), system="posix")


# Texts, names and shells


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("out", "out", id="plain"),
        pytest.param("C:\\data", "C:\\data", id="a-path"),
        pytest.param("C:\\my data", '"C:\\my data"', id="a-path-with-a-space"),
    ],
)
def test_a_printed_command_can_be_copied_into_cmd(word, expected):
    assert quoted(word, system="nt") == expected
    assert quoted("my data", system="posix") == "'my data'"


def test_no_hint_needs_a_shell_that_knows_single_quotes():
    told = [
        (path.name, line)
        for path in SRC.rglob("*.py")
        for line in re.findall(r".*(?:pip install|--set|comfywire run [^\n]*-p) '.*", path.read_text("utf-8"))
    ]

    assert told == []


def test_every_text_file_is_read_and_written_with_an_encoding():
    assert [f"{path.name}:{line}" for path in SRC.rglob("*.py") for line in bare_texts(path)] == []


def bare_texts(path: Path) -> Iterator[int]:
    """The lines that read or write a text in whatever encoding the system prefers: cp1252, for example."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        has_encoding = any(keyword.arg == "encoding" for keyword in node.keywords)
        # What has a method and two arguments is no path's: a member of an archive is opened as bytes.
        among = node.args[:1] if isinstance(node.func, ast.Attribute) else node.args
        texts = [arg.value for arg in among if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        is_text = (name == "read_text" and not node.args) or (name == "write_text" and len(node.args) < 2)
        is_text |= name == "open" and bool(texts) and re.fullmatch("[rwaxt+]+", texts[-1]) is not None
        if is_text and not has_encoding:
            yield node.lineno


# The service


def test_the_service_says_in_a_sentence_what_it_needs():
    with pytest.raises(NoDatabase, match="needs Linux or macOS: on Windows name a PostgreSQL of yours"):
        must_be_possible("nt")

    must_be_possible("posix")


def test_the_service_takes_the_loop_that_psycopg_works_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "win32")

    loop = new_event_loop()

    assert isinstance(loop, asyncio.SelectorEventLoop)
    loop.close()


POSIX_MODULES = {
    "crypt",
    "fcntl",
    "grp",
    "nis",
    "posix",
    "pty",
    "pwd",
    "resource",
    "syslog",
    "termios",
    "tty",
    "uvloop",
}
POSIX_NAMES = {
    "os": {
        "fchmod",
        "fchown",
        "chown",
        "fork",
        "forkpty",
        "geteuid",
        "getuid",
        "getgid",
        "getpgid",
        "initgroups",
    }
    | {
        "kill",
        "killpg",
        "mkfifo",
        "openpty",
        "setgid",
        "setpgid",
        "setsid",
        "setuid",
        "uname",
        "wait3",
        "wait4",
    },
    "signal": {
        "SIGCHLD",
        "SIGCONT",
        "SIGHUP",
        "SIGKILL",
        "SIGQUIT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGUSR1",
        "SIGUSR2",
    }
    | {"SIGWINCH", "alarm", "pause", "pthread_sigmask", "setitimer", "sigwait"},
    "socket": {"AF_UNIX", "SO_REUSEPORT", "socketpair_unix"},
    "time": {"tzset"},
}
EMBEDDED = "service/postgres/"
"""Its modules run only where ``must_be_possible`` has let them: it refuses Windows in a sentence."""


WINDOWS = {"sys.platform == 'win32'", "sys.platform != 'linux'", "os.name == 'nt'"}


def posix_only(source: str) -> list[str]:
    """What a module asks of POSIX where Windows comes, too: outside of what is guarded.

    An import in a function counts as well. A guard is an ``if`` that asks for the system, also one that
    returns before the rest of a function, or a ``try`` or ``suppress`` of what the absence raises.
    """
    found: list[str] = []

    def visit(node: ast.AST) -> None:
        if is_guard(node):
            return
        found.extend(wanted(node))
        for child in ast.iter_child_nodes(node):
            visit(child)
            if leaves_windows(child):
                return

    visit(ast.parse(source))
    return found


def leaves_windows(node: ast.AST) -> bool:
    """Whether nothing behind it comes to run on Windows."""
    if not isinstance(node, ast.If) or ast.unparse(node.test) not in WINDOWS:
        return False
    return isinstance(node.body[-1], ast.Return | ast.Raise)


def wanted(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if alias.name.split(".")[0] in POSIX_MODULES)
        case ast.ImportFrom(module=str(module), names=names, level=0):
            if module.split(".")[0] in POSIX_MODULES:
                yield module
            some = POSIX_NAMES.get(module, set())
            yield from (f"{module}.{alias.name}" for alias in names if alias.name in some)
        case ast.Attribute(value=ast.Name(id=module), attr=name) if name in POSIX_NAMES.get(module, ()):
            yield f"{module}.{name}"
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
            if module in POSIX_MODULES:
                yield module
        case _:
            return


def is_guard(node: ast.AST) -> bool:
    match node:
        case ast.If(test=test):
            asked = ast.unparse(test)
            return any(word in asked for word in ("os.name", "sys.platform", "hasattr(", "_POSIX"))
        case ast.Try(handlers=handlers):
            caught = " ".join(ast.unparse(handler.type) for handler in handlers if handler.type is not None)
        case ast.With(items=items) | ast.AsyncWith(items=items):
            caught = " ".join(
                ast.unparse(item.context_expr) for item in items if "suppress" in ast.unparse(item)
            )
        case _:
            return False
    return any(word in caught for word in ("ImportError", "ModuleNotFoundError", "AttributeError"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import fcntl", ["fcntl"]),
        ("from fcntl import flock as lock", ["fcntl"]),
        ("def f():\n    import pwd, os", ["pwd"]),
        ("if x:\n    from termios import tcgetattr", ["termios"]),
        ("import importlib\nimportlib.import_module('tty')", ["tty"]),
        ("os.kill(1, signal.SIGKILL)", ["os.kill", "signal.SIGKILL"]),
        ("from signal import SIGHUP", ["signal.SIGHUP"]),
        ("if os.name == 'posix':\n    import fcntl", []),
        ("if sys.platform != 'win32':\n    os.setsid()", []),
        ("try:\n    import uvloop\nexcept ImportError:\n    pass", []),
        ("with suppress(AttributeError):\n    signal.SIGHUP", []),
        ("def f():\n    if sys.platform == 'win32':\n        return 1\n    import pwd", []),
        ("def f():\n    if sys.platform == 'win32':\n        x = 1\n    import pwd", ["pwd"]),
        ("def f():\n    if x:\n        return 1\n    import pwd", ["pwd"]),
        ("from . import fcntl", []),
        ("import os.path, signal\nsignal.SIGTERM", []),
    ],
)
def test_what_only_posix_has_is_found_wherever_it_stands(source: str, expected: list[str]):
    assert posix_only(source) == expected


def test_what_only_posix_has_is_asked_for_only_where_windows_does_not_come():
    named = {path.relative_to(SRC).as_posix(): path for path in SRC.rglob("*.py")}
    found = {name: what for name, path in named.items() if (what := posix_only(path.read_text("utf-8")))}

    assert [name for name in found if not name.startswith(EMBEDDED)] == []
    assert found  # the embedded PostgreSQL needs POSIX, and is found out
