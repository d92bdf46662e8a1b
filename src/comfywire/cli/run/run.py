"""``comfywire run``: submit a workflow, follow it, save what it makes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from comfywire.cli.connection import Connection, server_options, wait_for
from comfywire.cli.failures import one_line
from comfywire.cli.options import api_key_option, check_writable, conversion_options, out_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfywire.cli.run.following import RunOrder
    from comfywire.cli.run.reports import Report

__all__ = ["choose_report", "run"]


def _pairs(ctx: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    del ctx, parameter
    for text in texts:
        if "=" not in text:
            raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE")
    pairs = [(name.strip(), value) for name, _, value in (text.partition("=") for text in texts)]
    for at, (name, _) in enumerate(pairs):
        if name in dict(pairs[:at]):
            raise click.BadParameter(f"{name!r} is given twice: give it once")
    return dict(pairs)


@click.command(short_help="Run a workflow and save everything that it makes.")
@click.argument("file")
@click.option(
    "--set",
    "settings",
    metavar="NODE.INPUT=VALUE",
    multiple=True,
    help="Change an input; NODE is an id, a title, or a class_type that stands once. Where the input takes "
    "an upload, a file that exists is uploaded. Repeatable.",
)
@click.option(
    "-p",
    "--param",
    "values",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_pairs,
    help="Set a parameter, as `comfywire inspect FILE` lists them; files are uploaded. Repeatable.",
)
@click.option(
    "--output",
    "outputs",
    metavar="NAME",
    multiple=True,
    help="Run only this output: an id, a title, or a name from the parameters. Repeatable.",
)
@click.option(
    "--validate", "check", is_flag=True, help="Look for mistakes first, by what the server says of its nodes."
)
@out_option
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Cancel the prompt if it has not ended by then, waiting in the queue included.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object for each event; the last is the result, but with --detach there is none.",
)
@click.option("--no-save", is_flag=True, help="Leave the results on the server.")
@click.option("--show", is_flag=True, help="Draw previews and results in the terminal.")
@click.option(
    "--resubmit",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Submit again a prompt that the server lost, up to N times.",
)
@api_key_option
@click.option("--front", is_flag=True, help="Overtake what is queued.")
@click.option(
    "--detach", is_flag=True, help="Print the prompt's id once it is queued; `comfywire watch ID` follows it."
)
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Run it N times; what is random is drawn anew each time.",
)
@conversion_options
@server_options
def run(
    *,
    connection: Connection,
    file: str,
    settings: tuple[str, ...],
    values: Mapping[str, str],
    outputs: tuple[str, ...],
    check: bool,
    out: Path,
    timeout: float | None,
    as_json: bool,
    no_save: bool,
    show: bool,
    resubmit: int,
    api_key: str | None,
    front: bool,
    detach: bool,
    repeat: int,
    strict: bool,
    packs: tuple[str, ...],
) -> int:
    """Run the workflow in FILE and save everything that it makes.

    FILE is a workflow in API format, the editor's own JSON, or a picture or video that ComfyUI saved with
    the workflow inside; - reads standard input. Ctrl-C cancels the prompt that was submitted, and no other.
    """
    from comfywire.cli.run.following import RunOrder  # noqa: PLC0415 - this and what follows imports the HTTP client
    from comfywire.client.preparing import Request  # noqa: PLC0415

    if show and as_json:
        raise click.UsageError("--show draws and --json does not: give one of them")
    if detach and no_save:
        raise click.UsageError("--detach saves nothing anyway: leave --no-save out")
    if detach and (show or resubmit or timeout is not None):
        raise click.UsageError(
            "--detach waits for nothing: --show, --timeout and --resubmit do not go with it"
        )
    if detach and click.get_current_context().get_parameter_source("out") is not ParameterSource.DEFAULT:
        raise click.UsageError("--detach saves nothing: `comfywire watch ID --out DIR` does that later")
    if not no_save and not detach:
        check_writable(out)
    order = RunOrder(
        Request(
            sys.stdin.buffer.read() if file == "-" else file,
            values,
            settings=settings,
            outputs=outputs,
            is_checked=check,
            is_strict=strict,
            packs=packs,
        ),
        out=None if no_save else out,
        timeout=timeout,
        resubmit=resubmit,
        is_first=front,
        api_key=api_key,
    )
    if detach:
        return max(_leave(connection, order, as_json=as_json) for _ in range(repeat))
    return _follow_all(connection, order, repeat, as_json=as_json, show=show)


def _leave(connection: Connection, order: RunOrder, *, as_json: bool) -> int:
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415
    from comfywire.cli.run.following import leave  # noqa: PLC0415
    from comfywire.cli.run.reports import drawn_lines  # noqa: PLC0415

    left = wait_for(leave(connection.client(), order))
    if as_json:
        print_json({"event": "submitted", "prompt_id": left.prompt_id, "inputs": dict(left.inputs)})
    else:
        click.echo(left.prompt_id)
        for line in drawn_lines(left.inputs, left.drawn):
            click.echo(one_line(line), err=True)
    for words in left.dropped:
        click.echo(one_line(f"comfywire: {words}"), err=True)
    return 1 if left.dropped else 0


def _follow_all(connection: Connection, order: RunOrder, count: int, *, as_json: bool, show: bool) -> int:
    """Run it so often; the first failure is raised at the end, Ctrl-C at once."""
    from comfywire.cli.failures import Stopped  # noqa: PLC0415
    from comfywire.cli.run.following import follow  # noqa: PLC0415

    errors: list[BaseException] = []
    for _ in range(count):
        with choose_report(as_json=as_json, show=show) as report:
            ending = wait_for(follow(connection.client(), order, report))
            report.ended(ending)
        errors += ending.errors
        if isinstance(ending.error, Stopped):
            raise ending.error
    if errors:
        raise errors[0]
    return 0


def choose_report(*, as_json: bool = False, show: bool = False) -> Report:
    """Return how to tell what happens: JSON, a live display on a terminal, plain lines into a pipe.

    Raises:
        MissingExtra: The user wants to see pictures, and what draws them is not installed.

    """
    from comfywire.cli.run.reports import JsonReport, PlainReport  # noqa: PLC0415

    if as_json:
        return JsonReport()
    from comfywire.cli.run.live import LiveReport  # noqa: PLC0415
    from comfywire.cli.terminal import is_terminal  # noqa: PLC0415

    painter = None
    if show:
        from comfywire.cli.pictures import Painter  # noqa: PLC0415

        painter = Painter()
    return LiveReport(painter) if is_terminal() else PlainReport()
