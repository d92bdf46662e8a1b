"""``comfywire workflows``: those that are registered with the service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from comfywire.cli.connection import debug_option, wait_for
from comfywire.cli.durations import running_time
from comfywire.cli.failures import one_line
from comfywire.cli.groups import Group
from comfywire.cli.jobs.service import FILES, Service, service_options
from comfywire.cli.options import json_option
from comfywire.cli.workflow.inspecting import allowed_of

__all__ = ["workflows"]

OWN_FILE = (
    "comfywire: warning: {} need not be given, and is then {!r} on the ComfyUI that runs the job: "
    "if not all have that, take its default away"
)


@click.group(cls=Group, short_help="Register workflows with the job service.")
@debug_option
def workflows() -> None:
    """Register workflows with the job service, so that others run them by name and with typed inputs."""


@workflows.command(short_help="Register a workflow, or a new version of it.")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--params",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What can be set in it; by default the .params.toml beside FILE, or else what suggests itself.",
)
@click.option(
    "--description",
    default="",
    metavar="TEXT",
    help="For people and agents; by default the `description` of the .params.toml.",
)
@click.option("--output", "outputs", metavar="NAME", multiple=True, help="Run only this output. Repeatable.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Run it on servers with it. Repeatable.")
@click.option("--priority", type=click.IntRange(-20, 20), metavar="N", help="Higher ones go first.")
@click.option("--run-timeout", type=running_time, metavar="TIME", help="How long each job may run: 10m, 2h.")
@click.option(
    "--alias",
    "aliases",
    metavar="NAME",
    multiple=True,
    help="A model's name that OpenAI's API has it under, too: gpt-image-1. Repeatable; replaces all, and "
    "what the parameters' file says.",
)
@click.option(
    "--quality",
    "qualities",
    metavar="NAME:INPUT=VALUE",
    multiple=True,
    help="What a quality of OpenAI's API sets: low:steps=8. Repeatable.",
)
@click.option("--never-twice", is_flag=True, help="A prompt that a ComfyUI lost fails: for paid nodes.")
@json_option
@service_options
def add(
    *, service: Service, name: str, file: Path, params: Path | None, as_json: bool, **options: Any
) -> None:
    """Register the workflow in FILE, in any form that `comfywire run` takes, under NAME.

    What has changed is a new version; what has not is none. Jobs keep the version that they were made of.
    """
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415

    body = _body(file, params, **options)

    async def work() -> dict[str, Any]:
        async with service.client() as client:
            return dict(await client.ask("PUT", f"/api/v2/workflows/{name}", body))

    added = wait_for(work())
    for warning in added.get("warnings", ()):
        click.echo(one_line(f"comfywire: warning: {warning}"), err=True)
    if as_json:
        print_json(added)
        return
    settable = ", ".join(added["parameters"]) or "nothing"
    click.echo(f"{name} is registered in version {added['version']}; to set: {settable}")
    for parameter, about in added["parameters"].items():
        if about.get("type") in FILES and "default" in about and not about.get("required"):
            click.echo(OWN_FILE.format(parameter, about["default"]), err=True)


def _body(
    file: Path,
    params: Path | None,
    *,
    description: str,
    outputs: tuple[str, ...],
    tags: tuple[str, ...],
    priority: int | None,
    run_timeout: float | None,
    never_twice: bool,
    aliases: tuple[str, ...],
    qualities: tuple[str, ...],
) -> dict[str, Any]:
    from comfywire.workflow import Workflow  # noqa: PLC0415
    from comfywire.workflow.load import read_params  # noqa: PLC0415
    from comfywire.workflow.parameters.toml import parse_toml, to_tables  # noqa: PLC0415

    workflow = Workflow.load(file)
    # The service converts the editor's document itself: it knows the nodes of its servers.
    source = workflow.prompt if workflow.document is None else workflow.document
    if workflow.document is not None and file.suffix.lower() != ".json":
        source = workflow.prompt  # what ran is in the picture, and may differ from what was drawn
    described = (
        read_params(file) if params is None else parse_toml(params.read_text("utf-8-sig"), where=str(params))
    )
    options = {
        "outputs": list(outputs),
        "tags": list(tags),
        "priority": priority,
        "run_timeout": run_timeout,
        "retry": {"lost": False} if never_twice else None,
        "qualities": _qualities(qualities),
    }
    return {
        "workflow": source,
        "document": workflow.document,
        "options": {key: value for key, value in options.items() if value not in (None, [], {})},
        **({} if described is None else to_tables(described)),
        **({"aliases": list(aliases)} if aliases else {}),
        **({"description": description} if description else {}),
    }


def _qualities(texts: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return the inputs by quality; the service reads each value as its parameter does."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        quality, colon, setting = text.partition(":")
        name, equals, value = setting.partition("=")
        if not (quality and colon and name and equals):
            raise click.BadParameter(
                f"{text!r} is no quality: write it like low:steps=8", param_hint="--quality"
            )
        found.setdefault(quality, {})[name] = value
    return found


@workflows.command("list", short_help="Show what is registered.")
@json_option
@service_options
def list_workflows(*, service: Service, as_json: bool) -> None:
    """Show the newest version of every workflow; with --json, one a line."""
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415
    from comfywire.cli.terminal import print_table  # noqa: PLC0415

    async def work() -> list[dict[str, Any]]:
        async with service.client() as client:
            return list((await client.read("/api/v2/workflows"))["workflows"])

    found = wait_for(work())
    if as_json:
        for one in found:
            print_json(one)
        return
    rows = [(one["name"], one["version"], ", ".join(one["parameters"]), one["description"]) for one in found]
    print_table(("name", "version", "parameters", "description"), rows)
    if not found:
        click.echo("no workflow is registered: `comfywire workflows add NAME FILE`", err=True)


@workflows.command(short_help="Show what can be set in a workflow.")
@click.argument("name")
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="By default the newest.")
@click.option("--schema", "as_schema", is_flag=True, help="Print the JSON schema of its inputs.")
@json_option
@service_options
def show(*, service: Service, name: str, version: int | None, as_schema: bool, as_json: bool) -> None:
    """Show what can be set in a registered workflow, and what its outputs are called."""
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415
    from comfywire.cli.terminal import print_table  # noqa: PLC0415

    async def work() -> dict[str, Any]:
        async with service.client() as client:
            return dict(await client.read(f"/api/v2/workflows/{name}", version=version))

    found = wait_for(work())
    if as_schema or as_json:
        print_json(found["inputs_schema"] if as_schema else found, indent=2)
        return
    rows = [
        (parameter, about.get("type", "any"), _default(about), _allowed(about), about.get("help", ""))
        for parameter, about in found["parameters"].items()
    ]
    print_table(("parameter", "type", "default", "allowed", "help"), rows)


def _default(about: dict[str, Any]) -> str:
    if "default" in about:
        return json.dumps(about["default"])
    return "required" if about.get("required") else ""


def _allowed(about: dict[str, Any]) -> str:
    return allowed_of(about.get("choices", ()), about.get("min"), about.get("max"))


@workflows.command(short_help="Let nobody run a workflow any more.")
@click.argument("name")
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="Only this version.")
@service_options
def remove(*, service: Service, name: str, version: int | None) -> None:
    """Let nobody run a workflow any more, or one version of it; jobs that are there run on."""

    async def work() -> None:
        async with service.client() as client:
            await client.ask("DELETE", f"/api/v2/workflows/{name}", version=version)

    wait_for(work())
    click.echo(f"{name}{f' in version {version}' if version else ''} is removed")
