import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.service.rig import until

from comfywire.service.database.pool import Database
from comfywire.service.jobs.engine import Queue
from comfywire.service.worker.membership import Membership

STALLED_AFTER = 1.0


@contextlib.asynccontextmanager
async def beating(database: Database) -> AsyncIterator[Membership]:
    membership = Membership(Queue(database), "one", STALLED_AFTER)
    await membership.join()
    task = asyncio.create_task(membership.beat())
    try:
        yield membership
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def judges(membership: Membership) -> None:
    async def may_judge() -> bool:
        return membership.may_judge

    await until(may_judge)


async def judges_not(membership: Membership) -> None:
    async def may_not_judge() -> bool:
        return not membership.may_judge

    await until(may_not_judge)


async def test_nobody_calls_others_dead_before_they_could_be_heard_of(database: Database):
    async with beating(database) as membership:
        assert not membership.may_judge
        await judges(membership)


async def test_a_short_outage_of_the_database_is_got_over(database: Database, postgres: str):
    async with beating(database) as membership:
        await judges(membership)
        await cut_connections(database)
        await judges_not(membership)
        await judges(membership)

        assert membership.is_fresh


async def test_one_that_was_taken_for_dead_begins_anew(database: Database):
    async with beating(database) as membership:
        before = membership.number
        await database.do("DELETE FROM procrastinate_workers")

        async def is_new() -> bool:
            return membership.number != before

        await until(is_new)


async def cut_connections(database: Database) -> None:
    async with Database(database.url) as other:
        await other.do(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_one_that_stood_still_knows_that_it_was_not_heard_of(database: Database):
    async with beating(database) as membership:
        await judges(membership)
        assert membership.is_fresh

    async def is_stale() -> bool:
        return not membership.is_fresh

    await until(is_stale)
