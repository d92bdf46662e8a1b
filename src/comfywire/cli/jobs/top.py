"""``comfywire top``: the service's servers, its queue and what runs, live."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from comfywire.cli.connection import wait_for
from comfywire.cli.failures import one_line
from comfywire.cli.jobs.service import Service, service_options
from comfywire.cli.options import json_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from comfywire.service_client.client import ServiceClient

__all__ = ["top"]

MOST_JOBS = 20
MOST_REASONS = 5
"""So many of the jobs that wait are asked why."""
COUNTED_NOW = 5000
"""Of more, the service says at what time it counted them: not each time that it is asked."""
COLOURS = {
    "up": "green",
    "down": "red",
    "broken": "red",
    "stuck": "red",
    "silent": "red",
    "paused": "yellow",
    "drained": "yellow",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is shown at one moment."""

    servers: Sequence[Mapping[str, Any]]
    running: Sequence[Mapping[str, Any]]
    queued: Sequence[Mapping[str, Any]]
    queue: Mapping[str, Any] = field(default_factory=dict)
    trouble: str = field(default="")
    """Why it is older than it should be."""


@click.command(short_help="Watch the job service.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.2),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Look so often.",
)
@click.option("--once", is_flag=True, help="Show it once, as into a pipe.")
@json_option
@service_options
def top(*, service: Service, every: float, once: bool, as_json: bool) -> None:
    """Watch servers, queue and running jobs until Ctrl-C; into a pipe, they are shown once."""
    from comfywire.cli.terminal import is_terminal  # noqa: PLC0415

    if once or as_json or not is_terminal():
        _show_once(wait_for(_read_once(service)), as_json=as_json)
        return
    wait_for(_watch(service, every))


async def _read_once(service: Service) -> Snapshot:
    async with service.client() as client:
        return await _read(client)


async def _read(client: ServiceClient) -> Snapshot:
    fleet, queue, running, queued = await asyncio.gather(
        client.read("/api/v2/servers"),
        client.read("/api/v2/queue"),
        client.read("/api/v2/jobs", status="running,canceling", limit=MOST_JOBS),
        client.read("/api/v2/jobs", status="queued", limit=MOST_JOBS),
    )
    shown = [*running["jobs"], *queued["jobs"][:MOST_REASONS]]
    whole = await asyncio.gather(*(client.read(f"/api/v2/jobs/{job['id']}") for job in shown))
    count = len(running["jobs"])
    waiting = [*whole[count:], *queued["jobs"][MOST_REASONS:]]
    return Snapshot(fleet["servers"], whole[:count], waiting, queue)


async def _watch(service: Service, every: float) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    from comfywire.errors import ComfywireError  # noqa: PLC0415

    async with service.client() as client:
        snapshot = await _read(client)
        with Live(_drawn(snapshot), console=Console(), screen=True, auto_refresh=False) as live:
            while True:
                live.update(_drawn(snapshot), refresh=True)
                await asyncio.sleep(every)
                try:
                    snapshot = await _read(client)
                except ComfywireError as error:
                    snapshot = replace(snapshot, trouble=str(error))


def _show_once(snapshot: Snapshot, *, as_json: bool) -> None:
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415

    if as_json:
        print_json(
            {
                "servers": list(snapshot.servers),
                "running": list(snapshot.running),
                "queued": list(snapshot.queued),
                "queue": dict(snapshot.queue),
            }
        )
        return
    for server in snapshot.servers:
        click.echo("\t".join(("server", *_server_cells(server))))
    for job in snapshot.running:
        click.echo("\t".join(("running", *_job_cells(job))))
    for job in snapshot.queued:
        click.echo("\t".join(("queued", *_job_cells(job))))
    click.echo(f"queue\t{_queue_words(snapshot)}")


def _server_cells(server: Mapping[str, Any]) -> tuple[str, str, str, str]:
    wanted = server.get("wanted")
    state = str(server.get("state")) if wanted in (None, "active") else str(wanted)
    reason = str(server.get("reason") or "")
    if server.get("is_heard") is False:
        state, reason = "silent", "no worker speaks of it"
    load = f"{server.get('running', 0)} running, {server.get('pending', 0)} pending"
    others = server.get("foreign_prompts")
    load += f", {others} of others" if others else ""
    return one_line(str(server["url"])), state, load, one_line(reason)


def _job_cells(job: Mapping[str, Any]) -> tuple[str, str, str, str]:
    progress = job.get("progress") or {}
    written = " ".join(f"{name}={value}" for name, value in (job.get("metadata") or {}).items())
    share = f"{float(progress.get('value') or 0):.0%}" if progress else ""
    said = progress.get("message") or job.get("waiting_reason") or ""
    return str(job["id"]), share, one_line(str(said)), one_line(written)


def _queue_words(snapshot: Snapshot) -> str:
    queue = snapshot.queue
    paused = ", paused" if queue.get("paused") else ""
    queued = queue.get("queued", 0)
    counted = f" ({_time_of(queue['as_of'])})" if queued > COUNTED_NOW and "as_of" in queue else ""
    return f"{queued} wait{counted}, {queue.get('running', 0)} run{paused}"


def _time_of(moment: str) -> str:
    return f"at {datetime.fromisoformat(moment).astimezone():%H:%M:%S}"


def _drawn(snapshot: Snapshot) -> RenderableType:
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    state = Text(
        f"queue: {_queue_words(snapshot)}", style="yellow" if snapshot.queue.get("paused") else "bold"
    )
    trouble = [Text(snapshot.trouble, style="red")] if snapshot.trouble else []
    return Group(_server_table(snapshot.servers), Text(), state, *trouble, Text(), _job_table(snapshot))


def _server_table(servers: Sequence[Mapping[str, Any]]) -> RenderableType:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for column in ("server", "state", "prompts", "why"):
        table.add_column(column, overflow="fold")
    for server in servers:
        url, state, load, reason = _server_cells(server)
        table.add_row(Text(url), Text(state, style=COLOURS.get(state, "")), Text(load), Text(reason))
    return table


def _job_table(snapshot: Snapshot) -> RenderableType:
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for column, width in (("job", 36), ("", 20), ("", 5), ("at", None), ("labels", None)):
        table.add_column(column, width=width, no_wrap=True)
    for job in (*snapshot.running, *snapshot.queued):
        job_id, share, said, written = _job_cells(job)
        done = float((job.get("progress") or {}).get("value") or 0)
        bar = (
            ProgressBar(total=1.0, completed=done, width=20) if job["status"] != "queued" else Text("queued")
        )
        table.add_row(Text(job_id), bar, share, Text(said), Text(written, style="dim"))
    return table
