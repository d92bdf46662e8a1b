"""The one way in which a job's state changes: checked against the table, logged, and told to everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from comfywire.service.database.pool import Connection, row
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import (
    KIND_OF_STATE,
    TERMINAL,
    TRANSITIONS,
    JobState,
    TransitionKind,
    must_be_legal,
)
from comfywire.service.sql import queries

__all__ = ["change", "sources_of"]

SQL = queries("jobs")


def sources_of(after: JobState) -> list[str]:
    """Return the states from which ``after`` may be reached, for SQL to check."""
    return [before.value for before, target in TRANSITIONS if target == after and before is not None]


async def change(
    connection: Connection,
    job_id: UUID,
    to: JobState,
    reason: str,
    *,
    kind: TransitionKind | None = None,
    attempt: int | None = None,
    sources: Sequence[JobState] | None = None,
    error: Mapping[str, Any] | None = None,
    warnings: Sequence[str] | None = None,
    outputs_reused: bool | None = None,
    afresh: bool = False,
) -> JobRecord | None:
    """Change a job's state, log it and tell everybody; None if it was not in a state that allows it.

    Args:
        connection: Inside the caller's transaction.
        job_id: Which job.
        to: Its new state.
        reason: In words, for the audit.
        kind: What the change is, if its new state does not say that.
        attempt: The claim under which this is done; None for those who act without one.
        sources: From which states only; by default from all that the table allows.
        error: What went wrong.
        warnings: What the caller should know.
        outputs_reused: Whether the outputs came from the ComfyUI's cache.
        afresh: Whether attempts are counted anew.

    """
    for source in sources or ():
        must_be_legal(source, to)
    answer = await row(
        connection,
        SQL["change"],
        job_id=job_id,
        to=to.value,
        reason=reason,
        kind=(kind or KIND_OF_STATE[to]).value,
        attempt=attempt,
        error=None if error is None else Jsonb(dict(error)),
        warnings=None if warnings is None else list(warnings),
        outputs_reused=outputs_reused,
        is_over=to in TERMINAL,
        afresh=afresh,
        **{"from": [source.value for source in sources] if sources else sources_of(to)},
    )
    return None if answer is None else JobRecord.of(answer)
