"""``comfywire doctor``: is the server ready, and if not, what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from comfywire.cli.connection import Connection, server_options, wait_for
from comfywire.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfywire.client import Client
    from comfywire.client.check import Finding
    from comfywire.workflow.needs import Need

__all__ = ["doctor"]

MARKS = {True: "ok", False: "FAILED", None: "skipped"}


@click.command(short_help="Check that the server can be used.")
@click.option("--no-prompt", is_flag=True, help="Queue nothing: whether events arrive is not found out then.")
@click.option(
    "--workflow",
    "file",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Say which node types and models of FILE the server lacks, and where FILE says they come from.",
)
@json_option
@server_options
def doctor(*, connection: Connection, no_prompt: bool, file: str | None, as_json: bool) -> int:
    """Check that the server can be used: reached, read, written to, and heard.

    Runs one tiny prompt of core nodes. Exit status 1 says that something does not work or is lacking, 2 that
    nothing works.
    """
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415
    from comfywire.cli.terminal import print_table  # noqa: PLC0415

    findings = wait_for(_check(connection, file, no_prompt=no_prompt))
    if as_json:
        print_json([asdict(finding) for finding in findings], indent=2)
    else:
        print_table(("check", "", "found"), [(one.name, MARKS[one.ok], _words(one)) for one in findings])
    if len(findings) == 1:
        return 2
    return 1 if any(finding.ok is False for finding in findings) else 0


async def _check(connection: Connection, file: str | None, *, no_prompt: bool) -> Sequence[Finding]:
    async with connection.client() as client:
        findings = await client.check(no_prompt=no_prompt)
        if file is None or len(findings) == 1:
            return findings
        return [*findings, *await _lacking(client, file)]


async def _lacking(client: Client, file: str) -> list[Finding]:
    """Return what the server lacks of a workflow, or that it lacks nothing."""
    import asyncio  # noqa: PLC0415

    from comfywire.client.check import Finding  # noqa: PLC0415
    from comfywire.workflow import Workflow  # noqa: PLC0415
    from comfywire.workflow.needs import needs_of  # noqa: PLC0415

    workflow = await asyncio.to_thread(Workflow.load, file, await client.catalogue.described())
    needs = needs_of(workflow)
    lacking = [finding for need in needs if (finding := _finding(need)) is not None]
    if lacking:
        return lacking
    types = sum(need.kind == "node type" for need in needs)
    words = f"the server has its {types} node types, and lacks none of its {len(needs) - types} models"
    return [Finding("workflow", ok=True, sentence=words)]


def _finding(need: Need) -> Finding | None:
    from comfywire.client.check import Finding  # noqa: PLC0415

    if need.is_there is not False:
        return None
    where = f", which {need.where} needs" if need.where else ""
    if need.kind == "node type":
        words = f"the server has no node type {need.name!r}{where}"
        step = f"install the node pack {need.source}" if need.source else "install the node pack that has it"
        return Finding("node type", ok=False, sentence=words, next_step=step)
    words = f"the server does not offer {need.name!r}{where}"
    return Finding("model", ok=False, sentence=words, next_step=_where_to_get(need))


def _where_to_get(need: Need) -> str:
    if not need.url:
        return "the file does not say where it comes from"
    folder = f" into models/{need.folder}" if need.folder else ""
    checked = f" ({need.hash})" if need.hash else ""
    return f"download {need.url}{folder}{checked}"


def _words(finding: Finding) -> str:
    return f"{finding.sentence}; {finding.next_step}" if finding.next_step else finding.sentence
