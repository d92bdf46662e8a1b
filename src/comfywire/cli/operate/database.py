"""Which database a command of the service works on, spelled and meant alike in all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from comfywire.cli.calling import quoted

__all__ = ["database_options", "database_words"]

DATA = Path("comfywire-data")

_data = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=DATA,
    show_default=True,
    envvar="COMFYWIRE_DATA",
    show_envvar=True,
    metavar="DIR",
    help="The service's folder; its PostgreSQL is in it, unless --database-url names another.",
)
_database_url = click.option(
    "--database-url",
    envvar="COMFYWIRE_DATABASE_URL",
    show_envvar=True,
    metavar="URL",
    help="Your own PostgreSQL: postgresql://user:password@host/name.",
)


def database_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--data`` and ``--database-url``; they arrive as ``data`` and ``database_url``."""
    return _data(_database_url(command))


def database_words(data: Path, database_url: str | None) -> str:
    """Return what a printed command needs to find the same database; an address may have a password in it."""
    if database_url is not None:
        return " --database-url ..."
    return "" if data == DATA else f" --data {quoted(str(data.absolute()))}"
