"""The page about testing one's own app is a test suite that passes, and so are the tests of the example."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)


def files_of(page: Path) -> dict[str, str]:
    """The blocks that begin with a file name, put together."""
    found: defaultdict[str, str] = defaultdict(str)
    for name, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        found[name] += block
    return found


def run_pytest(folder: Path, *arguments: str, plugins: tuple[str, ...] = ()) -> str:
    """Run pytest as a user would, with our plugin and few others, and return what it prints."""
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    chosen = [part for plugin in ("comfywire", *plugins) for part in ("-p", plugin)]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", str(folder / "pytest.ini"), *chosen, *arguments],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    files = files_of(ROOT / "docs" / "testing-your-app.md")
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")

    words = run_pytest(tmp_path, str(tmp_path), "-W", "ignore::pytest.PytestUnknownMarkWarning")

    assert set(files) > {"conftest.py", "test_program.py", "test_trouble.py"}
    assert f"{sum(content.count('def test_') for content in files.values())} passed" in words


def test_the_tests_of_the_small_application_pass(tmp_path: Path) -> None:
    tests = ROOT / "examples" / "postcards" / "test_postcards.py"

    words = run_pytest(tmp_path, "--rootdir", str(tests.parent), str(tests), plugins=("asyncio",))

    assert f"{tests.read_text(encoding='utf-8').count('def test_')} passed" in words


WORKERS = 3
AT_ONCE = """
import json
import os
import time
import urllib.request
from pathlib import Path

import pytest

MET = Path(os.environ["MET"])
WORKERS = int(os.environ["WORKERS"])
PROMPT = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


@pytest.mark.parametrize("number", range(4 * WORKERS))
def test_a_server_of_ones_own(comfyui, number):
    (MET / os.environ["PYTEST_XDIST_WORKER"]).write_text(comfyui.address)
    end = time.monotonic() + 60
    while len(list(MET.iterdir())) < WORKERS:  # all servers are there at once, or this fails
        assert time.monotonic() < end
        time.sleep(0.01)
    body = json.dumps({"prompt": PROMPT}).encode()
    urllib.request.urlopen(urllib.request.Request(comfyui.url + "/prompt", body)).close()
    comfyui.wait(comfyui.faults.life.restart())  # the port stays its own
    urllib.request.urlopen(urllib.request.Request(comfyui.url + "/prompt", body)).close()
    comfyui.wait(comfyui.until_idle())
    assert comfyui.requests == {"POST /prompt": 2}
"""


def test_the_servers_of_xdists_workers_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    met = tmp_path / "met"
    met.mkdir()
    monkeypatch.setenv("MET", str(met))
    monkeypatch.setenv("WORKERS", str(WORKERS))
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
        monkeypatch.delenv(name)
    (tmp_path / "test_at_once.py").write_text(AT_ONCE)

    words = run_pytest(tmp_path, "-n", str(WORKERS), "test_at_once.py", plugins=("xdist",))

    assert f"{4 * WORKERS} passed" in words
    assert len({path.read_text() for path in met.iterdir()}) == WORKERS
