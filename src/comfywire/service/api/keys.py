"""Keys over HTTP, for callers whose own key is for ``admin``; and sessions, by which browsers have one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from comfywire.service.access.callers import Caller
from comfywire.service.access.sessions import COOKIE, LIFETIME
from comfywire.service.access.usage import usage_of
from comfywire.service.webhooks.messages import must_be_webhook_url

from .admission import key_first_router
from .context import Administering, Service, core_of, get_caller
from .models import Text

__all__ = ["router"]

Limit = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, le=100 * 365 * 86400.0)]


class NewKey(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        Field(
            min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", description="What people call it."
        ),
    ]
    scopes: Annotated[list[Literal["submit", "read", "admin", "native"]], Field(min_length=1)] = [
        "submit",
        "read",
    ]
    expires_in: Annotated[Seconds | None, Field(description="Seconds from now; null is never.")] = None
    max_queued: Annotated[Limit | None, Field(description="Jobs that may wait.")] = None
    max_running: Annotated[Limit | None, Field(description="Jobs that may run at a time.")] = None
    run_timeout: Annotated[
        float | None, Field(gt=0, le=30 * 86400.0, description="Seconds for which each of its jobs may run.")
    ] = None
    rate_per_minute: Annotated[Limit | None, Field(description="Requests.")] = None
    webhook_url: Annotated[
        Text | None, Field(description="Is told of jobs and batches that name no address of their own.")
    ] = None


class Rotation(BaseModel):
    """How a key is given another secret."""

    model_config = ConfigDict(extra="forbid")

    grace: Annotated[
        float, Field(ge=0, le=30 * 86400.0, description="Seconds that the old one opens on.")
    ] = 0


class KeyChange(BaseModel):
    """What is changed of a key."""

    model_config = ConfigDict(extra="forbid")

    webhook_url: Annotated[
        Text | None, Field(description="Null for none. Addresses that were switched off are on again.")
    ]


class Key(BaseModel):
    """A key, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    prefix: Annotated[str, Field(description="The first characters of its secret.")]
    scopes: list[str]
    max_queued: int | None
    max_running: int | None
    run_timeout: float | None
    rate_per_minute: int | None
    webhook_url: str | None
    webhook_disabled_at: Annotated[
        datetime | None, Field(description="When an address of its webhooks was switched off that still is.")
    ]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: Annotated[datetime | None, Field(description="To the minute.")]
    previous_until: Annotated[datetime | None, Field(description="Until when the old secret opens, too.")]


class KeyWithSecret(Key):
    """A key with its secret, which no later answer has."""

    secret: str


class Keys(BaseModel):
    """All keys."""

    keys: list[Key]


class Day(BaseModel):
    """What a key used on one day, in UTC."""

    model_config = ConfigDict(from_attributes=True)

    day: date
    jobs: Annotated[int, Field(description="Submitted on that day.")]
    failed: Annotated[int, Field(description="Those of them that failed.")]
    run_seconds: Annotated[float, Field(description="For which they ran.")]
    bytes: Annotated[int, Field(description="Of the uploads and outputs of that day.")]


class Total(BaseModel):
    """What a key used in all these days."""

    jobs: int
    failed: int
    run_seconds: float
    bytes: int


class Usage(BaseModel):
    """What a key has used, as far as its jobs are still kept."""

    days: Annotated[list[Day], Field(description="Today first.")]
    total: Total


router = key_first_router("/api/v2", tag="keys")


@router.post("/keys", status_code=201)
async def create_key(new: NewKey, core: Service, _: Administering) -> KeyWithSecret:
    """Make a key. Its secret is in this answer and can never be read again."""
    must_be_webhook_url(new.webhook_url)
    record, secret = await core.access.create(**new.model_dump())
    return KeyWithSecret(**Key.model_validate(record).model_dump(), secret=secret)


@router.get("/keys")
async def list_keys(core: Service, _: Administering) -> Keys:
    """List all keys, oldest first, also the revoked and expired ones."""
    return Keys(keys=[Key.model_validate(record) for record in await core.access.list()])


@router.get("/keys/{key_id}")
async def get_key(key_id: UUID, core: Service, _: Administering) -> Key:
    """Look at one key."""
    return Key.model_validate(await core.access.get(key_id))


@router.patch("/keys/{key_id}")
async def change_key(key_id: UUID, change: KeyChange, core: Service, _: Administering) -> Key:
    """Set a key's own webhook address anew; what was switched off for it is on again."""
    must_be_webhook_url(change.webhook_url)
    return Key.model_validate(await core.access.set_webhook_url(key_id, change.webhook_url))


@router.get("/keys/{key_id}/usage")
async def get_usage(
    key_id: UUID, core: Service, _: Administering, days: Annotated[int, Query(ge=1, le=366)] = 30
) -> Usage:
    """Return what a key has used by day; jobs that were removed after their retention count no more."""
    await core.access.get(key_id)
    used = [Day.model_validate(day) for day in await usage_of(core.database, key_id, days)]
    sums = {name: sum(getattr(day, name) for day in used) for name in Total.model_fields}
    return Usage(days=used, total=Total(**sums))


@router.post("/keys/{key_id}/rotate")
async def rotate_key(
    key_id: UUID, core: Service, _: Administering, rotation: Rotation | None = None
) -> KeyWithSecret:
    """Give a key another secret; the old one, and its sessions, end at once or after `grace` seconds."""
    record, secret = await core.access.rotate(key_id, grace=0.0 if rotation is None else rotation.grace)
    return KeyWithSecret(**Key.model_validate(record).model_dump(), secret=secret)


@router.delete("/keys/{key_id}")
async def revoke_key(key_id: UUID, core: Service, _: Administering) -> Key:
    """Revoke a key: within seconds it opens nothing more. Its jobs run on."""
    return Key.model_validate(await core.access.revoke(key_id))


class SessionRequest(BaseModel):
    """The key to sign in with."""

    key: Text


class Session(BaseModel):
    """Who is signed in."""

    name: str
    scopes: list[str]


@router.post("/session", operation_id="postSession", response_model=Session)
async def begin(request: Request, body: SessionRequest, core: Service) -> Response:
    """Sign in: the cookie `comfywire_session` stands for the key, until key, secret or session ends."""
    caller = await core.access.caller(body.key)
    await core.limits.take(caller)
    answer = JSONResponse(_shown(caller))
    answer.set_cookie(
        COOKIE,
        await core.sessions.begin(caller.key_id, body.key),
        max_age=int(LIFETIME),
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get("/session", operation_id="getSession", response_model=Session)
async def show(request: Request) -> dict[str, Any]:
    """Who asks: the name and the scopes of the key, whether it comes as a cookie or in a header."""
    return _shown(await get_caller(request))


@router.delete("/session", operation_id="deleteSession", status_code=204)
async def end(request: Request, core: Service) -> Response:
    """Sign out: the session opens nothing more, and the browser forgets the cookie."""
    if token := request.cookies.get(COOKIE):
        await core.sessions.end(token)
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, secure=_is_secure(request), httponly=True, samesite="lax")
    return answer


def _is_secure(request: Request) -> bool:
    base_url = core_of(request).settings.base_url or ""
    return request.url.scheme == "https" or base_url.startswith("https://")


def _shown(caller: Caller) -> dict[str, Any]:
    return {"name": caller.name, "scopes": sorted(caller.scopes)}
