"""``comfywire inspect``: what is in a workflow, what may be set, what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from comfywire.cli.catalogues import catalogue_options, read_types
from comfywire.cli.connection import Connection, server_options
from comfywire.cli.options import conversion_options, json_option
from comfywire.cli.workflow.workflow import load_by

if TYPE_CHECKING:
    from comfywire.workflow import Parameter, Parameters, Workflow
    from comfywire.workflow.needs import Need

__all__ = ["allowed_of", "inspect"]


@click.command(short_help="Show what is in a workflow, and what it needs.")
@click.argument("file")
@catalogue_options
@click.option("--write", is_flag=True, help="Write the parameters to FILE's .params.toml, to edit by hand.")
@click.option(
    "--graph",
    type=click.Choice(["text", "mermaid", "svg"]),
    metavar="FORM",
    help="Print the graph instead: text, mermaid or svg.",
)
@conversion_options
@json_option
@server_options
def inspect(
    *,
    connection: Connection,
    file: str,
    object_info: Path | None,
    offline: bool,
    write: bool,
    graph: Any,
    strict: bool,
    packs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show what is in FILE: nodes, parameters, outputs, and what it needs of the server.

    FILE is a workflow in API format, the editor's own JSON, or a picture or video with a workflow inside.
    """
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415

    types = read_types(connection, object_info, offline=offline)
    workflow = load_by(types, file, strict=strict, packs=packs)
    if write:
        _write(file, workflow)
    elif graph is not None:
        click.echo(workflow.graph(graph))
    elif as_json:
        print_json(_described(workflow), indent=2)
    else:
        _print(workflow)
        click.echo(f"\nread by {types.source}", err=True)


def _write(file: str, workflow: Workflow) -> None:
    from comfywire.workflow.load import params_path, write_params  # noqa: PLC0415

    if file == "-":
        raise click.UsageError("--write needs a FILE to write beside")
    path = params_path(file)
    if path.exists():
        raise click.UsageError(f"{path} is there already: edit it, or move it away")
    click.echo(f"wrote {write_params(file, _without_files(workflow.parameters()))}")


def _without_files(parameters: Parameters) -> Parameters:
    """Without a default for files: what the author had is left to their own server, and no other has it."""
    by_name = {
        name: replace(parameter, default=None) if parameter.is_file else parameter
        for name, parameter in parameters.by_name.items()
    }
    return replace(parameters, by_name=by_name)


def _described(workflow: Workflow) -> dict[str, Any]:
    from comfywire.workflow.needs import needs_of  # noqa: PLC0415
    from comfywire.workflow.parameters.app_mode import opens_in_app_mode  # noqa: PLC0415

    parameters = workflow.parameters()
    return {
        "opens_in_app_mode": opens_in_app_mode(workflow),
        "nodes": [
            {"node_id": node.id, "class_type": node.class_type, "title": node.title, "inputs": node.inputs}
            for node in workflow
        ],
        "parameters": [asdict(parameter) for parameter in parameters.by_name.values()],
        "outputs": [
            {"node_id": node.id, "class_type": node.class_type, "title": node.title}
            for node in workflow.output_nodes
        ],
        "needs": [asdict(need) for need in needs_of(workflow)],
    }


def _print(workflow: Workflow) -> None:
    from comfywire.cli.terminal import print_table  # noqa: PLC0415
    from comfywire.workflow.needs import needs_of  # noqa: PLC0415

    outputs = {node.id for node in workflow.output_nodes}
    parameters = workflow.parameters()
    chosen = ", as the author chose them" if any(parameter.label for parameter in parameters) else ""
    sections: dict[str, tuple[tuple[str, ...], Sequence[Sequence[object]]]] = {
        "Nodes": (
            ("id", "class_type", "title", ""),
            [(n.id, n.class_type, n.title, "output" if n.id in outputs else "") for n in workflow],
        ),
        f"Parameters (-p NAME=VALUE){chosen}": (
            ("name", "type", "role", "value", "allowed", "drives"),
            [_row(parameter) for parameter in parameters],
        ),
        "Needs": (
            ("what", "name", "there", "where", "from", "folder", "hash"),
            [_need_row(need) for need in needs_of(workflow)],
        ),
    }
    for heading, (columns, rows) in sections.items():
        click.echo(f"\n{heading}")
        print_table(columns, rows)


def _need_row(need: Need) -> tuple[str, ...]:
    source = need.source or need.url
    return need.kind, need.name, THERE[need.is_there], need.where, source, need.folder, need.hash


THERE = {True: "yes", False: "NO", None: "unknown"}


def _row(parameter: Parameter) -> tuple[str, str, str, object, str, str]:
    allowed = allowed_of(parameter.choices, parameter.minimum, parameter.maximum)
    drives = ", ".join(parameter.inputs)
    return parameter.name, parameter.type, parameter.role, parameter.default, allowed, drives


def allowed_of(choices: Sequence[object], least: float | None, most: float | None) -> str:
    """Return what a parameter may be: the first choices, or the range; "" where it may be anything."""
    if choices:
        return ", ".join(map(str, choices[:6])) + (", ..." if len(choices) > 6 else "")
    if least is None and most is None:
        return ""
    return "..".join("" if bound is None else f"{bound:g}" for bound in (least, most))
