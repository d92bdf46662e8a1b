"""``comfywire submit`` and ``comfywire wait``: jobs of the service, from the file to the saved results."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from comfywire.cli.connection import wait_for
from comfywire.cli.jobs.each import entries_of, read_rows
from comfywire.cli.jobs.files_here import given, judge_of, judge_registered, uploaded
from comfywire.cli.jobs.service import FILES, Service, labels, service_options
from comfywire.cli.options import api_key_option, check_writable, conversion_options

if TYPE_CHECKING:
    from comfywire.errors import JobError
    from comfywire.service_client.client import ServiceClient

__all__ = ["submit", "wait"]

MOST_SEED_BITS = 64
out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Save what it makes here, once it has ended; a file that is there is never replaced.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object for each event; the last is the result."
)


@dataclass(frozen=True, slots=True)
class ServiceOrder:
    """What the user asked for."""

    what: str
    values: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    version: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False
    packs: tuple[str, ...] = ()


@click.command(short_help="Give a workflow to the job service.")
@click.argument("what", metavar="FILE|NAME")
@click.option(
    "-p",
    "--param",
    "values",
    metavar="NAME=VALUE",
    multiple=True,
    callback=labels,
    help="Set a parameter; files are uploaded. Repeatable.",
)
@click.option("--output", "outputs", metavar="NAME", multiple=True, help="Run only this output. Repeatable.")
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="Of a registered workflow.")
@click.option(
    "--label",
    "labels",
    metavar="NAME=VALUE",
    multiple=True,
    callback=labels,
    help="Write it on the job, to find it by. Repeatable.",
)
@click.option("--priority", type=click.IntRange(-20, 20), metavar="N", help="Higher ones go first.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Run it on servers with it. Repeatable.")
@click.option("--webhook", metavar="URL", help="Tell this address how it ended.")
@click.option(
    "--webhook-event",
    "webhook_events",
    type=click.Choice(["job.started", "job.progress"]),
    multiple=True,
    help="Tell it of this, too. Repeatable.",
)
@click.option(
    "--queue-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Let it expire if it still waits by then.",
)
@click.option(
    "--each",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.csv",
    help="A batch: one job for each row. Its first line names parameters; paths begin at its folder.",
)
@click.option("--wait", "waits", is_flag=True, help="Follow it to its end; --out does so, too.")
@out_option
@api_key_option
@conversion_options
@json_option
@service_options
def submit(
    *,
    service: Service,
    what: str,
    values: Mapping[str, str],
    outputs: tuple[str, ...],
    version: int | None,
    each: Path | None,
    waits: bool,
    out: Path | None,
    strict: bool,
    packs: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> int:
    """Give a workflow to the job service; it is safe there when this returns.

    FILE is a workflow in any form that `comfywire run` takes; NAME one that is registered with the service,
    as `comfywire workflows list` shows them. A file of that name wins. - reads standard input. Without --wait
    or --out it returns at once, and `comfywire wait ID` follows the job later.
    """
    from comfywire.cli.jobs.service_following import follow_all, follow_batch  # noqa: PLC0415
    from comfywire.cli.jobs.service_telling import choose_teller  # noqa: PLC0415

    if out is not None:
        check_writable(out)
    order = ServiceOrder(what, values, outputs, version, _options(**options), strict=strict, packs=packs)
    rows = None if each is None else read_rows(each)
    if rows is not None and options["webhook_events"]:
        raise click.UsageError("a batch tells of its end alone: leave --webhook-event out, or --each")

    async def work() -> list[JobError]:
        async with service.client() as client:
            with choose_teller(as_json=as_json) as teller, client.news.told_to(teller.service):
                if rows is not None and each is not None:
                    batch = await _submit_batch(client, order, rows, each.parent)
                    click.echo(json.dumps(batch) if as_json else f"batch {batch['id']}: {batch['size']} jobs")
                    return await follow_batch(client, batch["id"], teller, out) if waits or out else []
                job = await _submit(client, order)
                teller.submitted(job)
                return await follow_all(client, [job["id"]], teller, out) if waits or out else []

    return _ended(wait_for(work()))


def _options(
    *,
    labels: Mapping[str, str],
    priority: int | None,
    tags: tuple[str, ...],
    webhook: str | None,
    webhook_events: tuple[str, ...],
    queue_timeout: float | None,
    api_key: str | None,
) -> dict[str, Any]:
    """As the service's body has them; what was not said is left out."""
    said = {
        "metadata": dict(labels),
        "priority": priority,
        "tags": list(tags),
        "webhook_url": webhook,
        "webhook_events": list(webhook_events),
        "queue_timeout": queue_timeout,
        "extra_data": {} if api_key is None else {"api_key_comfy_org": api_key},
    }
    return {name: value for name, value in said.items() if value not in (None, {}, [])}


async def _submit(client: ServiceClient, order: ServiceOrder) -> dict[str, Any]:
    is_file = order.what == "-" or await asyncio.to_thread(Path(order.what).is_file)
    if is_file and order.version is not None:
        raise click.UsageError(f"--version is for registered workflows, and {order.what!r} is a file")
    submit_it = _submit_file if is_file else _submit_registered
    return await submit_it(client, order)


