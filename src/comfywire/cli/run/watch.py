"""``comfywire watch``: follow a prompt that somebody else, or an earlier command, submitted."""

from __future__ import annotations

from pathlib import Path

import click

from comfywire.cli.connection import Connection, server_options, wait_for
from comfywire.cli.options import check_writable
from comfywire.cli.run.run import choose_report

__all__ = ["watch"]


@click.command(short_help="Follow a prompt to its end.")
@click.argument("prompt_id", metavar="ID")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Save what it makes here, once it has ended; a file that is there is never replaced.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object for each event; the last is the result."
)
@server_options
def watch(*, connection: Connection, prompt_id: str, out: Path | None, as_json: bool) -> int:
    """Follow a prompt of a ComfyUI to its end, whoever submitted it; Ctrl-C leaves it alone.

    Its messages go to whoever submitted it: what is told here is found by reading. Without --out nothing is
    saved; `comfywire download ID` does that later. `comfywire wait ID` follows a job of the job service.
    """
    from comfywire.cli.run.following import RunOrder, watch  # noqa: PLC0415
    from comfywire.client.preparing import Request  # noqa: PLC0415

    if out is not None:
        check_writable(out)
    with choose_report(as_json=as_json) as report:
        ending = wait_for(watch(connection.client(), prompt_id, RunOrder(Request({}), out), report))
        report.ended(ending)
    if ending.errors:
        raise ending.errors[0]
    return 0
