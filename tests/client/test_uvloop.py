"""On uvloop, which FastAPI's users have without noticing: its handles are not asyncio's."""

import asyncio

import pytest
from tests.client.graphs import image

from comfywire import Client, Job
from comfywire.protocol.session import Session
from comfywire.server import Server

uvloop = pytest.importorskip("uvloop", reason="uvloop comes with the extra 'service', and not to Windows")


def test_a_prompt_is_followed_when_something_is_due_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due within half a millisecond gets a handle without a time (loop.pyx, call_later, 0.23)."""
    due = Session.next_due
    monkeypatch.setattr(Session, "next_due", lambda self, now: min(due(self, now), now + 0.0001))

    async def many() -> list[Job]:
        async with Server() as server, Client(server.url) as client:
            jobs = [await client.submit(image()) for _ in range(20)]
            await asyncio.gather(*(job.result() for job in jobs))
            return jobs

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert all(job.is_done for job in runner.run(many()))
