"""Tables, and whether somebody looks at them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .failures import one_line

__all__ = ["is_terminal", "print_table"]


def is_terminal() -> bool:
    """Whether somebody watches stdout on a terminal that can move its cursor."""
    return sys.stdout.isatty() and not Console().is_dumb_terminal


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns; into a pipe, tab-separated and without the heading, for cut and awk."""
    cells = [[one_line("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not is_terminal():
        for row in cells:
            click.echo("\t".join(row))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)
