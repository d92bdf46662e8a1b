"""Groups of commands that know what a mistyped one was meant to be."""

from __future__ import annotations

import click

__all__ = ["Group"]


class Group(click.Group):
    """Commands; a name that is none is told with the nearest."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that ``args`` begin with."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from comfywire.workflow.nearest import did_you_mean  # noqa: PLC0415 - the command starts quickly

            words = f"{error.message.rstrip('.')}{did_you_mean(args[0], self.list_commands(ctx))}"
            raise click.UsageError(words, ctx) from error
