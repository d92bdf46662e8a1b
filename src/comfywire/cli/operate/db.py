"""``comfywire db``: the service's database."""

from __future__ import annotations

from pathlib import Path

import click

from comfywire.cli.connection import debug_option, wait_for
from comfywire.cli.groups import Group
from comfywire.cli.operate.database import database_options

__all__ = ["db"]


@click.group(cls=Group, short_help="Look after the service's database.")
@debug_option
def db() -> None:
    """Look after the job service's database."""


@db.command(short_help="Bring the schema up to date.")
@database_options
@debug_option
def upgrade(*, data: Path, database_url: str | None) -> None:
    """Bring the schema of the service's database up to date, and say what was done.

    `comfywire serve` does this by itself to the PostgreSQL in its data folder. No job is ever lost by it;
    dying in the middle leaves everything as it was.
    """
    steps = wait_for(_upgrade(data, database_url))
    for step in steps:
        click.echo(f"done: {step}")
    were = "1 step was" if len(steps) == 1 else f"{len(steps) or 'no'} steps were"
    click.echo(f"the schema is up to date; {were} missing")


async def _upgrade(data: Path, database_url: str | None) -> list[str]:
    try:
        from comfywire.service.migrate import migrate  # noqa: PLC0415
        from comfywire.service.postgres.embedded import database_at  # noqa: PLC0415
    except ModuleNotFoundError as error:
        from comfywire.errors import MissingExtra  # noqa: PLC0415

        raise MissingExtra("the job service", "service") from error
    async with database_at(data, database_url) as url:
        return await migrate(url)
