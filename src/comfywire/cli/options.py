"""Options that several commands have, spelled and meant alike."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

__all__ = ["check_writable", "json_option", "out_option"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where results are saved, under the server's names; a file that is there is never replaced. "
    "By default here.",
)


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
