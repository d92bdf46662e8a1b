"""Times are parameters, which a test shortens in what it makes: it patches no constant of a module."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
PATCHING = ("setattr", "patch", "patch.object")
SIZES = {
    "JSON_BYTES",
    "LARGEST",
    "LARGEST_SETTINGS",
    "MAXIMUM_HISTORY_SIZE",
    "MAXIMUM_LOG_SIZE",
    "MAXIMUM_PENDING",
    "PIECE",
}
"""Of what would take a test long to fill."""
OTHERS = {"PACKAGE", "ROOT", "WHOLE"}
"""Where something is: the tests' own folder, the package of ComfyUI's editor; which stores are like S3."""


def patched_constants(source: str) -> Iterator[str]:
    """Yield every name in capitals that ``monkeypatch.setattr`` or ``patch`` replaces."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(PATCHING):
            for argument in node.args[:2]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    name = argument.value.rpartition(".")[2]
                    if name.isupper():
                        yield name


def test_no_test_patches_a_constant_that_is_a_time() -> None:
    found = {
        (path.name, name)
        for path in TESTS.rglob("*.py")
        for name in patched_constants(path.read_text(encoding="utf-8"))
        if name not in SIZES | OTHERS
    }

    assert found == set()


def test_a_constant_that_is_patched_is_found() -> None:
    by_name = "monkeypatch.setattr('comfywire.client.downloads.FIRST_PAUSE', 0.1)"
    by_object = "monkeypatch.setattr(downloads, 'FIRST_PAUSE', 0.1)"

    assert [*patched_constants(by_name), *patched_constants(by_object)] == ["FIRST_PAUSE"] * 2
