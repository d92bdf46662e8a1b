"""Prompts on the server, ours and everybody's: queue, history, cancel, interrupt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from comfywire.cli.connection import Connection, server_options, wait_for
from comfywire.cli.jobs.service import DEFAULT_SERVICE, Service, key_option, service_option
from comfywire.cli.options import json_option
from comfywire.errors import ConnectionFailed

if TYPE_CHECKING:
    from comfywire.client import Client

__all__ = ["cancel", "history", "interrupt", "queue"]


@click.command(short_help="Show what runs and what waits.")
@json_option
@server_options
def queue(*, connection: Connection, as_json: bool) -> None:
    """Show what runs and what waits, in the order in which it will run."""
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415
    from comfywire.cli.terminal import print_table  # noqa: PLC0415

    async def read() -> tuple[tuple[str, ...], tuple[str, ...], Mapping[str, Any]]:
        async with connection.client() as client:
            snapshot = await client.queue()
        return snapshot.running, snapshot.pending, snapshot.graphs

    running, pending, graphs = wait_for(read())
    if as_json:
        print_json({"running": list(running), "pending": list(pending)})
        return
    rows = [("running", prompt_id) for prompt_id in running]
    rows += [(str(place), prompt_id) for place, prompt_id in enumerate(pending, 1)]
    print_table(("place", "prompt_id", "nodes"), [(*row, len(graphs.get(row[1], ())) or "") for row in rows])
    if not rows:
        click.echo("the queue is empty", err=True)


@click.command(short_help="Show what has ended.")
@click.argument("prompt_id", required=False, metavar="[ID]")
@click.option(
    "--max",
    "max_items",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="Show so many, the newest.",
)
@json_option
@server_options
def history(*, connection: Connection, prompt_id: str | None, max_items: int, as_json: bool) -> None:
    """Show what has ended, the newest last; with ID, what that prompt produced."""
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415
    from comfywire.cli.terminal import print_table  # noqa: PLC0415

    async def read() -> dict[str, Any]:
        async with connection.client() as client:
            return await client.history(prompt_id, max_items=max_items)

    entries = wait_for(read())
    if prompt_id is not None and prompt_id not in entries:
        raise click.ClickException(
            f"{connection.shown} has no history of prompt {prompt_id!r}: it has not ended, or was forgotten"
        )
    if as_json:
        print_json(entries, indent=2)
    elif prompt_id is not None:
        print_table(("node", "key", "output"), _outputs(entries[prompt_id]))
    else:
        rows = [(key, *_ending(entry)) for key, entry in entries.items() if isinstance(entry, dict)]
        print_table(("prompt_id", "ended", "status", "seconds", "outputs"), rows)


def _ending(entry: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """When, how, how long, how many; empty where an entry does not say."""
    status = entry.get("status") or {}
    messages = [message for message in status.get("messages") or () if len(message) == 2]
    times = {kind: about.get("timestamp") for kind, about in messages if isinstance(about, dict)}
    began, ended = times.get("execution_start"), next(reversed(times.values()), None)
    # `status_str` says "error" for an interrupt (execution.py, execute_async, 0.3.64).
    verdict = next(reversed(times), "").removeprefix("execution_") or str(status.get("status_str") or "")
    outputs = sum(1 for _ in _outputs(entry))
    if began is None or ended is None:
        return "", verdict, "", str(outputs)
    at = datetime.fromtimestamp(ended / 1000).astimezone()
    return f"{at:%Y-%m-%d %H:%M:%S}", verdict, f"{(ended - began) / 1000:.1f}", str(outputs)


def _outputs(entry: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    from comfywire.client.results.shown import whole_texts  # noqa: PLC0415 - it comes with the HTTP client

    for node_id, shown in (entry.get("outputs") or {}).items():
        for key, values in shown.items() if isinstance(shown, dict) else ():
            for value in whole_texts(values):
                yield node_id, key, _place(value)


def _place(value: object) -> str:
    match value:
        case {"filename": str(name), "type": kind, **rest}:
            path = f"{rest['subfolder']}/{name}" if rest.get("subfolder") else name
            return path if kind == "output" else f"{path} [{kind}]"
        case _:
            return str(value)


@click.command(short_help="Take prompts back, and no others.")
@click.argument("prompt_ids", nargs=-1, required=True, metavar="ID...")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long until the server has let go of it.",
)
@service_option(default=None)
@key_option
@server_options
def cancel(
    *,
    connection: Connection,
    prompt_ids: tuple[str, ...],
    timeout: float,
    service: str | None,
    key: str | None,
) -> int:
    """Take prompts back, pending or running, and no others; says so when it is certain.

    With --service, http://127.0.0.1:8190 for example, they are jobs of a job service: it sees to their end.
    Where both are set in the environment the service is asked; --server on the command line asks the ComfyUI.
    """
    if service is not None and not _server_wins():
        from comfywire.cli.jobs.service_jobs import cancel_jobs  # noqa: PLC0415

        return cancel_jobs(Service(service, key, verify=connection.verify), prompt_ids)

    async def cancel_all() -> list[str]:
        async with connection.client() as client:
            return [await _cancel(client, prompt_id, timeout) for prompt_id in prompt_ids]

    try:
        fates = wait_for(cancel_all())
    except ConnectionFailed as error:
        raise NothingToAsk(str(error)) from error
    for prompt_id, fate in zip(prompt_ids, fates, strict=True):
        click.echo(f"prompt {prompt_id} {fate}")
    return 0 if all(fate == CANCELLED for fate in fates) else 1


class NothingToAsk(ConnectionFailed):
    """No ComfyUI was reached; perhaps a job service was meant."""

    next_step = f"; name another with --server, or a job service with --service {DEFAULT_SERVICE}"


def _server_wins() -> bool:
    """Whether the command line names a ComfyUI, and a service at most the environment."""
    source = click.get_current_context().get_parameter_source
    said = click.core.ParameterSource.COMMANDLINE
    return source("server") is said and source("service") is not said


CANCELLED = "was cancelled"


async def _cancel(client: Client, prompt_id: str, timeout: float) -> str:
    """Return what became of the prompt, as the end of a sentence."""
    from comfywire.errors import JobError, JobInterrupted, JobLost  # noqa: PLC0415

    job = client.attach(prompt_id)
    try:
        await job.cancel(timeout)
        await job.result()
    except TimeoutError:
        return f"was told to stop, and still runs after {timeout:g} seconds; its node will notice when it can"
    except JobInterrupted:
        return CANCELLED
    except JobLost:
        return (
            f"is not on {client.url}: `comfywire queue` shows what is; if it is a job of the job service, "
            f"`comfywire cancel --service {DEFAULT_SERVICE} {prompt_id}` cancels it"
        )
    except JobError as error:
        return f"had ended already: {error}"
    return "had ended already, and well"


@click.command(short_help="Interrupt what runs.")
@click.argument("prompt_id", required=False, metavar="[ID]")
@server_options
def interrupt(*, connection: Connection, prompt_id: str | None) -> None:
    """Interrupt whatever runs, whoever submitted it; with ID, only if that prompt runs.

    It is asked for and not waited for; `comfywire cancel ID` makes sure.
    """

    async def ask() -> None:
        async with connection.client() as client:
            await client.interrupt(prompt_id)

    wait_for(ask())
    click.echo(
        "asked the server to interrupt " + ("what runs" if prompt_id is None else f"prompt {prompt_id}")
    )
