"""Options that several commands have, spelled and meant alike."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["api_key_option", "check_writable", "conversion_options", "json_option", "out_option"]

Command = Callable[..., Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
api_key_option = click.option(
    "--api-key",
    metavar="KEY",
    envvar="COMFYWIRE_COMFY_API_KEY",
    show_envvar=True,
    help="A key of platform.comfy.org, for paid nodes; it is shown and kept nowhere.",
)
out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where results are saved, under the server's names; a file that is there is never replaced. "
    "By default here.",
)


def conversion_options(command: Command) -> Command:
    """Add ``strict`` and ``packs``: how a workflow of the editor's is converted."""
    strict = click.option("--strict", is_flag=True, help="Refuse a workflow whose conversion has warnings.")
    packs = click.option(
        "--pack",
        "packs",
        type=click.Path(exists=True, dir_okay=False),
        metavar="FILE.py",
        multiple=True,
        help="Run this Python file, whose PACK says what a node pack's JavaScript does. Repeatable.",
    )
    return strict(packs(command))


def check_writable(folder: Path) -> None:
    """Make the folder, and learn before the server works for minutes that its results cannot be saved.

    Raises:
        click.BadParameter: They cannot.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        words = f"nothing can be written to {str(folder)!r}: {error.strerror}"
        raise click.BadParameter(words, param_hint="--out") from error
