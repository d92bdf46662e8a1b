"""New jobs as the values of the queries that record them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from comfywire.service.jobs.records import NativePrompt, NewJob

__all__ = ["columns_of", "native_columns_of"]


def columns_of(job: NewJob) -> dict[str, Any]:
    """Return the values of the query ``submit`` for a job."""
    return {
        "job_id": job.id,
        "key_id": job.key_id,
        "priority": job.priority,
        "prompt": Jsonb(dict(job.prompt)),
        "files": Jsonb(dict(job.files)) if job.files else None,
        "output_folder": job.output_folder,
        "bound": Jsonb(dict(job.bound)) if job.bound else None,
        "document": None if job.document is None else Jsonb(dict(job.document)),
        "targets": None if job.targets is None else list(job.targets),
        "labels": Jsonb(dict(job.labels)),
        "workflow_name": job.workflow_name,
        "workflow_version": job.workflow_version,
        "secret": job.secret,
        "retry": Jsonb(job.retry.stored()),
        "need": job.need,
        "requirement": Jsonb(dict(job.requirement)),
        "inputs": list(job.inputs),
        "webhook_url": job.webhook_url,
        "webhook_events": list(job.webhook_events),
        "queue_timeout": job.queue_timeout,
        "run_timeout": job.run_timeout,
        "retention": job.retention,
        "batch_id": None if job.batch is None else job.batch[0],
        "batch_index": None if job.batch is None else job.batch[1],
        "extra_data": None if job.extra_data is None else Jsonb(dict(job.extra_data)),
        "in_history": None if job.native is None else True,
    }


def native_columns_of(job_id: UUID, native: NativePrompt) -> dict[str, Any]:
    """Return the values of the query ``add_native`` for a job."""
    return {
        "job_id": job_id,
        "client_id": native.client_id,
        "number": native.number,
        "is_front": native.is_front,
        "outputs": list(native.outputs),
        "node_errors": Jsonb(dict(native.node_errors)),
    }
