"""The commands for a job service need no extra: here they run where nothing but the base is installed."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.cli.conftest import Finished, save
from tests.server.wire import image

import comfywire as package

pytest.importorskip("procrastinate", reason="the service that answers needs the extra 'service'")

SCALE = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "mine.png"}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "up"}},
}
Command = Callable[..., Finished]


def needed(name: str, known: set[str]) -> set[str]:
    """Return ``known`` and the distributions that installing ``name`` without an extra brings."""
    for wanted in map(Requirement, importlib.metadata.requires(name) or ()):
        other = canonicalize_name(wanted.name)
        if other not in known and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
            known = needed(other, known | {other})
    return known


def install(name: str, site: Path) -> None:
    """Link what a distribution has put into our environment into another one."""
    distribution = importlib.metadata.distribution(name)
    files = distribution.files
    if not files:
        pytest.skip(f"{name} has no list of its files here, so that it cannot be put into a new environment")
    for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
        (site / top).symlink_to(Path(str(distribution.locate_file(top))))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of a new environment that has Comfywire and what its base needs, and nothing else."""
    if os.name == "nt":
        pytest.skip("a link to a folder takes rights on Windows")
    folder = tmp_path_factory.mktemp("base")
    venv.create(folder, symlinks=True, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in needed("comfywire", set()):
        install(name, site)
    (site / "comfywire").symlink_to(Path(package.__file__).parent)
    about = Path(str(importlib.metadata.distribution("comfywire").locate_file("")))
    for folder_of_it in about.glob("comfywire-*.dist-info"):
        (site / folder_of_it.name).symlink_to(folder_of_it)
    yield folder / "bin" / "python"
    shutil.rmtree(folder)


@pytest.fixture
def base(python: Path, service: str, here: Path) -> Command:
    """The command as that environment has it."""

    def run(*arguments: str | Path) -> Finished:
        ran = subprocess.run(
            [python, "-I", "-m", "comfywire", *arguments],
            env={"COMFYWIRE_SERVICE": service, "PATH": os.environ["PATH"]},
            cwd=here,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return Finished(ran.returncode, ran.stdout, ran.stderr)

    return run


@pytest.mark.parametrize("extra", ["httpx", "blake3", "fastapi", "procrastinate", "PIL", "numpy", "pytest"])
def test_the_environment_has_no_extra(python: Path, extra: str) -> None:
    ran = subprocess.run([python, "-I", "-c", f"import {extra}"], capture_output=True, text=True, check=False)

    assert f"No module named '{extra}'" in ran.stderr


def test_every_command_for_a_service_works_without_an_extra(base: Command, here: Path) -> None:
    waits = base("submit", save(here / "draw.json", image()), "--tag", "nowhere", "--json").events[0]
    job_id = waits["prompt_id"]

    assert json.loads(base("jobs", job_id, "--json").out)["status"] == "queued"
    assert "was canceled" in base("cancel", job_id).out
    assert "is queued again" in base("retry", job_id).out
    assert "down" in (shown := base("top", "--once").out) or "up" in shown
    assert "was canceled" in base("cancel", job_id).out


def test_a_file_goes_there_and_its_result_comes_back_without_an_extra(
    base: Command, here: Path, red: Path
) -> None:
    assert "is registered" in base("workflows", "add", "base", save(here / "scale.json", SCALE)).out

    submitted = base("submit", "base", "-p", f"image={red}", "--json").events[0]
    result = base("wait", submitted["prompt_id"], "--out", here / "out", "--json").result

    (path,) = result["saved"]
    assert Path(path).read_bytes().startswith(b"\x89PNG")
