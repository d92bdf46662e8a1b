"""A ComfyUI for the tests of a service behind other people's programs."""

from collections.abc import AsyncIterator

import pytest

pytest.importorskip("procrastinate", reason="the job service needs the extra 'service'")

from comfywire.server import Server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server