async def _submit_file(client: ServiceClient, order: ServiceOrder) -> dict[str, Any]:
    import secrets  # noqa: PLC0415

    from comfywire.client.preparing import read_parameters  # noqa: PLC0415
    from comfywire.workflow import Workflow  # noqa: PLC0415

    source: str | bytes = sys.stdin.buffer.read() if order.what == "-" else order.what
    workflow = await asyncio.to_thread(Workflow.load, source, strict=order.strict, packs=order.packs)
    for warning in workflow.warnings:
        click.echo(f"comfywire: warning: {warning}", err=True)
    parameters = await read_parameters(source) or workflow.parameters()
    bound = workflow.bind(order.values, parameters, new_seed=lambda: secrets.randbits(MOST_SEED_BITS))
    judge = judge_of(
        {
            file.parameter: [workflow[node].inputs.get(name) for node, name in file.inputs]
            for file in bound.files
        }
    )
    for file in bound.files:
        bound.place(file, await given(client, file.parameter, str(file.source), judge))
    body = {"workflow": bound.workflow.prompt, **order.options}
    if order.outputs:
        body["targets"] = parameters.select_outputs(bound.workflow, order.outputs)
    job = dict(await client.ask("POST", "/api/v2/jobs", body))
    return job | {"drawn": {name: bound.values[name] for name in bound.drawn}}


async def _submit_batch(
    client: ServiceClient, order: ServiceOrder, rows: list[dict[str, str]], folder: Path
) -> dict[str, Any]:
    """Submit a job for each row: of a registered workflow, or of a file with its own parameters."""

    async def upload(value: str) -> Any:
        return await uploaded(client, value)

    body: dict[str, Any] = {**order.options, **({"outputs": list(order.outputs)} if order.outputs else {})}
    placing = None
    if await asyncio.to_thread(Path(order.what).is_file):
        from comfywire.cli.jobs.placing import Placing  # noqa: PLC0415
        from comfywire.client.preparing import read_parameters  # noqa: PLC0415
        from comfywire.workflow import Workflow  # noqa: PLC0415

        if await read_parameters(order.what) is not None:
            raise click.UsageError(
                f"{order.what!r} has a .params.toml, which a batch does not read: register it with "
                "`comfywire workflows add`, and submit it by its name"
            )
        workflow = await asyncio.to_thread(Workflow.load, order.what, strict=order.strict, packs=order.packs)
        for warning in workflow.warnings:
            click.echo(f"comfywire: warning: {warning}", err=True)
        body["workflow"] = workflow.prompt
        placing = Placing(workflow)
        rows = await asyncio.to_thread(placing.judged, rows, order.values)
        parameters = placing.parameters
        files = {parameter.name for parameter in parameters if parameter.is_file}
        judge = judge_of({parameter.name: [parameter.default] for parameter in parameters})
    else:
        found = await _registered(client, order)
        body |= {"name": order.what, "version": found["version"]}
        files = {name for name, about in found["parameters"].items() if about.get("type") in FILES}
        judge = judge_registered
    entries = await entries_of(rows, folder, order.values, files, upload=upload, refusal=judge)
    body["inputs"] = entries if placing is None else list(map(placing.by_place, entries))
    return dict(await client.ask("POST", "/api/v2/batches", body))


async def _registered(client: ServiceClient, order: ServiceOrder) -> dict[str, Any]:
    """Return what the service knows of a workflow by its name, or say that a file is missing, too."""
    from comfywire.service_client.answers import ServiceRefused  # noqa: PLC0415

    if "/" in order.what:
        raise click.BadParameter(f"there is no file {order.what!r}", param_hint="FILE|NAME")
    try:
        return dict(await client.read(f"/api/v2/workflows/{order.what}", version=order.version))
    except ServiceRefused as error:
        if error.status != 404 or order.version is not None:
            raise
        words = f"there is no file {order.what!r} here, and {error}"
        raise click.BadParameter(words, param_hint="FILE|NAME") from error


async def _submit_registered(client: ServiceClient, order: ServiceOrder) -> dict[str, Any]:
    found = await _registered(client, order)
    files = {name for name, about in found["parameters"].items() if about.get("type") in FILES}
    inputs = dict(order.values)
    for name in files & inputs.keys():
        inputs[name] = await given(client, name, inputs[name], judge_registered)
    body = {"inputs": inputs, **order.options, **({"outputs": list(order.outputs)} if order.outputs else {})}
    path = f"/api/v2/workflows/{order.what}/jobs"
    job = dict(await client.ask("POST", path, body, version=found["version"]))
    return job | {"drawn": _drawn(found["parameters"], order.values, job.get("inputs") or {})}


def _drawn(
    parameters: Mapping[str, Any], given: Mapping[str, Any], bound: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the seeds that the service drew, by parameter."""
    asked = {
        name: given.get(name, about.get("default"))
        for name, about in parameters.items()
        if about.get("type") == "seed"
    }
    return {name: bound[name] for name, value in asked.items() if value == "random" and name in bound}


@click.command(short_help="Follow jobs of the service to their ends.")
@click.argument("job_ids", nargs=-1, required=True, metavar="ID...")
@out_option
@json_option
@service_options
def wait(*, service: Service, job_ids: tuple[str, ...], out: Path | None, as_json: bool) -> int:
    """Follow jobs to their ends, and save what they made with --out.

    Fails if one of them did. Ctrl-C leaves the jobs alone.
    """
    from comfywire.cli.jobs.service_following import follow_all  # noqa: PLC0415
    from comfywire.cli.jobs.service_telling import choose_teller  # noqa: PLC0415

    if out is not None:
        check_writable(out)

    async def work() -> list[JobError]:
        async with service.client() as client:
            with choose_teller(as_json=as_json) as teller, client.news.told_to(teller.service):
                return await follow_all(client, list(dict.fromkeys(job_ids)), teller, out)

    return _ended(wait_for(work()))


def _ended(errors: list[JobError]) -> int:
    for error in errors[1:]:
        click.echo(f"comfywire: {error}", err=True)
    if errors:
        raise errors[0]
    return 0
