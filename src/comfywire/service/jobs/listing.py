"""Lists of jobs, and the labels that jobs are found by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from comfywire.service.database.pool import Database, execute, rows
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.sql import queries

__all__ = ["KINDS", "LARGEST", "Wanted", "fitting", "relabel", "search"]

SQL = queries("jobs")
KINDS: Mapping[str, Sequence[str]] = {
    "image": ("image", "animation"),
    "video": ("video", "animation"),
    "audio": ("audio",),
    "text": ("text", "value"),
    "3d": ("3d",),
}
"""What people call outputs, and which kinds of the store those are; ``file`` is the rest."""
LARGEST = 16 << 20
"""Bytes of jobs on one page of a list, about, beside their short inputs; one job at least."""
JOB_BYTES, OUTPUT_BYTES = 2 << 10, 700
"""What one takes at least as JSON, an output with its link and without its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs are looked for.

    Attributes:
        labels: Those that carry all of these.
        states: Those in these states.
        workflow: Those made of this registered workflow.
        batch: Those of this batch.
        words: Those with these words in an input or a label, in upper or lower case.
        kind: Those with an output of this kind: a key of :data:`KINDS`, or ``file``.
        since: Those submitted at this time or later.
        until: Those submitted before this time.

    """

    labels: Mapping[str, str] = field(default_factory=dict)
    states: Sequence[JobState] | None = None
    workflow: str | None = None
    batch: UUID | None = None
    words: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def search(
    database: Database,
    key_id: UUID | None,
    wanted: Wanted,
    *,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[JobRecord]:
    """Return jobs, newest first.

    Args:
        database: Where they are.
        key_id: Only this key's.
        wanted: Which.
        before: Only older ones than the job of that ``created_at`` and id.
        limit: At most so many.

    """
    when, last = before or (None, None)
    async with database.transaction() as connection:
        # One plan for every filter that may be there would be none for any of them.
        await execute(connection, "SET LOCAL plan_cache_mode = force_custom_plan")
        answer = await rows(
            connection,
            SQL["list"],
            key_id=key_id,
            labels=Jsonb(dict(wanted.labels)),
            states=None if wanted.states is None else [state.value for state in wanted.states],
            workflow=wanted.workflow,
            batch=wanted.batch,
            words=wanted.words.lower() if wanted.words else None,
            **_of_kind(wanted.kind),
            since=wanted.since,
            until=wanted.until,
            before=when,
            before_id=last,
            limit=limit,
        )
    return [JobRecord.of(job) for job in answer]


async def fitting(
    database: Database, jobs: Sequence[JobRecord], *, with_outputs: bool = False
) -> Sequence[JobRecord]:
    """Return the first of ``jobs``, as many as one page of a list has room for: one at least.

    Args:
        database: Where they are.
        jobs: In the order of the list.
        with_outputs: Whether the page has their outputs, of which none is read that has no room.

    """
    made: Mapping[UUID, int] = {}
    if with_outputs:
        ids = [job.id for job in jobs]
        answers = await database.all(SQL["output_bytes"], jobs=ids, each=OUTPUT_BYTES, most=LARGEST)
        made = {answer["job_id"]: answer["bytes"] for answer in answers}
    room = LARGEST
    for place, job in enumerate(jobs):
        room -= _bytes_of(job) + made.get(job.id, 0)
        if room < 0 and place > 0:
            return jobs[:place]
    return jobs


def _bytes_of(job: JobRecord) -> int:
    """What a job takes on a page with details, where its labels and its error stand twice."""
    told = json.dumps([job.error, job.labels, job.warnings], ensure_ascii=False, default=str)
    return JOB_BYTES + 2 * len(told.encode("utf-8", "replace"))


async def relabel(database: Database, job_id: UUID, changes: Mapping[str, str | None]) -> None:
    """Change these labels of a job, and no other; None takes one off."""
    await database.do(SQL["relabel"], job_id=job_id, changes=Jsonb(dict(changes)))


def _of_kind(kind: str | None) -> dict[str, object]:
    """The kinds of the store, whether they are those that are not wanted, and whether a film must be one."""
    if kind is None:
        return {"kinds": None, "is_rest": False, "film": None}
    if kind == "file":
        return {"kinds": [name for names in KINDS.values() for name in names], "is_rest": True, "film": None}
    # ComfyUI calls films animations, too, where they are of an image's node: the content type tells.
    film = {"image": False, "video": True}.get(kind)
    return {"kinds": list(KINDS[kind]), "is_rest": False, "film": film}
