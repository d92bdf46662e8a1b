# ruff: noqa: INP001 - beside the script that uses it
"""The tables inside pages that the code knows best: states, times, layers, errors, tests of faults.

A table stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``; in ``faults.md``, the last column
of each fault's row is the tests that are marked with its number.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from comfywire import errors
from comfywire.protocol import feeds, job, schedule, session
from comfywire.server.nodes import catalogue
from comfywire.service.jobs import states as jobs

ROOT = Path(__file__).parents[1]
MODULES = {
    "B17": ("client/test_names.py", "client/test_saving.py"),
    "B20": ("client/test_downloads.py",),
}
"""Whole test modules about one fault."""
FAULT_ROW = re.compile(r"^\| (?:<a id=\"b\d+\"></a>)?(B\d+) \|", re.MULTILINE)


def states() -> str:
    """Return the table of protocol/job.py."""
    rule, rows = re.compile(r"^=[= ]+$"), []
    edges: list[int] = []
    for line in (job.__doc__ or "").splitlines():
        if rule.match(line):
            edges = [match.start() for match in re.finditer(r"=+", line)]
        elif edges and line.strip():
            rows.append(
                [line[start:end].strip() for start, end in zip(edges, [*edges[1:], None], strict=True)]
            )
    return _table(rows[0], rows[1:])


def times() -> str:
    """Return every constant of the modules that decide when to look, with the sentence under it."""
    rows = [
        [f"`{name}`", value, f"`protocol/{module.__name__.rpartition('.')[2]}.py`", words]
        for module in (session, feeds, schedule)
        for name, value, words in _constants(module)
    ]
    return _table(["name", "value", "where", "meaning"], rows)


def _constants(module: ModuleType) -> Iterator[tuple[str, str, str]]:
    body = ast.parse(inspect.getsource(module)).body
    for node, after in pairwise(body):
        match node, after:
            case (
                ast.Assign(targets=[target], value=value),
                ast.Expr(value=ast.Constant(value=str(words))),
            ) if ast.unparse(target).strip("()").isupper() or "," in ast.unparse(target):
                yield ast.unparse(target).strip("()"), ast.unparse(value).strip("()"), " ".join(words.split())
            case _:
                pass


def service_states() -> str:
    """Return the states of a job of the service, with the sentence under each."""
    (body,) = (
        node.body
        for node in ast.parse(inspect.getsource(jobs)).body
        if isinstance(node, ast.ClassDef) and node.name == jobs.JobState.__name__
    )
    rows = []
    for node, after in pairwise(body):
        match node, after:
            case ast.Assign(value=ast.Constant(value=str(state))), ast.Expr(
                value=ast.Constant(value=str(words))
            ):
                is_end = jobs.JobState(state) in jobs.TERMINAL
                rows.append([f"`{state}`", words, "yes" if is_end else ""])
            case _:
                pass
    return _table(["state", "meaning", "an end"], rows)


def service_transitions() -> str:
    """Return the table of service/jobs/states.py."""
    rows = [
        ["-" if before is None else f"`{before}`", f"`{after}`", why]
        for (before, after), why in jobs.TRANSITIONS.items()
    ]
    return _table(["from", "to", "when"], rows)


def layers() -> str:
    """Return the table of layers that tests/test_layers.py holds."""
    rows = []
    for layer, value in _rows_of_test_layers("MAY_IMPORT"):
        assert isinstance(value, ast.Tuple)
        ours, others = (_words(element) for element in value.elts)
        rows.append([f"`{layer}`", ours, others, _subject(layer)])
    return _table(["layer", "may import of ours", "third-party packages", "what it is"], rows)


def rooms() -> str:
    """Return the table of the rooms that tests/test_layers.py holds."""
    rows = [
        [f"`{room}`", _words(value), _subject(room.replace("/", "."))]
        for room, value in _rows_of_test_layers("ROOMS")
        if (ROOT / "src" / "comfywire" / room).is_dir()
    ]
    return _table(["room", "may import of its own layer", "what it is"], rows)


def _rows_of_test_layers(name: str) -> Iterator[tuple[str, ast.expr]]:
    """Yield the rows of a table in tests/test_layers.py: the layer or room, and what it may import."""
    tree = ast.parse((ROOT / "tests" / "test_layers.py").read_text(encoding="utf-8"))
    table = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name
    )
    assert isinstance(table, ast.Dict)
    for key, value in zip(table.keys, table.values, strict=True):
        assert isinstance(key, ast.Constant)
        yield str(key.value), value


def _words(expression: ast.expr) -> str:
    found = [node.value for node in ast.walk(expression) if isinstance(node, ast.Constant)]
    names = sorted((name for name in found if isinstance(name, str)), key=str.lower)
    return ", ".join(f"`{name}`" for name in names) or "-"


def _subject(layer: str) -> str:
    words = import_module(f"comfywire.{layer}").__doc__ or ""
    return " ".join(words.split("\n\n")[0].split()).replace("``", "`")


def nodes() -> str:
    """Return every node of the test server, by what it is about; alike ones in one row."""
    newer = set(catalogue.built_in(is_new=True)) - set(catalogue.built_in())
    parts = []
    for title, group in catalogue.GROUPS.items():
        rows: dict[tuple[str, str], list[str]] = {}
        for name, node in group.items():
            words = (node.__doc__ or "").split("\n\n")[0].rstrip(".").replace("``", "`")
            how = getattr(node, "FIDELITY", "ComfyUI's test pack")
            rows.setdefault((" ".join(words.split()), how), []).append(
                f"{name}{' ⁺' if name in newer else ''}"
            )
        table = [[", ".join(names), words, how] for (words, how), names in rows.items()]
        parts.append(f"### {title}\n\n{_table(['node', 'what it makes', 'how near'], table)}")
    return "\n\n".join(parts)


def error_tree() -> str:
    """Return the tree that errors.py draws."""
    tree = inspect.cleandoc(errors.__doc__ or "").partition("::\n\n")[2].partition("\n\nMisuse")[0]
    return f"```text\n{textwrap.dedent(tree)}\n```"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


TABLES: dict[tuple[str, str], Callable[[], str]] = {
    ("job-states.md", "states"): states,
    ("job-states.md", "times"): times,
    ("service-jobs.md", "service states"): service_states,
    ("service-jobs.md", "service transitions"): service_transitions,
    ("architecture.md", "layers"): layers,
    ("architecture.md", "rooms"): rooms,
    ("client.md", "errors"): error_tree,
    ("test-server.md", "nodes"): nodes,
}


def fill(page: str) -> str:
    """Return ``page`` with its generated tables renewed."""
    for (_, name), make in TABLES.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, mark, rest = page.partition(begin)
        if mark:
            page = f"{before}{begin}\n\n{make()}\n\n{end}{rest.partition(end)[2]}"
    return page


def fill_faults(page: str) -> str:
    """Return docs/faults.md with the tests of each fault in the last column of its row."""
    tests = marked_tests()
    lines = page.splitlines()
    for place, line in enumerate(lines):
        row = FAULT_ROW.match(line)
        if row:
            rest = line.rstrip("| ").rpartition(" | ")[0] if line.count(" | ") >= 3 else line
            lines[place] = f"{rest} | {'<br>'.join(tests.get(row[1], ['-']))} |"
    return "\n".join(lines) + "\n" if lines else ""


def marked_tests() -> dict[str, list[str]]:
    """Return the tests that are marked with each fault, as links, in the order of their names."""
    found = {
        number: [f"all of [{name}](../tests/{name})" for name in names] for number, names in MODULES.items()
    }
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            sentence = node.name.removeprefix("test_").replace("_", " ")
            link = f"[{sentence}](../{path.relative_to(ROOT)})"
            for number in _marks(node):
                if link not in found.setdefault(number, []):
                    found[number].append(link)
    return found


def _marks(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        for node in ast.walk(decorator):
            match node:
                case ast.Call(func=ast.Attribute(attr="fault"), args=[ast.Constant(value=str(number))]):
                    yield number
                case _:
                    pass
