from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.client.graphs import Show

from comfywire import Client
from comfywire.server import Server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(nodes={"Show": Show}) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client(server.url) as client:
        yield client
