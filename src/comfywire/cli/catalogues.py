"""Which node types there are: from a file, from a server, or from the snapshot that ships with Comfywire."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from comfywire.errors import ConnectionFailed

from .connection import Connection, wait_for

__all__ = ["Types", "catalogue_options", "read_object_info", "read_types"]

SHIPPED = "the nodes of ComfyUI 0.33.0 that ship with comfywire"
Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Types:
    """What a workflow is read and checked by.

    Attributes:
        raw: As ``/object_info`` answers it, None for the snapshot.
        source: Where it comes from, in words.
        version: The server's, if it is one that says so.

    """

    raw: Mapping[str, Any] | None
    source: str
    version: str | None = None


def catalogue_options(command: Command) -> Command:
    """Add the options that say where node types come from."""
    file = click.option(
        "--object-info",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Node types as a server's /object_info answered them, instead of asking one.",
    )
    offline = click.option(
        "--offline", is_flag=True, help="Ask no server: use the node types that ship with comfywire."
    )
    return file(offline(command))


def read_types(connection: Connection, object_info: Path | None, *, offline: bool) -> Types:
    """Return the node types: a file's; a server's; and if none was named and none answers, the snapshot.

    Raises:
        click.BadParameter: The file is not what ``/object_info`` answers.
        ComfywireError: The server that was named cannot be asked.

    """
    if object_info is not None:
        return Types(read_object_info(object_info), str(object_info))
    if offline:
        return Types(None, SHIPPED)
    try:
        return wait_for(_from_server(connection))
    except ConnectionFailed:
        if connection.is_named:
            raise
        return Types(None, f"{SHIPPED}, as no server answers at {connection.shown}")


def read_object_info(path: Path) -> Mapping[str, Any]:
    """Return the node types in a file.

    Raises:
        click.BadParameter: It is not what ``/object_info`` answers.

    """
    try:
        raw = json.loads(path.read_bytes())
    except ValueError as error:
        raise click.BadParameter(f"{path} is not JSON: {error}", param_hint="--object-info") from error
    if not isinstance(raw, dict) or not all(isinstance(entry, dict) for entry in raw.values()):
        words = f"{path} is not what GET /object_info answers: an object with an object for each node type"
        raise click.BadParameter(words, param_hint="--object-info")
    return raw


async def _from_server(connection: Connection) -> Types:
    async with connection.client() as client:
        raw = await client.object_info()
        system = (await client.system_stats()).get("system") or {}
    version = system.get("comfyui_version")
    return Types(raw, f"{client.url}", version if isinstance(version, str) else None)
