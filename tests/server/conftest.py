from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.server.wire import Feed, Wire

from comfywire.server import Server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


@pytest.fixture
async def wire(server: Server) -> AsyncIterator[Wire]:
    async with Wire(server.url) as wire:
        yield wire


@pytest.fixture
async def feed(wire: Wire) -> Feed:
    return await wire.feed()
