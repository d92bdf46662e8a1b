"""Jobs as ComfyUI's own API lists them: a key's queue, its history, and single prompts. All of one key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from comfywire.service.database.pool import Database
from comfywire.service.jobs.native_names import shown_output
from comfywire.service.sql import queries

__all__ = ["HistoryRecord", "Mark", "NativePrompts", "QueueItem", "Submitted"]

SQL = queries("native")
GRAPHS_TOLD = 200
"""Prompts of a queue whose graphs are told; of the others the ids, numbers and outputs."""
PACKED_BYTES_TOLD = 8 << 20
"""The same in bytes, as PostgreSQL has packed them; the first is told in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueItem:
    """A job that has not ended.

    Attributes:
        id: Its prompt_id.
        state: As table ``jobs`` has it.
        started_at: When it was seen to run.
        created_at: When it was submitted.
        client_id: Whose sockets hear of it.
        number: What the reply called it.
        outputs: The output nodes that are to run.
        prompt: The graph; empty for those far back in a long queue.
        extra_data: What came with it, without secrets; None for those, too.

    """

    id: UUID
    state: str
    started_at: datetime | None
    created_at: datetime
    client_id: str | None
    number: float
    outputs: list[str]
    prompt: dict[str, Any]
    extra_data: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRecord:
    """A job that has ended. ``entry`` is what its ComfyUI said, None if that was not to be had."""

    id: UUID
    state: str
    prompt: dict[str, Any]
    extra_data: dict[str, Any] | None
    error: dict[str, Any] | None
    outputs_reused: bool | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime
    client_id: str | None
    number: float
    outputs: list[str]
    entry: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Mark:
    """Tells one state of a history from another."""

    count: int
    last: datetime | None
    mark: int


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a prompt_id that is used stands for; ``number`` is None for a job of another face."""

    key_id: UUID
    prompt: dict[str, Any]
    targets: list[str] | None
    number: float | None
    node_errors: dict[str, Any] | None


class NativePrompts:
    """The prompts of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def queue(self, key_id: UUID) -> list[QueueItem]:
        """Return what has not ended, in the order in which it runs, as far as that is known."""
        answer = await self._database.all(
            SQL["queue"], key_id=key_id, graphs=GRAPHS_TOLD, packed=PACKED_BYTES_TOLD
        )
        return [QueueItem(**item) for item in answer]

    async def remaining(self, key_id: UUID) -> int:
        """Return how many have not ended."""
        answer = await self._database.one(SQL["remaining"], key_id=key_id)
        return 0 if answer is None else int(answer["count"])

    async def running(self, key_id: UUID, client_id: str | None = None) -> list[UUID]:
        """Return those that run, the newest first, and then those that may have begun to a moment ago."""
        return await self._open(key_id, client_id, running=True)

    async def waiting(self, key_id: UUID) -> list[UUID]:
        """Return those that have not begun."""
        return await self._open(key_id, None, running=False)

    async def _open(self, key_id: UUID, client_id: str | None, *, running: bool) -> list[UUID]:
        values = {"key_id": key_id, "client_id": client_id, "running": running}
        return [row["id"] for row in await self._database.all(SQL["open_ids"], **values)]

    async def mark(self, key_id: UUID, most: int) -> Mark:
        """Return the mark of the newest ``most`` of a history."""
        answer = await self._database.one(SQL["mark"], key_id=key_id, most=most)
        assert answer is not None
        return Mark(answer["count"], answer["last"], answer["mark"])

    async def ended(self, key_id: UUID, *, most: int, skip: int = 0) -> list[tuple[UUID, datetime]]:
        """Return what has ended and when, the newest first, without the first ``skip`` of them."""
        answer = await self._database.all(SQL["window"], key_id=key_id, most=most, skip=skip)
        return [(row["id"], row["completed_at"]) for row in answer]

    async def count_ended(self, key_id: UUID) -> int:
        """Return how many a history has."""
        answer = await self._database.one(SQL["count"], key_id=key_id)
        return 0 if answer is None else int(answer["count"])

    async def entries(self, key_id: UUID, ids: Sequence[UUID]) -> dict[UUID, HistoryRecord]:
        """Return those of ``ids`` that a history has."""
        answer = await self._database.all(SQL["entries"], key_id=key_id, ids=list(ids))
        records = {row["id"]: HistoryRecord(**row) for row in answer}
        silent = [job_id for job_id, record in records.items() if not record.entry]
        if silent:
            kept: dict[UUID, dict[str, Any]] = {}
            for row in await self._database.all(SQL["kept"], ids=silent):
                node = kept.setdefault(row["job_id"], {}).setdefault(row["node_id"], {})
                node.setdefault(row["key"], []).append(_shown(row))
            for job_id, outputs in kept.items():
                records[job_id] = replace(records[job_id], entry={"outputs": outputs})
        return records

    async def hide(self, key_id: UUID, ids: Sequence[UUID] | None = None) -> None:
        """Take these out of a key's history, or all of it; the jobs stay."""
        await self._database.do(SQL["hide"], key_id=key_id, ids=None if ids is None else list(ids))

    async def submitted(self, job_id: UUID) -> Submitted | None:
        """Return what a prompt_id stands for, whoever submitted it; None if nobody did."""
        answer = await self._database.one(SQL["submitted"], job_id=job_id)
        return None if answer is None else Submitted(**answer)

    async def output(self, key_id: UUID, job_id: UUID, path: str) -> tuple[UUID | None, bool] | None:
        """Return the asset of an output, and whether its job is over; None if the key has no such job."""
        answer = await self._database.one(SQL["output"], key_id=key_id, job_id=job_id, path=path)
        return None if answer is None else (answer["id"], answer["is_over"])


def _shown(row: Mapping[str, Any]) -> Any:
    """Return an output that is kept, as its node showed it, as far as that is known."""
    if row["kind"] in ("text", "value"):
        return row["value"]
    folder, _, _ = (row["file_path"] or "").rpartition("/")
    file = {"filename": row["name"], "subfolder": folder, "type": "output"}
    return shown_output(row["job_id"], {row["key"]: [file]})[row["key"]][0]


def extra_data_of(record: QueueItem | HistoryRecord) -> Mapping[str, Any]:
    """Return ``extra_data`` as a ComfyUI shows it: with client_id and, as 0.3.69 and newer, create_time."""
    told = dict(record.extra_data or {})
    if record.client_id is not None:
        told["client_id"] = record.client_id
    return {**told, "create_time": int(record.created_at.timestamp() * 1000)}
