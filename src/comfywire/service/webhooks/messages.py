"""What a webhook says, how it is signed, and when a failed try is repeated. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from standardwebhooks import Webhook

from comfywire.errors import ComfywireError
from comfywire.service.jobs.batches import BatchRecord
from comfywire.service.jobs.records import JobRecord, OutputRecord

__all__ = [
    "BATCH_COMPLETED",
    "EVENTS",
    "PROGRESS",
    "SCHEDULE",
    "STARTED",
    "InvalidWebhookUrl",
    "batch_payload_of",
    "must_be_webhook_url",
    "payload_of",
    "signed",
    "wait_after",
]

BATCH_COMPLETED = "batch.completed"
"""The type of the news that every job of a batch has ended (sql/migrations, ``comfywire_count_batch``)."""

STARTED, PROGRESS = "job.started", "job.progress"
EVENTS = (STARTED, PROGRESS)
"""What a job may tell beside its end, if it was submitted so."""
SCHEDULE = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800, 28800)
"""Seconds from each failed try to the next: 12 tries in 31 h, so that a receiver may be away for a day."""
SPREAD = 0.2
"""The part of a wait that chance decides: from 10% less to 10% more."""
LONGEST_URL = 2048


class InvalidWebhookUrl(ComfywireError):
    """No webhook can be sent to a URL."""


def must_be_webhook_url(url: str | None) -> None:
    """Raise unless webhooks may be sent to ``url``, or it is None.

    The host's addresses are not looked up here but at each try, since DNS may say others by then.

    Raises:
        InvalidWebhookUrl: No webhook can be sent to ``url``.

    """
    problem = None if url is None else _problem_of(url)
    if problem is not None:
        raise InvalidWebhookUrl(f"webhook_url {problem}: give an http:// or https:// URL that takes a POST")


def _problem_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
        is_host = _is_host(httpx.URL(url))
    except (ValueError, httpx.InvalidURL):
        return "is no URL"
    if len(url) > LONGEST_URL:
        return f"is longer than {LONGEST_URL} characters"
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_host or port == 0:
        return "is not an HTTP URL"
    if parts.username is not None or parts.password is not None:
        return "holds a user name; the signature says who sends"
    return None if url.isprintable() and " " not in url else "holds spaces or control characters"


def _is_host(url: httpx.URL) -> bool:
    """Whether a host can be looked up; a ValueError (``xn--``, a label of 64 letters) says no as well."""
    name = url.raw_host.decode("ascii").removesuffix(".")
    return ":" in url.host or bool(name.encode("idna"))


def wait_after(tries: int, jitter: float) -> float | None:
    """Return the seconds to wait after ``tries`` failed tries; None when there is no further try.

    ``jitter`` is a number from 0 to 1, drawn by chance, so that a receiver which comes back does not get all
    that it missed at the same moment.
    """
    if tries > len(SCHEDULE):
        return None
    return SCHEDULE[tries - 1] * (1.0 + SPREAD * (jitter - 0.5))


def payload_of(
    kind: str,
    job: JobRecord,
    outputs: Sequence[OutputRecord],
    *,
    at: datetime,
    base_url: str | None = None,
) -> dict[str, Any]:
    """Return the payload for what happened to a job, in the shape of Standard Webhooks.

    Args:
        kind: ``job.succeeded``, ``job.failed``, ``job.canceled``, ``job.expired``; ``job.started`` or
            ``job.progress``.
        job: The job as it stands.
        outputs: The job's outputs; those that a hook withheld have no ``asset_id``.
        at: When it happened.
        base_url: How the receiver reaches the service; without it, links are paths.

    """
    root = (base_url or "").rstrip("/") + "/api/v2"
    return {
        "type": kind,
        "timestamp": _written(at),
        "data": {
            "id": str(job.id),
            "status": "running" if kind in EVENTS else kind.removeprefix("job."),
            "metadata": dict(job.labels),
            "created_at": _written(job.created_at),
            "started_at": _written(job.started_at),
            "completed_at": _written(job.completed_at),
            "error": _error_of(job),
            "outputs": [_output_of(output, root) for output in outputs],
            "url": f"{root}/jobs/{job.id}",
            **({"progress": job.progress} if kind == PROGRESS else {}),
        },
    }


def batch_payload_of(batch: BatchRecord, *, base_url: str | None = None) -> dict[str, Any]:
    """Return the payload for the end of a batch: how many of its jobs ended how, and where to look.

    Args:
        batch: The batch as it stands.
        base_url: How the receiver reaches the service; without it, links are paths.

    """
    return {
        "type": BATCH_COMPLETED,
        "timestamp": _written(batch.completed_at or batch.created_at),
        "data": {
            "id": str(batch.id),
            "size": batch.size,
            "counts": {state.value: count for state, count in batch.counts.items()},
            "created_at": _written(batch.created_at),
            "completed_at": _written(batch.completed_at),
            "url": f"{(base_url or '').rstrip('/')}/api/v2/batches/{batch.id}",
        },
    }


def _error_of(job: JobRecord) -> dict[str, Any] | None:
    """Return a job's error without its traceback, which only the key that owns the job may read."""
    if job.error is None:
        return None
    return {name: job.error.get(name) for name in ("code", "message", "node_id", "class_type")}


def _output_of(output: OutputRecord, root: str) -> dict[str, Any]:
    asset = None if output.asset_id is None else str(output.asset_id)
    return {
        "node_id": output.node_id,
        "kind": output.kind,
        "name": output.name,
        "asset_id": asset,
        "url": None if asset is None else f"{root}/assets/{asset}/content",
        "content_type": output.content_type,
        "size_bytes": output.size_bytes,
    }


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def signed(
    delivery_id: UUID, payload: Mapping[str, Any], *, secrets: Sequence[str], at: datetime
) -> tuple[bytes, dict[str, str]]:
    """Return the body of a webhook and its headers, signed with each of ``secrets``.

    The ``webhook-id`` is the same in every try, so that a receiver knows a webhook that it has had before.
    The timestamp is the try's, since receivers refuse old ones.
    """
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    name = f"msg_{delivery_id.hex}"
    headers = {
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": "comfywire",
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(name, at, body) for secret in secrets),
    }
    return body.encode(), headers
