"""A ComfyUI for the tests of a service behind other people's programs."""

import os
from collections.abc import AsyncIterator

import pytest

pytest.importorskip("procrastinate", reason="the job service needs the extra 'service'")

from comfywire.server import Server


@pytest.fixture(autouse=True)
def wanted() -> None:
    """They start servers of others by the dozen, so `make test` leaves them out."""
    if not os.environ.get("COMFYWIRE_TEST_OPS"):
        pytest.skip("`make test-ops` runs these")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server
