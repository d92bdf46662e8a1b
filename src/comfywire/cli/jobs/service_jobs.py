"""``comfywire jobs`` and ``comfywire retry``: what the service has of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from comfywire.cli.connection import wait_for
from comfywire.cli.jobs.service import Service, labels, service_options
from comfywire.cli.options import json_option

if TYPE_CHECKING:
    from comfywire.service_client.client import ServiceClient

__all__ = ["cancel_jobs", "jobs", "retry"]

STATES = ("queued", "running", "canceling", "succeeded", "failed", "canceled", "expired")
PAGE = 100


@click.command(short_help="Show jobs of the service.")
@click.argument("job_id", required=False, metavar="[ID]")
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True, help="Only in this state. Repeatable."
)
@click.option(
    "--label",
    "labels",
    metavar="NAME=VALUE",
    multiple=True,
    callback=labels,
    help="Only with this label. Repeatable.",
)
@click.option("--workflow", metavar="NAME", help="Only those made of this registered workflow.")
@click.option(
    "--max",
    "most",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="Show so many, the newest.",
)
@json_option
@service_options
def jobs(
    *,
    service: Service,
    job_id: str | None,
    states: tuple[str, ...],
    labels: Mapping[str, str],
    workflow: str | None,
    most: int,
    as_json: bool,
) -> None:
    """Show jobs of the service, the newest first; with ID, everything about that one.

    With --json, a job a line, as the service has it.
    """
    from comfywire.cli.json_lines import print_json  # noqa: PLC0415
    from comfywire.cli.terminal import print_table  # noqa: PLC0415

    if job_id is not None:
        job = wait_for(_with(service, lambda client: client.read(f"/api/v2/jobs/{job_id}")))
        if as_json:
            print_json(job)
        else:
            print_table(("", ""), _about(job))
        return
    by_label = {f"metadata[{name}]": value for name, value in labels.items()}
    wanted = {"status": ",".join(states) or None, "workflow": workflow, **by_label}
    found = wait_for(_with(service, lambda client: _list(client, most, wanted)))
    if as_json:
        for job in found:
            print_json(job)
    else:
        print_table(("id", "state", "created", "workflow", "labels", "error"), map(_row, found))
    if not found:
        click.echo(
            "no such jobs" if any(wanted.values()) else "no jobs yet: `comfywire submit FILE`", err=True
        )


async def _with(service: Service, work: Callable[[ServiceClient], Awaitable[Any]]) -> Any:
    async with service.client() as client:
        return await work(client)


async def _list(client: ServiceClient, most: int, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(found) < most:
        limit = min(most - len(found), PAGE)
        page = await client.read("/api/v2/jobs", limit=limit, cursor=cursor, **wanted)
        found += page["jobs"]
        cursor = page.get("next_cursor")
        if cursor is None:
            break
    return found


def _row(job: Mapping[str, Any]) -> tuple[object, ...]:
    written = " ".join(f"{name}={value}" for name, value in (job.get("metadata") or {}).items())
    version = f" {job['workflow_version']}" if job.get("workflow_version") else ""
    made_of = f"{job.get('workflow_name') or ''}{version}"
    error = (job.get("error") or {}).get("message")
    return job["id"], job["status"], _when(job.get("create_time")), made_of, written, error


def _about(job: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in job.items():
        match name, value:
            case "urls", _:
                continue
            case "outputs", list():
                for output in value:
                    yield "output", f"{output.get('node_id')}  {output.get('type')}  {output.get('name')}"
            case _, dict():
                for inner, about in value.items():
                    yield from _rows(f"{name}.{inner}", about)
            case _, str() if name.endswith("_at"):
                yield name, _when(value)
            case _:
                yield from _rows(name, value)


def _rows(name: str, value: object) -> Iterator[tuple[str, object]]:
    """A row for each line of a text and each thing in a list; none for what is not there."""
    match value:
        case None:
            return
        case list():
            yield from ((name, one) for one in value)
        case str():
            yield from ((name, line) for line in value.splitlines())
        case _:
            yield name, value


def _when(text: str | None) -> str:
    if not text:
        return ""
    at = datetime.fromisoformat(text)
    return f"{(at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone():%Y-%m-%d %H:%M:%S}"


@click.command(short_help="Queue jobs that ended badly once more.")
@click.argument("job_ids", nargs=-1, required=True, metavar="ID...")
@service_options
def retry(*, service: Service, job_ids: tuple[str, ...]) -> int:
    """Queue jobs that failed, expired or were canceled once more, under the ids that they have."""
    return _each(service, job_ids, "retry", {"queued": "is queued again"})


def cancel_jobs(service: Service, job_ids: tuple[str, ...]) -> int:
    """Ask for the end of jobs of the service, and say what became of each."""
    words = {"canceled": "was canceled", "canceling": "was told to stop; `comfywire wait` says when it has"}
    return _each(service, job_ids, "cancel", words)


def _each(service: Service, job_ids: tuple[str, ...], verb: str, good: Mapping[str, str]) -> int:
    from comfywire.service_client.answers import ServiceRefused  # noqa: PLC0415

    async def ask_all(client: ServiceClient) -> list[tuple[str, bool]]:
        fates = []
        for job_id in job_ids:
            try:
                job = await client.ask("POST", f"/api/v2/jobs/{job_id}/{verb}")
            except ServiceRefused as error:
                if error.status not in (404, 409):
                    raise
                why = str(error).replace(f"job {job_id} is ", "it is ")
                fates.append((f"was left alone: {why}", False))
            else:
                state = job["status"]
                fates.append((good.get(state, f"had ended already: it {state}"), state in good))
        return fates

    fates = wait_for(_with(service, ask_all))
    for job_id, (fate, _) in zip(job_ids, fates, strict=True):
        click.echo(f"job {job_id} {fate}")
    return 0 if all(is_good for _, is_good in fates) else 1
