"""What a worker has of a job that it took: the claim, and the outputs that it keeps under it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from comfywire.service.database.pool import Row
from comfywire.service.database.storable import as_storable, as_text
from comfywire.service.jobs.engine import Taken
from comfywire.service.jobs.output_folders import without_folders
from comfywire.service.jobs.records import JobRecord, Lease

__all__ = [
    "NO_OUTPUT",
    "Claim",
    "Fenced",
    "KeptBytes",
    "KeptOutput",
    "columns_of_output",
    "storable_text",
    "storable_value",
]

GRAPH = (
    "prompt",
    "files",
    "output_folder",
    "document",
    "targets",
    "secret",
    "extra_data",
    "is_native",
    "client_id",
)
"""Columns of a claimed job that :class:`Claim` has under the same names."""


class Fenced(Exception):
    """Another worker has claimed the job since, or the job is over: what we know of it counts no more."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker may run.

    Attributes:
        lease: What changes must name.
        job: As it stands.
        prompt: Its graph, as it was sent.
        files: Inputs of it that name files with texts, with assets instead, by node and input.
        output_folder: The folder that is put before what it saves.
        document: The editor's document.
        targets: The output nodes to run.
        secret: The part of ``extra_data`` that is secret, encrypted.
        extra_data: The other part.
        is_native: Whether it came through ComfyUI's own API, so that what its ComfyUI says is told there.
        client_id: Whose sockets hear that; None for nobody's.
        is_announced: Whether it is written down where it is about to be sent, and was not sent before.

    """

    lease: Lease
    job: JobRecord
    prompt: dict[str, Any]
    files: dict[str, dict[str, Any]] | None
    output_folder: str | None
    document: dict[str, Any] | None
    targets: list[str] | None
    secret: bytes | None
    extra_data: dict[str, Any] | None = None
    is_native: bool = False
    client_id: str | None = None
    is_announced: bool = False

    @classmethod
    def of(cls, taken: Taken, answer: Row, worker: str) -> Claim:
        """Read what ``claim`` in jobs.sql returns, for a worker that took the job from the engine."""
        job = JobRecord.of(answer)
        has_folder = answer["output_folder"] is not None
        lease = Lease(job.id, job.attempt, taken.queue_id, worker, has_folder=has_folder)
        graph = {name: answer[name] for name in GRAPH}
        return cls(lease, job, **graph, is_announced=bool(answer.get("is_ready")))


@dataclass(frozen=True, slots=True)
class KeptBytes:
    """Bytes in the asset store, which are to be an asset of the job.

    Attributes:
        hash: BLAKE3, hex.
        content_type: What they are.
        file_path: What the ComfyUI called them, with the subfolder.
        size_bytes: How many.

    """

    hash: str
    content_type: str
    file_path: str | None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOutput:
    """An output, and its bytes: none when they are withheld."""

    position: int
    node_id: str
    class_type: str | None
    key: str
    kind: str
    name: str | None
    bytes: KeptBytes | None
    value: Any


NO_OUTPUT: Mapping[str, Any] = dict.fromkeys(
    (
        "position",
        "node_id",
        "class_type",
        "key",
        "kind",
        "name",
        "value",
        "hash",
        "content_type",
        "file_path",
    )
)
"""The columns of :func:`columns_of_output` where there is no output."""


def columns_of_output(lease: Lease, output: KeptOutput) -> dict[str, Any]:
    """Return what the database is given of an output of a job."""
    kept = output.bytes
    place = None if kept is None else kept.file_path
    return {
        "position": output.position,
        "node_id": as_text(output.node_id),
        "class_type": output.class_type,
        "key": as_text(output.key),
        "kind": output.kind,
        "name": None if output.name is None else storable_text(lease, output.name),
        "value": None if output.value is None else Jsonb(storable_value(lease, output.value)),
        "hash": None if kept is None else kept.hash,
        "content_type": None if kept is None else kept.content_type,
        "file_path": None if place is None else storable_text(lease, place),
    }


def storable_text(lease: Lease, said: str) -> str:
    """Return what is said of a job as it can be kept and shown."""
    text = as_text(said)
    return str(without_folders(text)) if lease.has_folder else text


def storable_value(lease: Lease, said: Any) -> Any:
    """Return JSON about a job as it can be kept and shown."""
    value = as_storable(said)
    return without_folders(value) if lease.has_folder else value
