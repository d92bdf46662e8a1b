import asyncio
import uuid
from contextlib import AsyncExitStack
from typing import Any

from tests.service.making import changed, job_in

from comfywire.service.database.pool import Database
from comfywire.service.jobs.engine import Queue
from comfywire.service.jobs.live_jobs import Broker, LiveJob
from comfywire.service.jobs.records import JobLook
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store


class Late(Store):
    """A store whose first answer about a job is on its way until it is let go."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, Queue(database))
        self.is_first, self.asked, self.go_on = True, asyncio.Event(), asyncio.Event()

    async def look(self, job_id: uuid.UUID, key_id: uuid.UUID | None = None, **after: Any) -> JobLook | None:
        found = await super().look(job_id, key_id, **after)
        if self.is_first:
            self.is_first = False
            self.asked.set()
            await self.go_on.wait()
        return found


async def test_an_older_read_of_a_live_job_does_not_set_an_ended_job_back(
    database: Database, store: Store, key_id: uuid.UUID
) -> None:
    late = Late(database)
    job = await job_in(store, key_id, JobState.RUNNING)
    async with AsyncExitStack() as stack, Broker(late) as broker:

        async def watched(*, previews: bool) -> LiveJob:
            return await stack.enter_async_context(broker.watch(job.id, previews=previews))

        older = asyncio.create_task(watched(previews=False))
        await late.asked.wait()
        await changed(store, job.id, JobState.SUCCEEDED)
        newer = asyncio.create_task(watched(previews=True))
        await asyncio.wait({newer}, timeout=0.5)  # it has ended, or waits for its turn
        late.go_on.set()
        live = await older
        await newer

        assert live.job is not None
        assert live.job.state is JobState.SUCCEEDED


async def test_what_is_to_end_with_the_readers_ends_at_once_where_they_have(store: Store) -> None:
    ended: list[str] = []
    broker = Broker(store)
    broker.on_close(lambda: ended.append("early"))
    broker.close()

    broker.on_close(lambda: ended.append("late"))

    assert ended == ["early", "late"]
