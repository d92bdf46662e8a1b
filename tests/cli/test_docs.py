"""docs/command-line.md says what the code says; `python -m tests.cli.test_docs` writes the helps into it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from comfywire.cli import failures
from comfywire.cli.main import COMMANDS, comfywire_command
from comfywire.cli.run import dialect, reports

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
HELP = re.compile(r"<!-- help: (\w*) *-->\n.*?<!-- end -->", re.DOTALL)


def help_of(name: str) -> str:
    """What ``--help`` prints, 100 columns wide."""
    settings = {**comfywire_command.context_settings, "terminal_width": 100, "max_content_width": 100}
    root = click.Context(comfywire_command, info_name="comfywire", **settings)
    command = comfywire_command.get_command(root, name) if name else None
    context = root if command is None else click.Context(command, parent=root, info_name=name, **settings)
    return context.get_help()


def filled(page: str) -> str:
    """The page with every help text as it is now."""
    return HELP.sub(
        lambda found: f"<!-- help: {found[1]} -->\n\n```text\n{help_of(found[1])}\n```\n\n<!-- end -->", page
    )


@pytest.fixture
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_every_command_is_on_the_page(page):
    assert HELP.findall(page) == ["", *COMMANDS]


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_the_page_has_what_help_prints(page, name):
    assert f"```text\n{help_of(name)}\n```" in page, "run: python -m tests.cli.test_docs"


def test_every_event_of_the_dialect_is_on_the_page(page):
    source = Path(dialect.__file__).read_text() + Path(reports.__file__).read_text()
    events = set(re.findall(r'"event": "(\w+)"', source))

    assert {event for event in events if f"| `{event}` |" not in page} == set()


def test_every_status_is_on_the_page(page):
    statuses = {"success", *(word for _, word, _ in failures.OUTCOMES)}

    assert {status for status in statuses if f"`{status}`" not in page} == set()


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
