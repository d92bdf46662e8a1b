"""``comfywire inspect``: what is in a workflow, what may be set, what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from comfywire.cli.catalogues import catalogue_options, is_model, read_types
from comfywire.cli.connection import Connection, server_options
from comfywire.cli.options import conversion_options, json_option
from comfywire.cli.workflow.workflow import load_by

if TYPE_CHECKING:
    from comfywire.workflow import Parameter, Parameters, Workflow

__all__ = ["allowed_of", "inspect"]

CORE = "comfy-core"
"""What the editor writes as the node pack of ComfyUI's own nodes, virtual ones among them."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that the workflow needs of a server.

    Attributes:
        kind: ``node type`` or ``model``.
        name: The class_type, or the file.
        where: The nodes that need it.
        source: The node pack, as far as is known.
        is_there: Whether it is there; None when nobody can tell.

    """

    kind: str
    name: str
    where: str
    source: str
    is_there: bool | None


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
    parameters = workflow.parameters()
    return {
        "nodes": [
            {"node_id": node.id, "class_type": node.class_type, "title": node.title, "inputs": node.inputs}
            for node in workflow
        ],
        "parameters": [asdict(parameter) for parameter in parameters.by_name.values()],
        "outputs": [
            {"node_id": node.id, "class_type": node.class_type, "title": node.title}
            for node in workflow.output_nodes
        ],
        "needs": [asdict(need) for need in _needs(workflow)],
    }


def _print(workflow: Workflow) -> None:
    from comfywire.cli.terminal import print_table  # noqa: PLC0415

    outputs = {node.id for node in workflow.output_nodes}
    sections: dict[str, tuple[tuple[str, ...], Sequence[Sequence[object]]]] = {
        "Nodes": (
            ("id", "class_type", "title", ""),
            [(n.id, n.class_type, n.title, "output" if n.id in outputs else "") for n in workflow],
        ),
        "Parameters (-p NAME=VALUE)": (
            ("name", "type", "value", "allowed", "drives"),
            [_row(parameter) for parameter in workflow.parameters().by_name.values()],
        ),
        "Needs": (
            ("what", "name", "there", "where", "from"),
            [(n.kind, n.name, THERE[n.is_there], n.where, n.source) for n in _needs(workflow)],
        ),
    }
    for heading, (columns, rows) in sections.items():
        click.echo(f"\n{heading}")
        print_table(columns, rows)


THERE = {True: "yes", False: "NO", None: "unknown"}


def _row(parameter: Parameter) -> tuple[str, str, object, str, str]:
    allowed = allowed_of(parameter.choices, parameter.minimum, parameter.maximum)
    return parameter.name, parameter.type, parameter.default, allowed, ", ".join(parameter.inputs)


def allowed_of(choices: Sequence[object], least: float | None, most: float | None) -> str:
    """Return what a parameter may be: the first choices, or the range; "" where it may be anything."""
    if choices:
        return ", ".join(map(str, choices[:6])) + (", ..." if len(choices) > 6 else "")
    if least is None and most is None:
        return ""
    return "..".join("" if bound is None else f"{bound:g}" for bound in (least, most))


def _needs(workflow: Workflow) -> Iterator[Need]:
    by_type: dict[str, list[str]] = {}
    for node in workflow:
        by_type.setdefault(node.class_type or "(no type)", []).append(node.id)
    packs = dict(_packs(workflow.document))
    for class_type, ids in by_type.items():
        definition = workflow.object_info.get(class_type)
        source = packs.get(class_type, "") if definition is None else definition.python_module
        yield Need("node type", class_type, ", ".join(ids), source, definition is not None)
    # A node of an unknown type may have been converted to nothing that names it.
    for class_type, pack in packs.items():
        if class_type not in by_type and class_type not in workflow.object_info and pack != CORE:
            yield Need("node type", class_type, "", pack, is_there=False)
    for node in workflow:
        for name, value in node.inputs.items():
            if is_model(value):
                spec = node.spec(name)
                offered = None if spec is None or spec.choices is None else value in spec.choices
                is_there = None if workflow.object_info.is_packaged else offered
                yield Need("model", value, f"{node.id}.{name}", "", is_there)


def _packs(document: object) -> Iterator[tuple[str, str]]:
    """Yield the node pack that the editor's document names for a type, wherever the node stands."""
    match document:
        case {"type": str(class_type), "properties": {**properties}}:
            pack = properties.get("cnr_id") or properties.get("aux_id")
            if isinstance(pack, str):
                yield class_type, pack
    for part in document.values() if isinstance(document, dict) else ():
        for inner in part if isinstance(part, list) else [part]:
            if isinstance(inner, dict):
                yield from _packs(inner)
