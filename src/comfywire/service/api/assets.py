"""Assets over HTTP: the routes of the Comfy API v2, and content by signed URL."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from comfywire.service.access.idempotency import Answer, Once
from comfywire.service.api.bodies.asset_form import UPLOAD_BODY, AssetForm, input_path
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Staged
from comfywire.service.assets.records import (
    EXPIRES_IN,
    AssetNotFound,
    AssetRecord,
    NewAsset,
    UrlExpired,
)
from comfywire.service.assets.uploads import keep_once, request_of
from comfywire.service.core import Core

from .admission import key_first_router
from .content import content, redirection
from .context import IdempotencyKey, Reading, Service, Submitting, origin_of
from .models import Text

__all__ = ["Asset", "AssetFromHash", "asset_body", "router"]

Redirect = Annotated[
    bool | None,
    Query(
        description="Whether the answer may be 307 with a link into the asset store, where that makes some; "
        "the service's own setting by default."
    ),
]
Thumbnail = Annotated[
    Literal["128", "256", "512"] | None,
    Query(description="A picture no larger than that on a side, as WebP; 415 for what is no picture."),
]
router = key_first_router(tag="assets")


class Asset(BaseModel):
    """An asset, as the Comfy API v2 shows it."""

    id: UUID
    hash: str = Field(description="`blake3:<hex>`")
    size_bytes: int
    content_type: str
    file_path: str | None = None
    tags: list[str] = []
    created_new: bool | None = Field(None, description="On creation: whether you had no such bytes before.")
    created_at: datetime
    url: str = Field(description="Gives the bytes without a key, until `url_expires_at`.")
    url_expires_at: datetime
    expires_at: datetime | None = Field(None, description="When it may be removed; null is never.")
    job_id: UUID | None = Field(None, description="The job that made it; null for uploads.")


class AssetFromHash(BaseModel):
    """Bytes that the caller's key has already, to become another asset."""

    hash: Text
    file_path: Text | None = None
    tags: list[Text] = []
    expires_in: int | None = Field(None, ge=EXPIRES_IN[0], le=EXPIRES_IN[-1])


def asset_body(request: Request, core: Any, asset: AssetRecord, *, created_new: bool | None = None) -> Asset:
    """Return the API's description of ``asset``, with a fresh URL for its bytes."""
    assets: Assets = core.assets
    url, until = assets.url(asset, core.settings.base_url or str(request.base_url))
    return Asset(
        id=asset.id,
        hash=f"blake3:{asset.hash}",
        size_bytes=asset.size_bytes,
        content_type=asset.content_type,
        file_path=asset.file_path,
        tags=asset.tags,
        created_new=created_new,
        created_at=asset.created_at,
        url=url,
        url_expires_at=until,
        expires_at=asset.expires_at,
        job_id=asset.job_id,
    )


_CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": Asset, "description": "You had these bytes already."},
    201: {"model": Asset, "description": "These bytes are new to you."},
}


@router.post(
    "/api/v2/assets",
    operation_id="postAssets",
    status_code=201,
    responses=_CREATED,
    openapi_extra=UPLOAD_BODY,
)
async def upload(
    request: Request, core: Service, caller: Submitting, idempotency_key: IdempotencyKey = None
) -> Response:
    """Upload a file; fields and file may come in any order."""
    form = AssetForm(core.assets, core.settings.max_upload_bytes)
    async with AsyncExitStack() as until_kept:
        staged, new = await form.read(request, until_kept)
        if idempotency_key is not None:
            once = request_of(caller.key_id, idempotency_key, staged, new)
            return await _created_once(request, core, staged, new, once)
        asset, is_new = await core.assets.keep(staged, caller.key_id, new)
    return _created(request, core, asset, is_new=is_new)


@router.post("/api/v2/assets/from-hash", operation_id="assetFromHash", status_code=201, responses=_CREATED)
async def from_hash(request: Request, body: AssetFromHash, core: Service, caller: Submitting) -> Response:
    """Make an asset of bytes that you have uploaded or made before."""
    asset, is_new = await core.assets.from_hash(
        caller.key_id,
        body.hash,
        file_path=input_path(body.file_path),
        tags=body.tags,
        expires_in=body.expires_in,
    )
    return _created(request, core, asset, is_new=is_new, created_new=False)


@router.head("/api/v2/assets/by-hash/{hash}", operation_id="headAssetByHash")
async def by_hash(hash: str, core: Service, caller: Reading) -> Response:  # noqa: A002
    """Whether you have these bytes: 200 or 404."""
    return Response(status_code=200 if await core.assets.has_hash(caller.key_id, hash) else 404)


