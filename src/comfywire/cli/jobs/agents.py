"""``comfywire mcp``: a job service as an MCP server of a desktop client, over standard input and output."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import click

from comfywire.cli.connection import wait_for
from comfywire.cli.jobs.service import Service, service_options

__all__ = ["mcp"]


@click.command(short_help="Be the MCP server of a desktop client, in front of a job service.")
@service_options
def mcp(*, service: Service) -> None:
    """Pass on what an MCP client writes to standard input to a job service, and write what it answers.

    For desktop clients that start their servers as programs; those that speak HTTP need only the service's
    address, with /mcp behind it. Ends with its input.
    """
    from comfywire.service_client.mcp_relay import McpRelay  # noqa: PLC0415 - with its HTTP client

    try:
        relay = McpRelay(service.url, key=service.key, verify=service.verify)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--service") from error
    wait_for(relay.run(_lines(), _write))


async def _lines() -> AsyncIterator[str]:
    # In a thread: Windows has no other way to wait for a pipe of this kind.
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        if text := line.decode("utf-8", "replace").strip():
            yield text


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()
