"""Files in and out: upload, download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from comfywire.cli.connection import Connection, server_options, wait_for
from comfywire.cli.failures import one_line
from comfywire.cli.options import check_writable, json_option, out_option

if TYPE_CHECKING:
    from comfywire.cli.run.ending import Saved
    from comfywire.client import Upload

__all__ = ["download", "upload"]


@click.command(short_help="Save what a prompt produced.")
@click.argument("prompt_id", metavar="ID")
@out_option
@json_option
@server_options
def download(*, connection: Connection, prompt_id: str, out: Path, as_json: bool) -> None:
    """Save everything that a prompt produced; waits for its end if it has not ended.

    What a prompt had finished before it failed is saved as well. Pictures that it sent over the socket
    (SaveImageWebsocket) cannot be had any more: that is said, and the status is 1.
    """
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415
    from comfywire.cli.run.dialect import describe_output  # noqa: PLC0415
    from comfywire.errors import JobError  # noqa: PLC0415

    check_writable(out)

    async def save() -> tuple[list[Saved], JobError | None]:
        from comfywire.cli.run.ending import Saved  # noqa: PLC0415

        async with connection.client() as client:
            failure: JobError | None = None
            try:
                result = await client.attach(prompt_id).result()
                for words in result.warnings:
                    if words not in result.missing:
                        click.echo(one_line(f"comfywire: warning: {words}"), err=True)
                outputs = list(result.outputs)
                result.must_be_whole()
            except JobError as error:
                failure, outputs = error, error.outputs
            saved = [Saved(output, await output.save_in(out)) for output in outputs if output.has_bytes]
            return saved, failure

    saved, failure = wait_for(save())
    if as_json:
        print_json([describe_output(one.output, one.path) for one in saved])
    else:
        for one in saved:
            click.echo(str(one.path))
    if failure is not None:
        raise failure


@click.command(short_help="Upload files of any kind.")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False), metavar="FILE..."
)
@click.option("--name", help="Keep it under this name; by default its own.")
@click.option("--subfolder", default="", metavar="DIR", help="Below the root; it is created.")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["input", "temp", "output"]),
    default="input",
    show_default=True,
    help="The root.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace a file of that name; else other content is numbered."
)
@json_option
@server_options
def upload(
    *,
    connection: Connection,
    files: tuple[str, ...],
    name: str | None,
    subfolder: str,
    kind: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Upload files of any kind, and print each as a workflow names it."""
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415

    if name is not None and len(files) > 1:
        raise click.UsageError("--name is for one FILE")

    async def send() -> list[Upload]:
        async with connection.client() as client:
            return [
                await client.upload(file, name=name, subfolder=subfolder, type=kind, overwrite=overwrite)
                for file in files
            ]

    uploads = wait_for(send())
    if as_json:
        print_json(
            [{"filename": one.filename, "subfolder": one.subfolder, "type": one.type} for one in uploads]
        )
    else:
        for one in uploads:
            click.echo(str(one))
