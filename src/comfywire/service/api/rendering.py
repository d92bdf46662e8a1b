"""From records of the store to answers and events of the API."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from comfywire.service.assets.assets import Assets
from comfywire.service.jobs.batches import BatchRecord
from comfywire.service.jobs.estimates import Estimate
from comfywire.service.jobs.live_jobs import Preview
from comfywire.service.jobs.reader import NOWHERE, Event, Queued
from comfywire.service.jobs.records import JobRecord, OutputRecord
from comfywire.service.jobs.records import Transition as TransitionRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.webhooks.records import Delivery

from . import models
from .errors import InvalidRequest

__all__ = ["Renderer", "cursor_of", "item_of", "place_of", "prefix_of", "transition_of"]

TYPES: Mapping[str, models.OutputType] = {
    "image": "image",
    "animation": "image",
    "video": "video",
    "audio": "audio",
    "latent": "latent",
    "text": "text",
    "value": "text",
}
"""Kinds of outputs as v2 names them; other kinds are files, and a value is the text of its JSON."""


class Renderer:
    """Renders jobs for one request; its links to content begin with ``origin``."""

    def __init__(self, assets: Assets, origin: str) -> None:
        self._assets = assets
        self._origin = origin
        self._prefix = prefix_of(origin)

    def job(
        self,
        job: JobRecord,
        outputs: Sequence[OutputRecord] = (),
        *,
        position: int | None = None,
        waiting_reason: str | None = None,
        estimate: Estimate | None = None,
    ) -> models.Job:
        """Return a job with everything that the API tells of it."""
        return models.Job(
            id=job.id,
            status=job.state,
            created_at=job.created_at,
            started_at=job.started_at,
            completed_at=job.completed_at,
            expires_at=job.expires_at,
            queue_position=position,
            progress=_progress_of(job),
            inputs=job.inputs,
            outputs=[shown for output in outputs if (shown := self.output(output)) is not None],
            error=_error_of(job),
            metrics=_metrics_of(job),
            urls=_urls_of(job.id, self._prefix),
            metadata=job.labels,
            priority=job.priority,
            waiting_reason=waiting_reason,
            estimated_start_at=None if estimate is None else estimate.start_at,
            estimated_end_at=None if estimate is None else estimate.end_at,
            estimate=None if estimate is None or estimate.basis is None else estimate.basis.value,
            outputs_reused=job.outputs_reused,
            warnings=job.warnings,
            missing=job.missing,
            submissions=job.submissions,
            server=job.server,
            retry=models.RetryPolicy(**job.retry.stored()),
            webhook_url=job.webhook_url,
            webhook_events=job.webhook_events,
            queue_until=job.queue_until,
            run_timeout=job.run_timeout,
            workflow_name=job.workflow_name,
            workflow_version=job.workflow_version,
            batch_id=job.batch_id,
        )

    def output(self, output: OutputRecord) -> models.Output | None:
        """Return an output; None for a withheld one, which the job's warnings mention instead."""
        if output.asset_id is None or output.hash is None:
            return None
        url, until = self._assets.url_of(output.asset_id, self._origin)
        kind = output.content_type or "application/octet-stream"
        is_film = output.kind == "animation" and kind.startswith("video/")
        return models.Output(
            node_id=output.node_id,
            name=output.name or f"{output.key}_{output.position}",
            type="video" if is_film else TYPES.get(output.kind, "file"),
            content_type=kind,
            size_bytes=output.size_bytes or 0,
            id=output.asset_id,
            hash=f"blake3:{output.hash}",
            url=url,
            url_expires_at=until,
            job_id=output.job_id,
            class_type=output.class_type,
            kind=output.kind,
            value=output.value,
            truncated=output.is_truncated,
            width=output.width,
            height=output.height,
        )

    def event(self, event: Event, place: Queued) -> str | None:
        """Return an event's JSON, with ``place`` for a job that waits; None for a withheld output."""
        match event.value:
            case TransitionRecord() as change:
                waits = place if change.to_state == JobState.QUEUED else NOWHERE
                return _status(change.to_state, waits, at=change.at, reason=change.reason)
            case Queued() as moved:
                return _status(JobState.QUEUED, moved)
            case OutputRecord() as output:
                shown = self.output(output)
                return None if shown is None else shown.model_dump_json()
            case Preview() as preview:
                return _preview(preview)
            case snapshot:
                return _progress(snapshot).model_dump_json()


