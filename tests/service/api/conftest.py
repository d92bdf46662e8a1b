"""The whole application behind a real socket, over a database of its own."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from tests.service.serving import application, asking, serving

from comfywire.service.core import Core, open_core
from comfywire.service.hooks import Hooks
from comfywire.service.settings import Settings

PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {}}}


@dataclass(frozen=True)
class Service:
    """What a test holds."""

    core: Core
    app: FastAPI
    url: str

    @contextlib.asynccontextmanager
    async def client(
        self, *scopes: str, name: str = "a test", **limits: Any
    ) -> AsyncIterator[httpx.AsyncClient]:
        """Somebody with a key of their own."""
        _, secret = await self.core.access.create(name, scopes or ("submit", "read"), **limits)
        headers = {"Authorization": f"Bearer {secret}"}
        async with asking(base_url=self.url, headers=headers, timeout=60) as client:
            yield client


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data=tmp_path, database_url=database_url, keys_required=True)


@pytest.fixture
def service_with(settings: Settings) -> Callable[..., contextlib.AbstractAsyncContextManager[Service]]:
    @contextlib.asynccontextmanager
    async def service(hooks: Hooks | None = None, **changes: Any) -> AsyncIterator[Service]:
        async with open_core(replace(settings, **changes)) as opened:
            core = replace(opened, hooks=hooks or opened.hooks)
            app = application(core)
            async with serving(app) as url:
                yield Service(core, app, url)
                core.broker.close()

    return service


@pytest.fixture
async def service(service_with: Any) -> AsyncIterator[Service]:
    async with service_with() as service:
        yield service


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client() as client:
        yield client


async def submitted(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """A job that was just submitted, as the API shows it."""
    answer = await client.post("/api/v2/jobs", json={"workflow": PROMPT, **body})
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


def id_of(job: Mapping[str, Any]) -> UUID:
    return UUID(job["id"])


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """The status of an error and its code."""
    return answer.status_code, answer.json()["error"]["code"]


@contextlib.asynccontextmanager
async def closed(url: str) -> AsyncIterator[None]:
    """A database that nobody can connect to, and nobody is connected with."""
    name = urlsplit(url).path.lstrip("/")
    other = url.replace(f"/{name}?", "/postgres?")
    sessions = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    async with await psycopg.AsyncConnection.connect(other, autocommit=True) as connection:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        await connection.execute(sessions.encode())
        yield
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
