"""The examples run, and so do the Python blocks of the README and of the pages."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from inspect import CO_COROUTINE
from pathlib import Path
from types import CodeType, FunctionType

import pytest

import comfywire
from comfywire.server import Server, server_in_thread

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PICTURE = ROOT / "docs" / "images" / "demo.png"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"<!-- run -->\n```python\n(.*?)```", re.DOTALL)
WORKFLOWS = ("text_to_image.json", "edit_picture.json")
DEFAULT = "http://127.0.0.1:8188"
Python = Callable[..., str]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with server_in_thread() as running:
        yield running


@pytest.fixture
def python(server: Server, tmp_path: Path) -> Python:
    """Run Python in an empty folder, with the server in the environment, and return what it prints."""

    def run(*arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "COMFYWIRE_SERVER": server.url},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr + ran.stdout
        return ran.stdout

    return run


@pytest.mark.parametrize(
    ("example", "words"),
    [
        pytest.param("text_to_image", "out/text_to_image_0", id="text_to_image"),
        pytest.param("upload_and_edit", "image of node 6 saved as out/edit_picture_0", id="upload_and_edit"),
        pytest.param("events", "node 9 shows {'images':", id="events"),
        pytest.param("many_jobs", "\n19 many_0", id="many_jobs"),
        pytest.param("blocking", "image text_to_image_0", id="blocking"),
    ],
)
def test_an_example_prints_what_it_promises(python: Python, example: str, words: str) -> None:
    assert words in python(str(EXAMPLES / f"{example}.py"))


def test_a_waiting_prompt_is_cancelled_while_another_runs(python: Python, server: Server) -> None:
    held, before = server.faults.nodes.hold(class_type="VAEDecode"), server.requests["POST /queue"]

    def has_been_cancelled() -> bool:
        return server.requests["POST /queue"] > before and server.life.queue.remaining() == 1

    with ThreadPoolExecutor(1) as pool:
        printed = pool.submit(python, str(EXAMPLES / "cancel.py"))
        server.wait(server.until(lambda: has_been_cancelled() or printed.done()), 100)
        held.release()
        words = printed.result()

    assert "cancelled the second: True" in words
    assert "was cancelled before it ran" in words
    assert "the first made text_to_image_0" in words


def test_a_prompt_of_one_process_is_collected_by_another(python: Python) -> None:
    prompt_id = python(str(EXAMPLES / "attach.py"), "submit").strip()

    assert "out/text_to_image_0" in python(str(EXAMPLES / "attach.py"), prompt_id)


def test_the_example_of_a_test_passes(
    python: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # it needs ours alone, and starts sooner
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    words = python(
        "-m", "pytest", "-q", "-c", "pytest.ini", "-p", "comfywire", str(EXAMPLES / "test_my_app.py")
    )

    assert "2 passed" in words


def test_a_job_of_the_service_is_driven_over_http(
    python: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("procrastinate", reason="the job service needs the extra 'service'")
    command = ["-m", "comfywire", "serve", "--demo", "--port", "0", "--data", str(tmp_path / "data")]
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        monkeypatch.setenv("COMFYWIRE_SERVICE", service.stdout.readline().split()[-1])
        try:
            words = python(str(EXAMPLES / "service.py"))
            called = by_an_agent(python)
        finally:
            service.terminate()

    assert "succeeded: text_to_image_0" in words
    assert called is None or ("run_draw: A picture." in called and "succeeded and made 1 output" in called)


def by_an_agent(python: Python) -> str | None:
    """What the agent prints; None where the package of agents is not installed."""
    if find_spec("mcp") is None:
        return None
    file = str(EXAMPLES / "workflows" / "text_to_image.json")
    python("-m", "comfywire", "workflows", "add", "draw", file, "--description", "A picture.")
    return python(str(EXAMPLES / "agent.py"), "run_draw", "prompt=a boat", "width=128", "height=128")


def test_every_example_is_run_here_or_among_the_peers() -> None:
    # Those that need other people's packages run in environments of their own: `make test-peers`.
    peers = Path(__file__).parent / "peers" / "test_agents_and_chats.py"
    source = "".join(file.read_text(encoding="utf-8") for file in (Path(__file__), peers))

    assert [path.stem for path in EXAMPLES.glob("*.py") if f"{path.stem}" not in source] == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 30


def blocks(page: Path) -> list[str]:
    return [match[1] for match in BLOCK.finditer(page.read_text(encoding="utf-8"))] if page.exists() else []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the files that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    workflows = {name: json.loads((EXAMPLES / "workflows" / name).read_text()) for name in WORKFLOWS}
    workflows["text_to_image.json"]["5"]["inputs"] |= {"width": 128, "height": 128}  # for the tests' time
    workflows["workflow_api.json"] = workflows["text_to_image.json"]
    for name, workflow in workflows.items():
        (tmp_path / name).write_text(json.dumps(workflow))
    (tmp_path / "photo.png").write_bytes(PICTURE.read_bytes())
    return tmp_path


def compiled(block: str, page: Path) -> CodeType:
    return compile(block, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
async def test_the_blocks_of_a_page_run_in_order(page: Path, server: Server, folder: Path) -> None:
    async with comfywire.Client(server.url) as client:
        names = {"comfywire": comfywire, "client": client, "__name__": "__main__"}
        for block in blocks(page):
            if "asyncio.run(" in block:
                continue
            code = compiled(block.replace(DEFAULT, server.url), page)
            ran = FunctionType(code, names)()
            if code.co_flags & CO_COROUTINE:
                await ran


SCRIPTS = [(page, block) for page in PAGES for block in blocks(page) if "asyncio.run(" in block]


@pytest.mark.parametrize(("page", "block"), SCRIPTS, ids=[page.name for page, _ in SCRIPTS])
def test_a_whole_script_on_a_page_runs(
    python: Python, server: Server, folder: Path, page: Path, block: str
) -> None:
    python("-c", block.replace(DEFAULT, server.url))


def test_the_pages_have_blocks_that_run() -> None:
    assert {page.name for page in PAGES if blocks(page)} >= {"README.md", "tutorial.md", "client.md"}
