"""The native face in the test's event loop: its sockets, a fleet of two test servers, and a worker."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.client.graphs import Show
from tests.service import rig
from tests.service.rig import FAST, until, working
from tests.service.serving import application, serving

from comfywire.server import Server
from comfywire.service.core import Core, open_core
from comfywire.service.fleet.needs import need_of, requirement_of
from comfywire.service.jobs.records import JobRecord, NativePrompt, NewJob
from comfywire.service.relay.said import Audience
from comfywire.service.settings import Settings
from comfywire.service.worker.worker import Worker


@dataclass(frozen=True)
class Face:
    """What a test of streams holds."""

    core: Core
    url: str
    servers: list[Server]
    speaking: Core
    """The worker's, which is ``core`` where both are one process."""

    async def queue(
        self, prompt: Mapping[str, Any], client_id: str | None, *, secret: str | None = None, **fields: Any
    ) -> JobRecord:
        """A prompt of a key, or of the caller without one, as POST /prompt records it.

        The worker knows of the sockets that are to hear of it: one that it hears of later is told how things
        stand then, and not what came before.
        """
        caller = await self.core.access.caller(secret)
        if self.core.relay.has_listeners(audience := Audience(caller.key_id, client_id or "")):
            await until(lambda: is_known(self.speaking, audience))
        requirement = requirement_of(prompt)
        job = NewJob(
            id=uuid.uuid4(),
            key_id=caller.key_id,
            prompt=prompt,
            need=need_of(requirement),
            requirement=requirement,
            native=NativePrompt(outputs=["2"], client_id=client_id),
            output_folder=f"cw{'0' * 30}",
            **fields,
        )
        return await self.core.store.submit(job)


def worker_of(core: Core, servers: list[Server]) -> Worker:
    """A worker that waits for nothing longer than a test wants to."""
    return rig.worker_of(core, *(server.url for server in servers), pace=FAST, server_patience=2.0)


async def is_known(core: Core, audience: Audience) -> bool:
    """Whether a process knows of a socket."""
    return core.relay.has_listeners(audience)


async def are_up(core: Core, count: int) -> bool:
    found = await core.database.one("SELECT count(*) AS up FROM servers WHERE state = 'up'")
    return found is not None and found["up"] == count


@pytest.fixture
def faces(tmp_path: Path, database_url: str) -> Callable[..., contextlib.AbstractAsyncContextManager[Face]]:
    """Faces in front of test servers; with their workers in the same process, or as if in others."""

    @contextlib.asynccontextmanager
    async def face(
        count: int = 1, *, apart: bool = False, works: bool = True, **options: Any
    ) -> AsyncIterator[Face]:
        settings = Settings(data=tmp_path / "data", database_url=database_url)
        async with contextlib.AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(Server(nodes={"Show": Show}, **options)) for _ in range(count)
            ]
            core = theirs = await stack.enter_async_context(open_core(settings))
            if works:
                if apart:
                    theirs = await stack.enter_async_context(open_core(settings))
                await stack.enter_async_context(working(worker_of(theirs, servers)))
            url = await stack.enter_async_context(serving(application(core)))
            stack.callback(core.broker.close)
            if works:
                await until(lambda: are_up(core, count))
            yield Face(core, url, servers, theirs)

    return face
