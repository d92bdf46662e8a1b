"""Webhooks over HTTP: how deliveries went, delivering once more, and the secret that signs them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from comfywire.service.webhooks.secrets import GRACE

from .admission import key_first_router
from .context import Reading, Service, Submitting
from .rendering import cursor_of, place_of

__all__ = ["router"]


class Try(BaseModel):
    """One try to deliver."""

    number: Annotated[int, Field(validation_alias="try")]
    at: datetime
    status: Annotated[int | None, Field(description="The receiver's; null when nothing answered.")]
    error: Annotated[str, Field(description="What went wrong, or the beginning of the receiver's answer.")]
    seconds: float


class Delivery(BaseModel):
    """One webhook about a job, and how its delivery stands."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    job_id: UUID
    type: Annotated[str, Field(examples=["job.succeeded"])]
    url: str
    state: Literal["waiting", "delivered", "given_up"]
    tries: Annotated[int, Field(description="How many were begun.")]
    next_at: Annotated[datetime, Field(description="When the next try is due, while it waits.")]
    created_at: datetime
    delivered_at: datetime | None
    log: Annotated[list[Try], Field(description="How each try went that has ended.")]


class Deliveries(BaseModel):
    """All deliveries of one job."""

    deliveries: list[Delivery]


class Address(BaseModel):
    """An address of this key's webhooks whose last try failed."""

    model_config = ConfigDict(from_attributes=True)

    address: Annotated[str, Field(description="The URL without its query.")]
    failing_since: datetime
    disabled_at: Annotated[datetime | None, Field(description="When it was switched off; null if it is not.")]


class Addresses(BaseModel):
    """The addresses that fail; those that work are not listed."""

    addresses: list[Address]


class DeliveryPage(BaseModel):
    """Some deliveries of one key, newest first."""

    deliveries: list[Delivery]
    next_cursor: Annotated[str | None, Field(description="For the next page; null on the last.")]


class Span(BaseModel):
    """Which webhooks are delivered once more."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[AwareDatetime, Field(description="Webhooks of what happened then or later.")]


class Redelivered(BaseModel):
    """How many webhooks are delivered once more."""

    count: int


class Secret(BaseModel):
    """The secret that receivers verify signatures with, as Standard Webhooks has it."""

    secret: Annotated[str, Field(examples=["whsec_…"])]


class SecretRotation(BaseModel):
    """How the secret is changed."""

    model_config = ConfigDict(extra="forbid")

    grace: Annotated[
        float, Field(ge=0, le=30 * 86400.0, description="Seconds for which the old one signs, too.")
    ] = GRACE


router = key_first_router("/api/v2", tag="webhooks")


@router.get("/jobs/{job_id}/deliveries")
async def list_deliveries(job_id: UUID, core: Service, caller: Reading) -> Deliveries:
    """List a job's webhooks and how their tries went."""
    deliveries = await core.webhooks.of_job(job_id, caller.key_id)
    return Deliveries(deliveries=[Delivery.model_validate(delivery) for delivery in deliveries])


@router.post("/jobs/{job_id}/deliveries/{delivery_id}/redeliver", status_code=202)
async def redeliver(job_id: UUID, delivery_id: UUID, core: Service, caller: Submitting) -> Delivery:
    """Deliver a webhook once more, at once, under the same ``webhook-id``."""
    return Delivery.model_validate(await core.webhooks.redeliver(job_id, delivery_id, caller.key_id))


@router.get("/webhooks/deliveries")
async def list_all_deliveries(
    core: Service,
    caller: Reading,
    state: Literal["waiting", "delivered", "given_up"] | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> DeliveryPage:
    """List this key's webhooks and how their tries went, newest first."""
    before = place_of(cursor) if cursor else None
    found = await core.webhooks.of_key(caller.key_id, state=state, before=before, limit=limit + 1)
    page = [Delivery.model_validate(delivery) for delivery in found[:limit]]
    more = cursor_of(found[limit - 1]) if len(found) > limit else None
    return DeliveryPage(deliveries=page, next_cursor=more)


@router.post("/webhooks/redeliver", status_code=202)
async def redeliver_since(span: Span, core: Service, caller: Submitting) -> Redelivered:
    """Deliver this key's webhooks since a time once more, each under its own ``webhook-id``; no progress."""
    return Redelivered(count=await core.webhooks.redeliver_since(span.since, caller.key_id))


@router.get("/webhooks/addresses")
async def list_failing_addresses(core: Service, caller: Reading) -> Addresses:
    """List this key's addresses that fail. One without a success for three days is switched off."""
    found = await core.webhooks.addresses.of(caller.key_id)
    return Addresses(addresses=[Address.model_validate(address) for address in found])


@router.get("/webhooks/secret")
async def get_webhook_secret(core: Service, caller: Submitting) -> Secret:
    """Return the secret that this key's webhooks are signed with."""
    return Secret(secret=await core.webhooks.secrets.of(caller.key_id))


@router.post("/webhooks/secret/rotate")
async def rotate_webhook_secret(
    core: Service, caller: Submitting, rotation: SecretRotation | None = None
) -> Secret:
    """Change the secret. For `grace` seconds webhooks carry both signatures, so that none is refused."""
    grace = GRACE if rotation is None else rotation.grace
    return Secret(secret=await core.webhooks.secrets.rotate(caller.key_id, grace=grace))
