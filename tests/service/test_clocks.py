"""The clocks of processes differ: what is compared with the database's times is the database's clock."""

import ast
from pathlib import Path

import pytest

import comfywire.service

SOURCES = Path(comfywire.service.__file__).parent
OWN_CLOCK = {
    "assets/assets.py": "links are signed and checked by processes alone, and are good for an hour",
    "assets/blobs.py": "files that were never finished have the times of a disk, and go after a day",
    "jobs/estimates.py": "a forecast, of which nothing follows",
    "openai/pictures.py": "what the OpenAI API calls created",
    "openai/streaming.py": "what the OpenAI API calls created",
    "relay/ending.py": "ComfyUI's own messages carry the time of whoever sends them",
}
"""Modules that ask their process for the time of day, and why that does no harm."""


def asks_for_the_time(source: str) -> bool:
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return any(ast.unparse(call) in ("datetime.now", "datetime.utcnow", "time.time") for call in calls)


def test_no_other_module_of_the_service_asks_its_own_clock() -> None:
    found = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if asks_for_the_time(path.read_text(encoding="utf-8"))
    }

    assert found == set(OWN_CLOCK)


@pytest.mark.parametrize("call", ["datetime.now(UTC)", "time.time()", "f(datetime.utcnow())"])
def test_a_module_that_does_is_found(call: str) -> None:
    assert asks_for_the_time(f"def work():\n    return {call}")
    assert not asks_for_the_time("time.monotonic()")
