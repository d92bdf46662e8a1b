"""What can be imported is what is meant to be: sorted, complete, and from where it is said to be."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import comfywire

SRC = Path(__file__).parents[1] / "src" / "comfywire"
MODULES = sorted(SRC.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def exported_by_module() -> dict[str, list[str]]:
    """Read in the test: what is done where a module is collected, each worker does."""
    return {name_of(path): names for path in MODULES if (names := exported(path)) is not None}


def exported(path: Path) -> list[str] | None:
    """``__all__``, read and not imported."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(
            getattr(target, "id", "") == "__all__" for target in node.targets
        ):
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def isort_key(name: str) -> tuple[int, str]:
    """CONSTANTS, then Classes, then functions: as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_the_names_of_every_module_are_sorted():
    found = exported_by_module()

    assert {module: sorted(set(names), key=isort_key) for module, names in found.items()} == found


def test_the_names_of_every_module_exist():
    missing = [
        f"{module}.{name}"
        for module, names in exported_by_module().items()
        for name in names
        if not hasattr(import_module(module), name)
    ]

    assert missing == []


@pytest.mark.parametrize("name", comfywire.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(comfywire, name) is not None
    assert name in dir(comfywire)


def test_a_name_that_is_not_public_is_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'Clint'"):
        comfywire.Clint  # noqa: B018 (the access is what is tested)


def test_every_event_is_public():
    events = import_module("comfywire.client.events")

    assert set(events.__all__) <= set(comfywire.__all__)


def test_importing_the_package_loads_no_http_client():
    program = (
        "import sys, comfywire; print([name for name in ('aiohttp', 'PIL', 'numpy') if name in sys.modules])"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"


def test_importing_the_client_loads_no_pictures():
    program = "import sys, comfywire; comfywire.Client; print({'PIL', 'numpy'} & set(sys.modules))"

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "set()"


def test_importing_the_client_loads_nothing_that_looks_into_nodes():
    program = "import sys, comfywire; comfywire.Client; print(*sys.modules)"

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    rooms = ("conversion", "drawing", "object_info", "parameters", "validation")
    heavy = tuple(f"comfywire.workflow.{room}" for room in rooms)
    assert [name for name in told.stdout.split() if name.startswith((*heavy, "comfywire.client.check"))] == []
