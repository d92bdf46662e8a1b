"""Downloads from where the bytes are, for who asks: S3 signs a link, a folder has none."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from tests.service.serving import asking

from comfywire.service.access.keys import Access
from comfywire.service.access.limits import RateLimits
from comfywire.service.api.assets import router
from comfywire.service.api.errors import answer_errors
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Blobs
from comfywire.service.assets.signing import Signer
from comfywire.service.database.pool import Database
from comfywire.service.settings import Settings

from .conftest import client_of, serving
from .test_blobs import on_s3, s3

__all__ = ["s3"]

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


@pytest.fixture
def served(
    database: Database, settings: Settings
) -> Callable[..., contextlib.AbstractAsyncContextManager[httpx.AsyncClient]]:
    @contextlib.asynccontextmanager
    async def client(blobs: Blobs, **changes: bool) -> AsyncIterator[httpx.AsyncClient]:
        own = replace(settings, **changes)  # type: ignore[arg-type]
        app, access = FastAPI(), Access(database)
        app.include_router(router)
        assets = Assets(database, blobs, Signer(b"secret"), own, now=time.time)
        app.state.core = SimpleNamespace(
            assets=assets, settings=own, access=access, limits=RateLimits(database)
        )
        answer_errors(app)
        async with serving(app) as url:
            service = SimpleNamespace(url=url, access=access)
            async with client_of(service, "one", ["submit", "read"]) as opened:
                yield opened

    return client


async def uploaded(
    client: httpx.AsyncClient, content: bytes = b"bytes", name: str = "a b.png"
) -> dict[str, str]:
    kind = "image/svg+xml" if name.endswith("svg") else "image/png"
    fields = {"content_type": kind, "file_path": name}
    return dict((await client.post("/api/v2/assets", data=fields, files={"file": (name, content)})).json())


async def fetched(sent: httpx.Response, **headers: str) -> httpx.Response:
    """What the store gives who follows the link, without a key."""
    async with asking() as stranger:
        return await stranger.get(sent.headers["location"], headers=headers)


async def test_who_asks_is_sent_to_the_store_and_gets_the_bytes_there(served, s3):
    async with on_s3(s3) as blobs, served(blobs) as client:
        asset = await uploaded(client)
        path = f"/api/v2/assets/{asset['id']}/content"

        ours = await client.get(path)
        sent = await client.get(path, params={"redirect": 1})

        assert (ours.status_code, ours.content) == (200, b"bytes")
        assert sent.status_code == 307
        there = await fetched(sent, Range="bytes=1-2")
        assert (there.status_code, there.content) == (206, b"yt")
        assert there.headers["content-type"] == "image/png"
        assert sent.headers["location"].startswith(s3)


async def test_the_signed_link_of_an_asset_takes_it_too_and_what_can_run_is_saved(served, s3):
    async with on_s3(s3) as blobs, served(blobs) as client:
        asset = await uploaded(client, SVG, "x.svg")

        sent = await client.get(f"{asset['url']}&redirect=1")

        there = await fetched(sent)
        assert there.content == SVG
        assert there.headers["content-disposition"].startswith("attachment")


async def test_as_a_setting_it_is_for_all_but_who_does_not_want_it(served, s3):
    async with on_s3(s3) as blobs, served(blobs, redirect_downloads=True) as client:
        path = f"/api/v2/assets/{(await uploaded(client))['id']}/content"

        answers = [
            await client.get(path),
            await client.get(path, params={"redirect": 0}),
            await client.head(path),
        ]

        assert [answer.status_code for answer in answers] == [307, 200, 200]


async def test_a_store_without_links_gives_the_bytes_itself(served, blobs):
    async with served(blobs, redirect_downloads=True) as client:
        path = f"/api/v2/assets/{(await uploaded(client))['id']}/content"

        assert (await client.get(path, params={"redirect": 1})).content == b"bytes"


async def test_another_key_is_sent_nowhere(served, s3, database):
    async with on_s3(s3) as blobs, served(blobs) as client:
        path = f"/api/v2/assets/{(await uploaded(client))['id']}/content"
        service = SimpleNamespace(url=str(client.base_url), access=Access(database))
        async with client_of(service, "two", ["read"]) as other:
            assert (await other.get(path, params={"redirect": 1})).status_code == 404
