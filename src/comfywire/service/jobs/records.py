"""What the store keeps, as values: a job, its outputs, a worker's claim on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from comfywire.service.jobs.states import TERMINAL, JobState

__all__ = ["NOT_MADE", "JobRecord", "Lease", "NativePrompt", "NewJob", "OutputRecord", "Retry", "Transition"]

NOT_MADE = "not made: "
"""So begins the warning of each output that was asked for and did not come."""


@dataclass(frozen=True, slots=True)
class Retry:
    """What may be tried again.

    Attributes:
        lost: Whether a prompt that a ComfyUI lost is submitted again; False for paid nodes.
        errors: Parts of the names of exceptions after which memory is freed and the job tried once more.
        max_attempts: How often the job is submitted anew in all.

    """

    lost: bool = True
    errors: tuple[str, ...] = ("OutOfMemory",)
    max_attempts: int = 3

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Retry:
        """Read what :meth:`stored` wrote; what is missing is the default.

        Of what must not run again when it was lost, nothing is run again that does not say so.
        """
        known = {name: stored[name] for name in ("lost", "errors", "max_attempts") if name in stored}
        if known.get("lost") is False:
            known.setdefault("errors", ())
        if "errors" in known:
            known["errors"] = tuple(known["errors"])
        return cls(**known)

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {"lost": self.lost, "errors": list(self.errors), "max_attempts": self.max_attempts}


@dataclass(frozen=True, slots=True)
class NativePrompt:
    """What a job that comes through ComfyUI's own API has beside other jobs.

    Attributes:
        outputs: The output nodes that are to run.
        client_id: Whose sockets hear of it; None for nobody's.
        number: The number that its caller gave it; None takes the next one.
        is_front: Whether the next one is to be negative, as ComfyUI has it for ``front``.
        node_errors: What the validator dropped of the prompt, as the reply says it.

    """

    outputs: Sequence[str]
    client_id: str | None = None
    number: float | None = None
    is_front: bool = False
    node_errors: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be recorded.

    Attributes:
        id: Its prompt_id: a lowercase UUID.
        key_id: Whose it is.
        prompt: In API format, as it was sent; ``core/ASSET`` objects stand where files go.
        files: Inputs that name files with texts, with ``core/ASSET`` objects instead, by node and input.
        need: What a server must have; see ``needs.py``.
        requirement: The same, spelled out.
        output_folder: The folder for itself that it has on a ComfyUI's disk; None for none.
        bound: What was set to what in its prompt, by parameter or ``NODE.INPUT``.
        inputs: The assets that it reads.
        queue_timeout: Seconds for which it may wait; None for ever.
        run_timeout: Seconds for which it may run; None for ever.
        retention: Seconds for which it is kept after its end.
        secret: The part of ``extra_data`` that is secret, encrypted.
        extra_data: The other part, for the ComfyUI.
        native: What it has as a prompt of ComfyUI's own API; None for jobs of other faces.
        webhook_url: The address that is told of its end.
        webhook_events: What that address is told beside the end: ``job.started``, ``job.progress``.
        batch: The batch that it belongs to, and its place there from 0; None for a job by itself.

    """

    id: UUID
    key_id: UUID
    prompt: Mapping[str, Any]
    need: str
    requirement: Mapping[str, Any]
    document: Mapping[str, Any] | None = None
    targets: Sequence[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    retry: Retry = field(default_factory=Retry)
    files: Mapping[str, Mapping[str, Any]] | None = None
    output_folder: str | None = None
    bound: Mapping[str, Any] | None = None
    inputs: Sequence[UUID] = ()
    secret: bytes | None = None
    extra_data: Mapping[str, Any] | None = None
    native: NativePrompt | None = None
    webhook_url: str | None = None
    webhook_events: Sequence[str] = ()
    workflow_name: str | None = None
    workflow_version: int | None = None
    queue_timeout: float | None = None
    run_timeout: float | None = None
    retention: float = 7 * 86400.0
    batch: tuple[UUID, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as it stands. The columns of table ``jobs`` that people outside this package need."""

    id: UUID
    key_id: UUID
    state: JobState
    priority: int
    labels: dict[str, str]
    need: str
    queue_id: int | None
    attempt: int
    submissions: int
    worker: str | None
    server: str | None
    submitted_at: datetime | None
    progress: dict[str, Any] | None
    progress_event: int | None
    error: dict[str, Any] | None
    outputs_reused: bool | None
    warnings: list[str]
    webhook_url: str | None
    workflow_name: str | None
    workflow_version: int | None
    retry: Retry
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    queue_until: datetime | None
    expires_at: datetime
    batch_id: UUID | None = None
    batch_index: int | None = None
    run_timeout: float | None = None
    deaths: int = 0
    webhook_events: list[str] = field(default_factory=list)
    key_is_limited: bool = False
    """Whether other jobs of its key may be waiting for its end; known where its state was changed."""
    inputs: dict[str, Any] | None = field(default=None, compare=False)
    """What was set to what in its prompt, which may be large; known where it was just submitted."""
    position: int | None = field(default=None, compare=False)
    """How many jobs will be taken before it (1,000 stands for more); known where it was just submitted."""
    number: float | None = field(default=None, compare=False)
    """What ComfyUI's own API calls it beside its id; known where it was just submitted there."""
    node_errors: dict[str, Any] | None = field(default=None, compare=False)
    """What the validator dropped of its prompt; known where it was just submitted there."""

    @property
    def missing(self) -> list[str]:
        """What was asked for and did not come although the job succeeded, one sentence each."""
        return [warning.removeprefix(NOT_MADE) for warning in self.warnings if warning.startswith(NOT_MADE)]

    @property
    def is_over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.state in TERMINAL

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> JobRecord:
        """Read a row of ``jobs``."""
        known = {name: row[name] for name in cls.__slots__ if name in row}
        read = {
            "state": JobState(row["state"]),
            "retry": Retry.of(row["retry"]),
            "key_is_limited": row.get("max_running") is not None,
        }
        return cls(**known | read)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRecord:
    """One output of a job.

    Attributes:
        job_id: Whose.
        position: Its place among the job's outputs, from 0.
        event_id: When it was kept, among all events.
        node_id: The node that shows it.
        class_type: Its type.
        key: ComfyUI's key: ``images``, ``gifs``, ``text``, ...
        kind: As :class:`comfywire.Output` has it: ``image``, ``video``, ``text``, ``value``, ...
        name: The file's name on the ComfyUI, None for values.
        asset_id: Its bytes; None for values, and when they are withheld.
        value: The text or the value.
        hash: BLAKE3 of the bytes, hex; None without an asset.
        size_bytes: Of the bytes.
        content_type: Of the bytes.
        width: Of a picture of which somebody has asked for a thumbnail: its pixels.
        height: Likewise.

    """

    job_id: UUID
    position: int
    event_id: int
    node_id: str
    class_type: str | None
    key: str
    kind: str
    name: str | None
    asset_id: UUID | None
    value: Any
    hash: str | None = None
    size_bytes: int | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> OutputRecord:
        """Read an output that PostgreSQL wrote as JSON."""
        asset_id = told["asset_id"]
        ids = {"job_id": UUID(told["job_id"]), "asset_id": None if asset_id is None else UUID(asset_id)}
        return cls(**{**told, **ids})

    @property
    def is_truncated(self) -> bool:
        """Whether it is a text or value that only the asset has: ``null`` by itself is four bytes long."""
        is_long = self.size_bytes is not None and self.size_bytes > len("null")
        return self.kind in ("text", "value") and self.value is None and is_long


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row of a job's audit."""

    event_id: int
    job_id: UUID
    from_state: JobState | None
    to_state: JobState
    attempt: int
    worker: str | None
    server: str | None
    at: datetime
    reason: str

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Transition:
        """Read a row of ``job_transitions``, or what PostgreSQL wrote of one as JSON."""
        before, at, job_id = told["from_state"], told["at"], told["job_id"]
        read = {
            "job_id": UUID(job_id) if isinstance(job_id, str) else job_id,
            "at": datetime.fromisoformat(at) if isinstance(at, str) else at,
            "from_state": None if before is None else JobState(before),
            "to_state": JobState(told["to_state"]),
        }
        return cls(**{**told, **read})


NO_NEWS = (1 << 63) - 1
"""After this event nothing comes: who names it asks for no change of state."""


@dataclass(frozen=True, slots=True)
class JobLook:
    """A job with what is new of its audit and its outputs, all of one moment."""

    job: JobRecord
    transitions: list[Transition]
    outputs: list[OutputRecord]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> JobLook:
        """Read a row that has the two lists as JSON."""
        return cls(
            JobRecord.of(row),
            [Transition.of(change) for change in row["transitions"]],
            [OutputRecord.of_json(output) for output in row["outputs"]],
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's claim on a job: what it may change until somebody else claims it.

    Attributes:
        job_id: Which job.
        attempt: The number of this claim; a change that names an older one is refused.
        queue_id: The engine's number.
        worker: Who claims it.
        has_folder: Whether it has a folder for itself on its ComfyUI's disk, which shows nowhere.

    """

    job_id: UUID
    attempt: int
    queue_id: int
    worker: str
    has_folder: bool = False
