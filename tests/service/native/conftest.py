"""The whole service behind a real socket, with a worker and two test servers: ComfyUI's own API in front."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.service.rig import FAST, at_work, picture, until
from tests.service.serving import application, asking, serving

from comfywire.server import Server
from comfywire.service.core import Core, open_core
from comfywire.service.settings import Settings

PROMPT = picture()


@dataclass(frozen=True)
class Service:
    """What a test holds."""

    core: Core
    app: FastAPI
    url: str

    async def key(self, *scopes: str, name: str = "a test") -> str:
        """The secret of a new key."""
        return (await self.core.access.create(name, scopes or ("native",)))[1]

    @contextlib.asynccontextmanager
    async def client(self, *scopes: str, name: str = "a test") -> AsyncIterator[httpx.AsyncClient]:
        """Somebody with a key of their own."""
        headers = {"Authorization": f"Bearer {await self.key(*scopes, name=name)}"}
        async with asking(base_url=self.url, headers=headers, timeout=60) as client:
            yield client

    @contextlib.asynccontextmanager
    async def worker(self, *servers: Server) -> AsyncIterator[None]:
        """A worker on these servers, once they are up: before, a fault may strike what tries them."""
        async with at_work(self.core, *(server.url for server in servers), pace=FAST):
            yield


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data=tmp_path, database_url=database_url, keys_required=True)


@pytest.fixture
def service_with(settings: Settings) -> Callable[..., contextlib.AbstractAsyncContextManager[Service]]:
    @contextlib.asynccontextmanager
    async def service(**changes: Any) -> AsyncIterator[Service]:
        async with open_core(replace(settings, **changes)) as core:
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


async def submitted(client: httpx.AsyncClient, prompt: Any = None, **body: Any) -> str:
    """The id of a prompt that was just submitted."""
    answer = await client.post("/prompt", json={"prompt": prompt or PROMPT, **body})
    assert answer.status_code == 200, answer.text
    prompt_id: str = answer.json()["prompt_id"]
    return prompt_id


async def ended(client: httpx.AsyncClient, prompt_id: str) -> dict[str, Any]:
    """The entry that the history has of a prompt once it has ended."""
    found: dict[str, Any] = {}

    async def is_there() -> bool:
        found.update((await client.get(f"/history/{prompt_id}")).json())
        return bool(found)

    await until(is_there)
    entry: dict[str, Any] = found[prompt_id]
    return entry


@contextlib.asynccontextmanager
async def each_runs_one(*servers: Server, node_id: str) -> AsyncIterator[None]:
    """Have none of these go on beyond a node until each has a prompt there, of those that are submitted here.

    A server has two of them at a time: there have to be twice as many as servers.
    """
    held = [server.faults.nodes.hold(node_id=node_id) for server in servers]

    async def all_have() -> bool:
        return all(rule.hits for rule in held)

    yield
    await until(all_have)
    for rule in held:
        rule.release()
