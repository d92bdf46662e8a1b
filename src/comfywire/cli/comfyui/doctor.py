"""``comfywire doctor``: is the server ready, and if not, what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from comfywire.cli.connection import Connection, server_options, wait_for
from comfywire.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfywire.client.check import Finding

__all__ = ["doctor"]

MARKS = {True: "ok", False: "FAILED", None: "skipped"}


@click.command(short_help="Check that the server can be used.")
@click.option("--no-prompt", is_flag=True, help="Queue nothing: whether events arrive is not found out then.")
@json_option
@server_options
def doctor(*, connection: Connection, no_prompt: bool, as_json: bool) -> int:
    """Check that the server can be used: reached, read, written to, and heard.

    Runs one tiny prompt of core nodes. Exit status 1 says that something does not work, 2 that nothing does.
    """
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415
    from comfywire.cli.terminal import print_table  # noqa: PLC0415

    findings = wait_for(_check(connection, no_prompt=no_prompt))
    if as_json:
        print_json([asdict(finding) for finding in findings], indent=2)
    else:
        print_table(("check", "", "found"), [(one.name, MARKS[one.ok], _words(one)) for one in findings])
    if len(findings) == 1:
        return 2
    return 1 if any(finding.ok is False for finding in findings) else 0


async def _check(connection: Connection, *, no_prompt: bool) -> Sequence[Finding]:
    async with connection.client() as client:
        return await client.check(no_prompt=no_prompt)


def _words(finding: Finding) -> str:
    return f"{finding.sentence}; {finding.next_step}" if finding.next_step else finding.sentence