@router.get(
    "/api/v2/assets/{asset_id}",
    operation_id="getAsset",
    response_model=Asset,
    response_model_exclude={"created_new"},
)
async def get(request: Request, asset_id: str, core: Service, caller: Reading) -> Asset:
    """Return an asset, with a fresh URL for its bytes."""
    return asset_body(request, core, await _asset(core, asset_id, caller.key_id))


@router.delete("/api/v2/assets/{asset_id}", operation_id="deleteAsset", status_code=204)
async def delete(asset_id: str, core: Service, caller: Submitting) -> Response:
    """Delete an asset; bytes that other assets share stay."""
    await core.assets.delete(_uuid(asset_id), caller.key_id)
    return Response(status_code=204)


@router.head("/api/v2/assets/{asset_id}/content", operation_id="headAssetContent")
@router.get("/api/v2/assets/{asset_id}/content", operation_id="getAssetContent", response_class=Response)
async def read(
    *,
    request: Request,
    asset_id: str,
    core: Service,
    caller: Reading,
    redirect: Redirect = None,
    thumbnail: Thumbnail = None,
) -> Response:
    """An asset's bytes, or a range of them; the asset's `url` is the link to give to others."""
    # The Comfy API v2 redirects where an object store has the bytes. We redirect only where the client or the
    # operator asks for it: a client that follows no redirect, such as curl without -L, would save nothing.
    asset = await _sized(core, await _asset(core, asset_id, caller.key_id), thumbnail)
    return await _bytes_of(request, core, asset, redirect=redirect)


@router.head("/api/v2/signed/{asset_id}", operation_id="headSignedContent")
@router.get("/api/v2/signed/{asset_id}", operation_id="getSignedContent", response_class=Response)
async def read_signed(
    *,
    request: Request,
    asset_id: str,
    core: Service,
    expires: Annotated[int, Query(ge=0, le=1 << 40)],
    signature: Annotated[str, Query(max_length=100)],
    redirect: Redirect = None,
    thumbnail: Thumbnail = None,
) -> Response:
    """An asset's bytes, for every client that has the asset's signed URL; no key is needed."""
    asset = await core.assets.get_signed(_uuid(asset_id), expires, signature)
    # The signature outlives its key: a revoked key's URLs must stop here.
    if (await core.access.get(asset.key_id)).revoked_at is not None:
        raise UrlExpired
    return await _bytes_of(request, core, await _sized(core, asset, thumbnail), redirect=redirect)


async def _sized(core: Core, asset: AssetRecord, thumbnail: str | None) -> AssetRecord:
    return asset if thumbnail is None else await core.thumbnails.of(asset, int(thumbnail))


async def _bytes_of(request: Request, core: Core, asset: AssetRecord, *, redirect: bool | None) -> Response:
    wants_link = core.settings.redirect_downloads if redirect is None else redirect
    if wants_link and request.method == "GET":  # the store's signature holds for GET alone
        response = await redirection(core.assets, asset)
        if response is not None:
            return response
    return await content(request, core.assets, asset)


def _created(
    request: Request, core: Any, asset: AssetRecord, *, is_new: bool, created_new: bool | None = None
) -> Response:
    body = asset_body(request, core, asset, created_new=is_new if created_new is None else created_new)
    return JSONResponse(body.model_dump(mode="json"), status_code=201 if is_new else 200)


async def _created_once(request: Request, core: Any, staged: Staged, new: NewAsset, once: Once) -> Response:
    def render(asset: AssetRecord, is_new: bool) -> Answer:  # noqa: FBT001
        body = asset_body(request, core, asset, created_new=is_new)
        return Answer(201 if is_new else 200, body.model_dump(mode="json"))

    answer, is_repeated = await keep_once(core.assets, staged, new, once, render)
    if not is_repeated:
        return JSONResponse(answer.body, answer.status)
    # The kept answer may be a day old, and the URL in it is good for an hour: a repetition gets a fresh one.
    asset = Asset.model_validate(answer.body)
    asset.url, asset.url_expires_at = core.assets.url_of(asset.id, origin_of(request))
    body = asset.model_dump(mode="json")
    return JSONResponse(body, answer.status, {"Idempotency-Replayed": "true"})


async def _asset(core: Any, asset_id: str, key_id: UUID) -> AssetRecord:
    asset: AssetRecord | None = await core.assets.get(_uuid(asset_id), key_id)
    if asset is None:
        raise AssetNotFound(asset_id)
    return asset


def _uuid(asset_id: str) -> UUID:
    """Return the asset's id; a text that is no UUID gets the same answer as an id that no asset has."""
    try:
        return UUID(asset_id)
    except ValueError:
        raise AssetNotFound(asset_id) from None
