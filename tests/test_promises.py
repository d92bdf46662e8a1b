"""The table of promises in docs/service-in-production.md: every row names its tests, and they are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "service-in-production.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    table = text.split("<!-- begin promises -->")[1].split("<!-- end promises -->")[0]
    return [line for line in table.splitlines() if line.startswith("|")][2:]


def names_in(path: Path) -> set[str]:
    if not path.exists():
        return set()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, functions)}


def test_every_promise_names_its_test():
    assert len(rows()) >= 3
    assert [row for row in rows() if not TEST.search(row.rsplit(" | ", 1)[-1])] == []


def test_every_test_that_a_promise_names_is_there():
    named = [(path, name) for row in rows() for path, name in TEST.findall(row)]

    assert [f"{path}::{name}" for path, name in named if name not in names_in(ROOT / path)] == []
