"""``comfywire mcp``: a job service, or one ComfyUI, as an MCP server of a desktop client."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import click

from comfywire.cli.connection import Connection, wait_for
from comfywire.cli.jobs.service import Service, service_options
from comfywire.errors import MissingExtra

__all__ = ["mcp"]

INLINE_BYTES = 1 << 20
"""The most that a picture in an answer may have, as with the service's --mcp-inline-bytes."""


@click.command(short_help="Be the MCP server of a desktop client, in front of a job service or a ComfyUI.")
@service_options
@click.option("--server", metavar="URL", help="A ComfyUI, in place of a service; with --workflows.")
@click.option(
    "--token", metavar="TOKEN", envvar="COMFYWIRE_TOKEN", show_envvar=True, help="Sent to --server."
)
@click.option(
    "--workflows",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Workflow files for --server: each is a tool, with the .params.toml beside it.",
)
@click.option(
    "--wait",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=50.0,
    show_default=True,
    help="How long a call waits for its job on --server.",
)
def mcp(
    *, service: Service, server: str | None, token: str | None, workflows: Path | None, wait: float
) -> None:
    """Pass on what an MCP client writes to standard input to a job service, and write what it answers.

    For desktop clients that start their servers as programs; those that speak HTTP need only the service's
    address, with /mcp behind it. Ends with its input.

    With --server and --workflows no service is needed: the files of a folder are the tools, and the ComfyUI
    runs them. That needs the extra 'mcp'.
    """
    if server is not None:
        if workflows is None:
            raise click.UsageError("--server goes with --workflows, the folder of the files to run")
        connection = Connection(server, token, verify=service.verify)
        wait_for(_serve(connection, workflows, wait))
        return
    if workflows is not None:
        raise click.UsageError("--workflows goes with --server: a service has workflows of its own")
    from comfywire.service_client.mcp_relay import McpRelay  # noqa: PLC0415 - with its HTTP client

    try:
        relay = McpRelay(service.url, key=service.key, verify=service.verify)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--service") from error
    wait_for(relay.run(_lines(), _write))


async def _serve(connection: Connection, folder: Path, wait: float) -> None:
    try:
        from comfywire.agent.desk import Desk  # noqa: PLC0415 - of the extra
        from comfywire.agent.stdio import serve  # noqa: PLC0415
        from comfywire.agent.workshop import Workshop  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise MissingExtra("comfywire mcp --server", "mcp") from error
    logging.basicConfig(format="comfywire: %(message)s")  # to stderr: what is said on stdout is MCP
    async with connection.client() as client:
        await serve(Desk(client, Workshop(folder, client), wait=wait, inline_bytes=INLINE_BYTES))


async def _lines() -> AsyncIterator[str]:
    # In a thread: Windows has no other way to wait for a pipe of this kind.
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        if text := line.decode("utf-8", "replace").strip():
            yield text


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()