def prefix_of(url: str | None) -> str:
    """Return the path of the service's own URL, before which its routes stand: ``/path`` or empty."""
    return "" if url is None else urlsplit(url).path.rstrip("/")


def _urls_of(job_id: UUID, prefix: str) -> models.JobUrls:
    """Return the paths of a job's routes."""
    own = f"{prefix}/api/v2/jobs/{job_id}"
    names = ("events", "cancel", "workflow", "transitions", "retry", "ws")
    return models.JobUrls(self=own, **{name: f"{own}/{name}" for name in names})


def item_of(job: JobRecord, base_url: str | None, whole: models.Job | None = None) -> models.JobItem:
    """Return a job as an entry of a list; its links are paths below that of ``base_url``."""
    times = [job.created_at, job.submitted_at, job.started_at, job.completed_at]
    return models.JobItem(
        id=job.id,
        status=job.state,
        create_time=job.created_at,
        update_time=max(time for time in times if time is not None),
        metadata=job.labels,
        priority=job.priority,
        workflow_name=job.workflow_name,
        workflow_version=job.workflow_version,
        batch_id=job.batch_id,
        batch_index=job.batch_index,
        error=_error_of(job),
        urls=_urls_of(job.id, prefix_of(base_url)),
        job=whole,
    )


def transition_of(record: TransitionRecord) -> models.Transition:
    """Return one change of a job's state, out of the store's audit."""
    return models.Transition(
        event_id=record.event_id,
        from_status=record.from_state,
        to_status=record.to_state,
        attempt=record.attempt,
        worker=record.worker,
        server=record.server,
        at=record.at,
        reason=record.reason,
    )


def cursor_of(last: JobRecord | BatchRecord | Delivery) -> str:
    """Return the cursor of the page after ``last``."""
    place = f"{last.created_at.isoformat()}/{last.id}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def place_of(cursor: str) -> tuple[datetime, UUID]:
    """Return the place in the list for which :func:`cursor_of` made ``cursor``.

    Raises:
        InvalidRequest: :func:`cursor_of` did not make it.

    """
    try:
        place = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        time, _, job_id = place.partition("/")
        return datetime.fromisoformat(time).astimezone(UTC), UUID(job_id)
    except (ValueError, OverflowError):
        raise InvalidRequest("this cursor was not made here: begin without one", "invalid_cursor") from None


def _progress_of(job: JobRecord) -> models.Progress | None:
    if job.progress is None or job.started_at is None:
        return None
    return _progress(job.progress)


def _progress(stored: Mapping[str, Any]) -> models.Progress:
    shown = {name: stored[name] for name in models.Progress.model_fields if name in stored}
    shown["value"] = min(max(float(stored.get("value") or 0.0), 0.0), 1.0)
    return models.Progress(**{"nodes_done": 0, "nodes_total": 0, **shown})


def _error_of(job: JobRecord) -> models.JobError | None:
    if job.error is None:
        return None
    stored = job.error
    traceback = stored.get("traceback")
    return models.JobError(
        code=stored.get("code") or "failed",
        message=stored.get("message") or "it failed, and nothing says how",
        node_id=stored.get("node_id"),
        class_type=stored.get("class_type"),
        traceback="".join(traceback) if isinstance(traceback, list) else traceback,
    )


def _metrics_of(job: JobRecord) -> dict[str, int | None]:
    waited_until = job.started_at or job.completed_at
    return {
        "queue_ms": _milliseconds(job.created_at, waited_until),
        "execution_ms": _milliseconds(job.started_at, job.completed_at),
    }


def _milliseconds(begin: datetime | None, end: datetime | None) -> int | None:
    return None if begin is None or end is None else max(0, round((end - begin).total_seconds() * 1000))


def _status(state: JobState, waits: Queued, **change: Any) -> str:
    event = models.StatusEvent(
        status=state, queue_position=waits.position, waiting_reason=waits.reason, **change
    )
    return event.model_dump_json()


def _preview(preview: Preview) -> str:
    return json.dumps(
        {
            "node_id": preview.node_id,
            "content_type": preview.content_type,
            "data_base64": base64.b64encode(preview.content).decode(),
        }
    )
