"""The server itself: stats, models, free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from comfywire.cli.connection import Connection, server_options, wait_for
from comfywire.cli.options import json_option
from comfywire.errors import ServerError

__all__ = ["free", "models", "stats"]


@click.command(short_help="Show versions, memory and devices.")
@json_option
@server_options
def stats(*, connection: Connection, as_json: bool) -> None:
    """Show the server's versions, memory and devices."""
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415
    from comfywire.cli.terminal import print_table  # noqa: PLC0415

    async def read() -> dict[str, Any]:
        async with connection.client() as client:
            return await client.system_stats()

    answer = wait_for(read())
    if as_json:
        print_json(answer, indent=2)
    else:
        print_table(("", ""), _lines(answer))


def _lines(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    system = answer.get("system") or {}
    for name, value in system.items():
        if not name.startswith("ram_"):
            yield name, " ".join(map(str, value)) if isinstance(value, list) else str(value)
    yield "ram", _memory(system.get("ram_free"), system.get("ram_total"))
    for device in answer.get("devices") or ():
        yield str(device.get("name")), _memory(device.get("vram_free"), device.get("vram_total"))


def _memory(free_bytes: object, total_bytes: object) -> str:
    if not isinstance(free_bytes, int | float) or not isinstance(total_bytes, int | float):
        return "unknown"
    return f"{free_bytes / 2**30:.1f} of {total_bytes / 2**30:.1f} GiB free"


@click.command(short_help="List model folders and their files.")
@click.argument("folder", required=False)
@json_option
@server_options
def models(*, connection: Connection, folder: str | None, as_json: bool) -> None:
    """List the server's model folders, or the files of FOLDER as nodes want them."""
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415

    async def read() -> list[str]:
        async with connection.client() as client:
            return await client.models(folder)

    try:
        names = wait_for(read())
    except ServerError as error:
        if error.status != 404 or folder is None:
            raise
        if not error.body.startswith("there is no model folder"):
            raise
        raise click.UsageError(f"{connection.shown}: {error.body}") from error
    if as_json:
        print_json(names)
        return
    for name in names:
        click.echo(name)


@click.command(short_help="Unload models and forget cached outputs.")
@click.option("--keep-models", is_flag=True, help="Only forget cached outputs.")
@server_options
def free(*, connection: Connection, keep_models: bool) -> None:
    """Unload models and forget cached outputs, as soon as the running prompt has ended."""

    async def ask() -> None:
        async with connection.client() as client:
            await client.free(unload_models=not keep_models)

    wait_for(ask())
    what = "its cached outputs" if keep_models else "its models and cached outputs"
    click.echo(f"asked the server to free {what}")
