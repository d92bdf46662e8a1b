"""Starting the job service: what it prints can be typed, and what was mistyped is told before it is up."""

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import click
import httpx
import pytest
from tests.cli.conftest import Running, save
from tests.server.wire import text_to_image

pytest.importorskip("procrastinate", reason="the job service needs the extra 'service'")

from comfywire.cli.main import comfywire_command
from comfywire.cli.operate.serve import serve
from comfywire.cli.operate.service_options import settings_of
from comfywire.cli.operate.worker import worker
from comfywire.service.migrate import migrate
from comfywire.service.postgres.embedded import Cluster
from comfywire.service.settings import Settings


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database of one's own."""
    cluster = Cluster(tmp_path_factory.mktemp("postgres"))
    cluster.attach()
    try:
        asyncio.run(migrate(cluster.url))
        yield cluster.url
    finally:
        cluster.detach()


def serve_in(folder: Path, *options: str) -> Running:
    """A service in a process of its own, with nobody's settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMFYWIRE_")}
    return Running("serve", "--port", "0", *options, cwd=folder, env=environment)


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[list[str]]:
    """What a service prints that runs in ``folder``, until it says how to stop it."""
    running = serve_in(folder, *options)
    try:
        yield until_up(running)
    finally:
        running.signal()  # and not killed: its PostgreSQL would stay
        running.end()


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo runs, and what it prints can be typed."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(demo_folder: Path) -> Iterator[list[str]]:
    """What the demo prints."""
    with serving(demo_folder, "--demo") as lines:
        yield lines


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[list[str]]:
    """What a service prints that has no jobs, a database that is not its own, and files elsewhere."""
    folder = tmp_path_factory.mktemp("idle")
    elsewhere = (*("--database-url", postgres), *("--assets", f"file://{folder}/elsewhere"))
    with serving(folder, "--no-workers", *elsewhere) as lines:
        yield lines


@dataclass(frozen=True)
class Twice:
    """A demo that was started, killed in the middle of a job, and started again in its folder."""

    folder: Path
    secrets: tuple[str, str]
    servers: tuple[set[str], set[str]]
    end: str
    """How the job ended."""


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Twice:
    folder = tmp_path_factory.mktemp("twice")
    slow = save(folder / "slow.json", text_to_image(steps=40))
    first = serve_in(folder, "--demo")
    try:
        told = until_up(first)
        job_url = post_job(url_of(told), slow)
        until(lambda: httpx.get(url_of(told) + job_url).json()["status"] == "running")
        before = servers_of(url_of(told))
    finally:
        first.signal(signal.SIGKILL)
        first.end()
    with serving(folder, "--demo") as lines:
        until(lambda: httpx.get(url_of(lines) + job_url).json()["status"] not in ("queued", "running"))
        end = httpx.get(url_of(lines) + job_url).json()["status"]
        after = servers_of(url_of(lines))
    return Twice(folder, (key_of(told), key_of(lines)), (before, after), end)


def test_the_command_that_the_demo_prints_makes_a_picture(comfywire, demo, demo_folder, monkeypatch):
    monkeypatch.chdir(demo_folder)
    (words,) = (line.partition(":")[2] for line in demo if line.startswith("  Run something:"))

    finished = comfywire(*shlex.split(words)[1:])

    assert (finished.status, finished.err) == (0, "")
    assert list((demo_folder / "out").glob("*.png"))


def test_the_demo_says_that_its_key_is_not_needed(demo):
    key, why = next(pair for pair in pairwise(demo) if pair[0].startswith("  A key:"))

    assert re.fullmatch(r"  A key: cw_\S+", key.rstrip())
    assert "none is needed" in why


@pytest.mark.hostile
def test_the_demo_has_one_key_however_often_it_is_started(comfywire, twice, monkeypatch):
    monkeypatch.chdir(twice.folder)

    (key,) = json.loads(comfywire("keys", "list", "--json").out)

    assert (key["name"], key["scopes"]) == ("demo", ["submit", "read", "admin"])
    assert twice.secrets[0] != twice.secrets[1]
    assert twice.secrets[1].startswith(key["prefix"])


@pytest.mark.hostile
def test_a_job_of_the_demo_goes_on_when_that_was_killed_and_started_again(twice):
    before, after = twice.servers

    assert twice.end == "succeeded"
    assert (len(before), after) == (2, before)


def post_job(url: str, file: str) -> str:
    """Submit a workflow; return the job's path."""
    answer = httpx.post(f"{url}/api/v2/jobs", json={"workflow": json.loads(Path(file).read_text())})
    return str(answer.json()["urls"]["self"])


def servers_of(url: str) -> set[str]:
    return {server["url"] for server in httpx.get(f"{url}/api/v2/servers").json()["servers"]}


