"""Assets over a real PostgreSQL and real files, and the router behind a real socket."""

import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from tests.service.serving import asking, serving

from comfywire.service.access.keys import Access
from comfywire.service.access.limits import RateLimits
from comfywire.service.api.assets import router
from comfywire.service.api.errors import answer_errors
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Blobs
from comfywire.service.assets.signing import Signer
from comfywire.service.database.pool import Database
from comfywire.service.fleet.needs import need_of, requirement_of
from comfywire.service.jobs.records import NewJob
from comfywire.service.settings import Settings

PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {}}}
REQUIREMENT = requirement_of(PROMPT)


async def pieces(content: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def whole(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def noise(size: int, seed: bytes = b"") -> bytes:
    return hashlib.shake_128(seed).digest(size)


def job(key_id: UUID, **fields: object) -> NewJob:
    return NewJob(
        id=uuid4(),
        key_id=key_id,
        prompt=PROMPT,
        need=need_of(REQUIREMENT),
        requirement=REQUIREMENT,
        **fields,  # type: ignore[arg-type]
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, max_upload_bytes=80 << 20, keys_required=True)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path / "assets"))


@pytest.fixture
def assets_with(database: Database, blobs: Blobs, settings: Settings) -> Callable[..., Assets]:
    def made(**changes: object) -> Assets:
        changed = replace(settings, **changes)  # type: ignore[arg-type]
        return Assets(database, blobs, Signer(b"secret"), changed, now=time.time)

    return made


@pytest.fixture
def assets(assets_with: Callable[..., Assets]) -> Assets:
    return assets_with()


@pytest.fixture
async def service(database: Database, assets: Assets, settings: Settings) -> AsyncIterator[SimpleNamespace]:
    """The routes of assets as the service has them, with keys: ``url`` and ``access``."""
    app = FastAPI()
    app.include_router(router)
    access = Access(database)
    app.state.core = SimpleNamespace(
        assets=assets, settings=settings, access=access, limits=RateLimits(database)
    )
    answer_errors(app)
    async with serving(app) as url:
        yield SimpleNamespace(url=url, access=access, app=app)


@pytest.fixture
async def client(service: SimpleNamespace) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with a key for everything."""
    async with client_of(service, "one", ["submit", "read"]) as opened:
        yield opened


@contextlib.asynccontextmanager
async def client_of(
    service: SimpleNamespace, name: str, scopes: list[str]
) -> AsyncIterator[httpx.AsyncClient]:
    _, secret = await service.access.create(name, scopes)
    headers = {"Authorization": f"Bearer {secret}"}
    async with asking(base_url=service.url, headers=headers, timeout=60) as opened:
        yield opened
