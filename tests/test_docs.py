"""The pages are complete and true as far as a program can tell: names, options, faults, links, tables."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

import comfywire
from comfywire import errors
from comfywire.cli.main import COMMANDS, comfywire_command

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [path for folder in (ROOT, DOCS, ROOT / "examples") for path in sorted(folder.glob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"```.*?```", re.DOTALL)
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
FAULTS = [f"B{number}" for number in range(1, 23)]


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """A page without its code."""
    return FENCED.sub("", text(path))


def anchors(path: Path) -> set[str]:
    """What can stand behind # in a link to a page, as forges make it of headings."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(path)))
    return {heading.strip().replace(" ", "-") for heading in plain}


def links(path: Path) -> Iterator[str]:
    yield from (link for link in LINK.findall(prose(path)) if "://" not in link)


def test_what_is_generated_is_up_to_date() -> None:
    ran = subprocess.run(
        [sys.executable, str(DOCS / "make_reference.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,  # it takes 5 s, on a machine that is busy ten times as long
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr


TOLD = [*PAGES, *sorted((ROOT / "deploy").rglob("*.md")), *sorted((ROOT / "src").rglob("*.py"))]


@pytest.mark.parametrize("path", TOLD, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_is_told_to_install_what_no_index_has(path: Path) -> None:
    named = re.findall(r"""(?:pip|uv|uvx|pipx) [^\n`]*?['" ]comfywire\b[^\n`]*""", text(path))

    assert named == [], "a clone can be installed: pip install '.[server]', pip install './comfywire[server]'"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    dead = []
    for link in links(path):
        target, _, anchor = link.partition("#")
        place = (path.parent / unquote(target)).resolve() if target else path
        if not place.exists() or (anchor and anchor not in anchors(place)):
            dead.append(link)

    assert dead == []


def test_every_change_of_a_job_s_state_is_in_its_life() -> None:
    from comfywire.service.jobs.states import TRANSITIONS

    page = text(DOCS / "service-jobs.md")
    rows = [
        f"| {f'`{before}`' if before else '-'} | `{after}` | {why} |"
        for (before, after), why in TRANSITIONS.items()
    ]

    assert [row for row in rows if row not in page] == []


@pytest.mark.parametrize("name", comfywire.__all__)
def test_a_public_name_is_in_the_reference(name: str) -> None:
    assert f"comfywire.{name}" in text(DOCS / "reference.md")


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_is_in_the_guide_and_says_what_to_do(name: str) -> None:
    rows = [line for line in text(DOCS / "client.md").splitlines() if line.startswith("| `")]

    assert any(f"`{name}`" in row.split("|")[1] for row in rows)


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_is_in_the_tree_of_its_module(name: str) -> None:
    if name != "ComfywireError":
        assert re.search(rf"^ +{name}( |$)", errors.__doc__ or "", re.MULTILINE)


def command(name: str) -> click.Command:
    found = comfywire_command.get_command(click.Context(comfywire_command), name)
    assert found is not None
    return found


def described(name: str) -> str:
    """The part of the page about one command: from its heading to the next of the same or a higher rank."""
    page = text(DOCS / "command-line.md")
    begin = re.search(rf"^(#+) .*`comfywire {name}\b", page, re.MULTILINE) or re.search(
        rf"^(#+) .*\b{name}\b", page, re.MULTILINE
    )
    assert begin, f"docs/command-line.md has no heading for `comfywire {name}`"
    end = re.search(rf"^#{{1,{len(begin[1])}}} ", page[begin.end() :], re.MULTILINE)
    return page[begin.start() : begin.end() + end.start() if end else len(page)]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_options_are_on_the_page(name: str) -> None:
    options = {
        option
        for parameter in command(name).params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for option in parameter.opts
        if option.startswith("--")
    }

    page = text(DOCS / "command-line.md")
    section = described(name)

    # What every command has may stand in one place for all of them.
    common = {"--server", "--token", "--header", "--insecure", "--debug", "--json"}
    missing = {option for option in options if option not in (page if option in common else section)}
    assert missing == set()


def fault_rows() -> dict[str, list[str]]:
    rows = (line.strip("| ").split(" | ") for line in text(DOCS / "faults.md").splitlines())
    return {row[0]: row for row in rows if re.fullmatch(r"B\d+", row[0])}


def test_every_fault_has_a_row() -> None:
    assert list(fault_rows()) == FAULTS


@pytest.mark.parametrize("number", FAULTS)
def test_a_fault_is_shown_by_tests(number: str) -> None:
    _, what_happens, what_we_do, tests = fault_rows()[number]

    assert what_happens
    assert "**" in what_we_do
    assert LINK.findall(tests), "mark a test with @pytest.mark.fault, and run docs/make_reference.py"


def test_the_pages_name_no_test_that_is_not_there() -> None:
    named = set()
    for sentence, target in re.findall(r"\[([^\]]+)\]\(\.\./(tests/[^)]+)\)", text(DOCS / "faults.md")):
        if not sentence.endswith(".py"):
            named.add((target, f"test_{sentence.replace(' ', '_')}"))

    missing = [(path, name) for path, name in named if f"def {name}(" not in text(ROOT / path)]

    assert missing == []


def test_the_index_leads_to_every_page() -> None:
    linked = set(links(DOCS / "index.md"))

    assert {path.name for path in DOCS.glob("*.md")} - linked - {"index.md"} == set()


def test_the_list_of_examples_is_complete() -> None:
    examples = ROOT / "examples"
    linked = set(links(examples / "README.md"))

    assert {path.relative_to(examples).as_posix() for path in examples.rglob("*.py")} == linked


def test_the_first_screen_has_the_commands_of_the_makefile() -> None:
    first_screen = text(ROOT / "README.md").splitlines()[:40]

    assert [line.split("#")[0].strip() for line in first_screen if line.startswith("make ")] == [
        "make demo",
        "make test",
    ]
    assert any(line.startswith("comfywire run ") for line in first_screen)


def test_pictures_are_small() -> None:
    large = [path.name for path in (DOCS / "images").iterdir() if path.stat().st_size > 100_000]

    assert large == []
