"""A webhook's delivery as it stands, for those who look at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from comfywire.errors import ComfywireError
from comfywire.service.database.pool import Row

__all__ = ["Delivery", "NoDelivery"]


class NoDelivery(ComfywireError):
    """The job has no delivery of that id, or the key has no job of that id."""

    def __init__(self, job_id: UUID, delivery_id: UUID | None = None) -> None:
        no_job = f"this key has no job {job_id}: check the id, and that it is the key that submitted it"
        no_delivery = f"job {job_id} has no delivery {delivery_id}: list them to see which it has"
        super().__init__(no_job if delivery_id is None else no_delivery)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook: the news of one end of a job, or of its start or progress.

    Attributes:
        id: The delivery's id; the ``webhook-id`` header is ``msg_`` and the id in hex.
        job_id: The job.
        type: ``job.succeeded``, ``job.failed``, ...
        url: The receiver's address.
        state: ``waiting``, ``delivered``, ``given_up``.
        tries: How many tries were begun.
        next_at: When the next try is due; of meaning only while ``state`` is ``waiting``.
        created_at: When that happened.
        delivered_at: When the receiver answered with a 2xx status.
        log: For each ended try: ``try``, ``at``, ``status`` (None: no answer), ``error``, ``seconds``.

    """

    id: UUID
    job_id: UUID
    type: str
    url: str
    state: str
    tries: int
    next_at: datetime
    created_at: datetime
    delivered_at: datetime | None
    log: list[dict[str, Any]]

    @classmethod
    def of(cls, row: Row) -> Delivery:
        """Read a row of ``deliveries`` with its log."""
        return cls(**{name: row[name] for name in cls.__slots__})