def until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do."""
    while not condition():
        time.sleep(0.1)


def until_up(running: Running) -> list[str]:
    """What a demo prints until it says how to stop it."""
    lines = [running.line()]
    while "Ctrl-C" not in lines[-1]:
        assert lines[-1], running.end().err
        lines.append(running.line())
    return lines


def url_of(lines: list[str]) -> str:
    """Where a service is that printed these lines."""
    return lines[0].split()[-1]


def key_of(lines: list[str]) -> str:
    """The key that a demo printed."""
    return next(line.split()[-1] for line in lines if line.startswith("  A key:"))


def test_where_no_jobs_are_yet_the_next_step_is_named(comfywire, idle):
    finished = comfywire("jobs", "--service", url_of(idle))

    assert (finished.out, finished.err) == ("", "no jobs yet: `comfywire submit FILE`\n")


def test_the_command_that_makes_a_key_names_the_service_s_own_folder(comfywire, start, here):
    running = start("serve", "--keys", "--port", "0", "--data", here / "own")
    lines = until_up(running)
    (command,) = (re.findall(r"`(.+)`", line)[0] for line in lines if "needs a key" in line)

    made = comfywire(*shlex.split(command)[1:])
    opened = comfywire("jobs", "--service", lines[0].split()[-1], "--key", made.out.strip())
    running.signal()
    running.end()

    assert (opened.status, opened.err) == (0, "no jobs yet: `comfywire submit FILE`\n")


def test_where_jobs_and_files_are_is_told_as_it_is(idle, postgres):
    where = "  Its jobs are in the PostgreSQL of --database-url, their files in the store of --assets\n"
    assert where in idle
    assert postgres not in "".join(idle)


def test_a_port_that_is_taken_is_one_line_without_the_system_s_words(comfywire, here, taken):
    finished = comfywire("serve", "--port", str(taken))

    expected = f"127.0.0.1 port {taken}: somebody else does; choose another --port, or 0 for a free one"
    assert (finished.status, finished.err) == (2, f"comfywire: cannot listen on {expected}\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(["--host", "192.0.2.1", "--keys"], "no address of this machine", id="another's-address"),
        pytest.param(["--host", "0.0.0.0"], "require keys with --keys", id="everybody-without-keys"),
        pytest.param(["--server", "foo://bar"], "'foo://bar' is not an address", id="a-comfyui-that-is-none"),
        pytest.param(["--hook-url", "nonsense"], "'nonsense' is no address", id="a-hook-that-is-none"),
        pytest.param(["--base-url", "gpu.org"], "'gpu.org' is no address", id="an-address-that-is-none"),
        pytest.param(["--assets", "foo://bar/x"], "is no asset store", id="a-store-that-is-none"),
        pytest.param(
            ["--assets", "/dev/null/x"], "'/dev/null/x' cannot be used (Not a dir", id="a-store-that-fails"
        ),
        pytest.param(
            ["--database-url", "postgresql://127.0.0.1:9/x"], "is not to be reached", id="no-database"
        ),
        pytest.param(["--job-retention", "7"], "'7' is no length of time", id="a-retention-that-is-none"),
        pytest.param(["--url-lifetime", "soon"], "'soon' is no length of time", id="a-lifetime-that-is-none"),
        pytest.param(["--max-nodes", "0"], "is not in the range x>=1", id="workflows-without-a-node"),
        pytest.param(["--hook-timeout", "0"], "is not in the range x>0", id="no-time-for-a-hook"),
    ],
)
def test_what_cannot_be_is_told_before_the_service_says_that_it_is_ready(comfywire, here, options, words):
    finished = comfywire("serve", "--port", "0", *options)

    assert (finished.status, finished.out, len(finished.err.splitlines())) == (2, "", 1)
    assert words in finished.err


def test_a_worker_whose_store_does_not_work_does_not_begin(comfywire, here):
    finished = comfywire("worker", "--server", "http://127.0.0.1:9", "--assets", "/dev/null/x")

    assert (finished.status, finished.out, len(finished.err.splitlines())) == (2, "", 1)
    assert "'/dev/null/x' cannot be used (Not a directory)" in finished.err


def test_a_worker_needs_no_server_since_some_may_be_added(here, postgres):
    running = Running("worker", "--database-url", postgres, "--data", str(here), cwd=here)
    line = running.line()
    running.signal(signal.SIGTERM)
    ended = running.end()

    assert re.fullmatch(
        r"worker \S+ runs jobs on ComfyUIs that are added on the page or over the API\n?", line
    )
    assert (ended.status, ended.out, ended.err) == (0, "stopped\n", "")


DAY = 86400.0


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        pytest.param(["--job-retention", "30d"], {}, {"job_retention": 30 * DAY}, id="jobs"),
        pytest.param(["--asset-retention", "12h"], {}, {"asset_retention": DAY / 2}, id="uploads"),
        pytest.param(["--asset-retention", "forever"], {}, {"asset_retention": None}, id="uploads-for-ever"),
        pytest.param([], {"COMFYWIRE_JOB_RETENTION": "1d"}, {"job_retention": DAY}, id="jobs-by-environment"),
        pytest.param(
            [],
            {"COMFYWIRE_ASSET_RETENTION": "forever"},
            {"asset_retention": None},
            id="uploads-by-environment",
        ),
        pytest.param([], {}, {"job_retention": 7 * DAY, "asset_retention": 7 * DAY}, id="as-a-rule"),
        pytest.param(["--max-upload-bytes", "9"], {}, {"max_upload_bytes": 9}, id="upload"),
        pytest.param(
            [], {"COMFYWIRE_MAX_UPLOAD_BYTES": "8"}, {"max_upload_bytes": 8}, id="upload-by-environment"
        ),
        pytest.param(["--max-body-bytes", "9"], {}, {"max_body_bytes": 9}, id="body"),
        pytest.param([], {"COMFYWIRE_MAX_BODY_BYTES": "8"}, {"max_body_bytes": 8}, id="body-by-environment"),
        pytest.param(["--max-nodes", "9"], {}, {"max_nodes": 9}, id="nodes"),
        pytest.param([], {"COMFYWIRE_MAX_NODES": "8"}, {"max_nodes": 8}, id="nodes-by-environment"),
        pytest.param(["--url-lifetime", "15m"], {}, {"url_lifetime": 900.0}, id="links"),
        pytest.param([], {"COMFYWIRE_URL_LIFETIME": "1d"}, {"url_lifetime": DAY}, id="links-by-environment"),
        pytest.param(["--redirect-downloads"], {}, {"redirect_downloads": True}, id="redirects"),
        pytest.param(
            [],
            {"COMFYWIRE_REDIRECT_DOWNLOADS": "1"},
            {"redirect_downloads": True},
            id="redirects-by-environment",
        ),
        pytest.param(["--max-streams", "9"], {}, {"max_streams": 9}, id="streams"),
        pytest.param([], {"COMFYWIRE_MAX_STREAMS": "8"}, {"max_streams": 8}, id="streams-by-environment"),
    ],
)
def test_serve_is_told_how_long_and_how_many_things_are_kept(monkeypatch, options, environment, said):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert said.items() <= asdict(settings_said(serve, options)).items()


@pytest.mark.parametrize("command", [serve, worker], ids=["serve", "worker"])
@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        pytest.param(["--hook-timeout", "20"], {}, {"hook_timeout": 20.0}, id="a-slow-hook"),
        pytest.param([], {"COMFYWIRE_HOOK_TIMEOUT": "2"}, {"hook_timeout": 2.0}, id="a-quick-hook"),
        pytest.param(["--hooks-fail-open"], {}, {"hooks_fail_open": True}, id="a-hook-that-may-be-away"),
        pytest.param(
            [], {"COMFYWIRE_HOOKS_FAIL_OPEN": "1"}, {"hooks_fail_open": True}, id="the-same-by-environment"
        ),
        pytest.param([], {}, {"hooks_fail_open": False}, id="a-hook-that-may-not"),
        pytest.param(["--webhook-timeout", "40"], {}, {"webhook_timeout": 40.0}, id="a-slow-receiver"),
        pytest.param([], {"COMFYWIRE_WEBHOOK_TIMEOUT": "3"}, {"webhook_timeout": 3.0}, id="a-quick-receiver"),
        pytest.param(["--base-url", "https://a.b"], {}, {"base_url": "https://a.b"}, id="an-address"),
        pytest.param(
            [], {"COMFYWIRE_BASE_URL": "https://a.b"}, {"base_url": "https://a.b"}, id="the-same-elsewhere"
        ),
        pytest.param([], {"COMFYWIRE_BASE_URL": ""}, {"base_url": None}, id="no-address"),
        pytest.param(["--max-asset-bytes", "5000"], {}, {"max_asset_bytes": 5000}, id="a-small-disk"),
        pytest.param([], {"COMFYWIRE_MAX_ASSET_BYTES": "7"}, {"max_asset_bytes": 7}, id="a-smaller-disk"),
    ],
)
def test_whatever_runs_jobs_is_told_of_hooks_webhooks_links_and_room(
    monkeypatch, command, options, environment, said
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert said.items() <= asdict(settings_said(command, options)).items()


@pytest.mark.parametrize("command", [serve, worker], ids=["serve", "worker"])
def test_what_is_not_said_is_as_the_settings_have_it(command):
    assert asdict(settings_said(command, [])) == asdict(Settings(data=Path("comfywire-data")))


def settings_said(command: click.Command, options: list[str]) -> Settings:
    """The settings that the command makes of its options and the environment."""
    root = click.Context(comfywire_command, **comfywire_command.context_settings)
    return settings_of(command.make_context(command.name, list(options), parent=root).params)


def test_a_store_on_s3_names_the_extra_that_it_needs(here: Path):
    code = (
        "import sys; sys.modules['s3fs'] = None; from comfywire.cli.main import main;"
        "sys.exit(main(['serve', '--port', '0', '--assets', 's3://bucket/x']))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )

    assert (ran.returncode, 'pip install ".[s3]"' in ran.stderr) == (2, True)
