"""``comfywire nodes``: search and show what node types there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from comfywire.cli.catalogues import catalogue_options, read_types
from comfywire.cli.connection import Connection, server_options
from comfywire.cli.failures import one_line
from comfywire.cli.options import json_option

if TYPE_CHECKING:
    from comfywire.workflow import ObjectInfo
    from comfywire.workflow.object_info import Input, NodeType

__all__ = ["nodes"]

SHOWN_CHOICES = 8


@click.command(short_help="List and show node types.")
@click.argument("name", required=False)
@catalogue_options
@json_option
@server_options
def nodes(
    *, connection: Connection, name: str | None, object_info: Path | None, offline: bool, as_json: bool
) -> None:
    """List node types; with NAME, show that one, or those that have it in their name, title or category."""
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415
    from comfywire.cli.terminal import print_table  # noqa: PLC0415
    from comfywire.workflow.catalogues.packaged import packaged  # noqa: PLC0415
    from comfywire.workflow.nearest import did_you_mean  # noqa: PLC0415
    from comfywire.workflow.object_info import ObjectInfo  # noqa: PLC0415

    types = read_types(connection, object_info, offline=offline)
    catalogue = packaged() if types.raw is None else ObjectInfo(types.raw)
    name = name or ""
    found = [name] if name in catalogue else list(_matching(catalogue, name.lower()))
    if not found:
        words = f"{types.source}: there is no node type {name!r}{did_you_mean(name, catalogue)}"
        raise click.ClickException(words)
    if as_json:
        print_json({class_type: catalogue.raw[class_type] for class_type in found}, indent=2)
    elif len(found) == 1:
        _show(catalogue[found[0]])
    else:
        print_table(
            ("class_type", "title", "category"),
            [(one, catalogue[one].display_name, catalogue[one].category) for one in found],
        )
    click.echo(f"from {types.source}", err=True)


def _matching(catalogue: ObjectInfo, part: str) -> Iterator[str]:
    for class_type in sorted(catalogue):
        node_type = catalogue[class_type]
        if any(part in text.lower() for text in (class_type, node_type.display_name, node_type.category)):
            yield class_type


def _show(node_type: NodeType) -> None:
    from comfywire.cli.terminal import print_table  # noqa: PLC0415

    marks = {
        "deprecated": node_type.is_deprecated,
        "experimental": node_type.is_experimental,
        "calls a paid service": node_type.is_api_node,
        "output node": node_type.is_output_node,
    }
    said = ", ".join(mark for mark, holds in marks.items() if holds)
    click.echo(one_line(f"{node_type.class_type}: {node_type.display_name}" + (f" ({said})" if said else "")))
    click.echo(one_line(f"{node_type.category} in {node_type.python_module}"))
    if node_type.description:
        click.echo(one_line(node_type.description))
    click.echo("\nInputs")
    print_table(
        ("name", "type", "", "default", "allowed", "help"),
        [
            (one.name, one.type, "" if one.required else "optional", one.default, _allowed(one), one.tooltip)
            for one in node_type.inputs.values()
        ],
    )
    click.echo("\nOutputs")
    print_table(
        ("slot", "name", "type"),
        [
            (slot, one.name, one.type + (" (list)" if one.is_list else ""))
            for slot, one in enumerate(node_type.outputs)
        ],
    )


def _allowed(one: Input) -> str:
    if one.choices is not None:
        more = f", ... {len(one.choices)} in all" if len(one.choices) > SHOWN_CHOICES else ""
        return ", ".join(map(str, one.choices[:SHOWN_CHOICES])) + more
    bounds = [f"{bound:g}" if bound is not None else "" for bound in (one.minimum, one.maximum)]
    return "..".join(bounds) if any(bounds) else ""
