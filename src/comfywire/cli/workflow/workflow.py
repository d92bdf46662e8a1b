"""Workflows without running them: convert, validate."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from comfywire.cli.catalogues import catalogue_options, read_types
from comfywire.cli.connection import Connection, server_options
from comfywire.cli.failures import one_line
from comfywire.cli.options import conversion_options, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfywire.cli.catalogues import Types
    from comfywire.workflow import Problem, Workflow

__all__ = ["convert", "load_by", "validate"]


def load_by(types: Types, file: str, *, strict: bool = False, packs: Sequence[str] = ()) -> Workflow:
    """Return the workflow in ``file``, or on standard input, read by ``types``; warnings go to stderr.

    Raises:
        UnreadableWorkflow, UnknownNode: It cannot be read.
        UncertainWorkflow: There are warnings, and ``strict`` refuses them.
        UnusablePack: A file among ``packs`` cannot be loaded.

    """
    from comfywire.workflow import ObjectInfo, Workflow  # noqa: PLC0415 - not needed for --help

    source = sys.stdin.buffer.read() if file == "-" else file
    known = None if types.raw is None else ObjectInfo(types.raw, version=types.version)
    workflow = Workflow.load(source, object_info=known, strict=strict, packs=packs)
    for warning in workflow.warnings:
        click.echo(one_line(f"comfywire: warning: {warning}"), err=True)
    return workflow


@click.command(short_help="Convert a workflow to API format.")
@click.argument("file")
@catalogue_options
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False),
    metavar="API.json",
    help="Where to write it; by default to standard output.",
)
@conversion_options
@server_options
def convert(
    *,
    connection: Connection,
    file: str,
    object_info: Path | None,
    offline: bool,
    out: str | None,
    strict: bool,
    packs: tuple[str, ...],
) -> None:
    """Convert the workflow in FILE to API format, as ComfyUI's own editor would.

    FILE is the editor's JSON, or a picture or video with a workflow inside; - reads standard input.
    """
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415

    types = read_types(connection, object_info, offline=offline)
    workflow = load_by(types, file, strict=strict, packs=packs)
    if out is None:
        print_json(workflow.prompt, indent=2)
    else:
        workflow.save(out)
        click.echo(f"wrote {out}: {len(workflow)} nodes", err=True)


@click.command(short_help="Say what the server would refuse, without sending it.")
@click.argument("file")
@catalogue_options
@conversion_options
@json_option
@server_options
def validate(
    *,
    connection: Connection,
    file: str,
    object_info: Path | None,
    offline: bool,
    strict: bool,
    packs: tuple[str, ...],
    as_json: bool,
) -> int:
    """Say what the server would refuse, drop or ignore in FILE, without sending it.

    Exit status 1 says that something would not run.
    """
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415

    types = read_types(connection, object_info, offline=offline)
    workflow = load_by(types, file, strict=strict, packs=packs)
    problems = workflow.validate(types.raw, version=types.version)
    if types.raw is None:
        problems = [problem for problem in problems if not _is_about_a_file(problem)]
    if as_json:
        print_json([asdict(problem) for problem in problems], indent=2)
    else:
        for problem in problems:
            click.echo(one_line(f"{problem.effect}: {problem.sentence}"))
        click.echo(
            f"{len(problems) or 'no'} problem{'s' * (len(problems) != 1)}, checked by {types.source}",
            err=True,
        )
    return 1 if any(problem.effect != "ignored" for problem in problems) else 0


def _is_about_a_file(problem: Problem) -> bool:
    """The snapshot has no models and no files, so it cannot miss any."""
    from comfywire.workflow.needs import is_model  # noqa: PLC0415

    return problem.type == "value_not_in_list" and (not problem.allowed or is_model(problem.value))
