import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.service.rig import until

from comfywire.service.database.pool import Database
from comfywire.service.jobs.engine import Queue
from comfywire.service.worker.membership import Membership, Silence

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


async def judges(membership: Membership, number: int) -> None:
    async def is_dead() -> bool:
        return number in membership.silent

    await until(is_dead)


async def test_nobody_is_called_dead_before_it_could_be_heard_of(database: Database):
    number = await Queue(database).register()
    async with beating(database) as membership, beating(database) as other:
        assert membership.silent == []
        await judges(membership, number)

        assert other.number not in membership.silent


async def test_one_that_dies_while_the_database_dies_again_and_again_is_found_dead(
    database: Database, postgres: str
):
    number = await Queue(database).register()
    async with beating(database) as membership, beating(database) as other:
        finding = asyncio.create_task(judges(membership, number))
        while not finding.done():
            await cut_connections(database)
            await asyncio.wait([finding], timeout=STALLED_AFTER * 0.9)

        assert other.number not in membership.silent
        await until(lambda: is_fresh(membership))


async def is_fresh(membership: Membership) -> bool:
    return membership.is_fresh


def heard_until(silence: Silence, begin: float, end: float, living: list[int], dead: list[int]) -> None:
    """Heartbeats of some workers, and none of others, each 2 seconds."""
    for now in range(int(begin), int(end), 2):
        silence.heard(dict.fromkeys(living, float(now)) | dict.fromkeys(dead, 0.0), now)


@pytest.mark.parametrize("apart", [8, 12, 20, 1000])
def test_silence_is_added_up_over_outages(apart: int):
    silence = Silence(8.0)
    heard_until(silence, 0, 2, [1], [2])
    found = []
    for begin in range(2, 2 + 6 * apart, apart):
        silence.was_away()
        heard_until(silence, begin, begin + min(apart, 30), [1], [2])
        found.append(silence.dead(begin + min(apart, 30)))

    assert found[-1] == [2]
    assert [1] not in found


@pytest.mark.parametrize("length", [1, 60, 3600])
def test_an_outage_is_nobodys_silence(length: int):
    silence = Silence(8.0)
    heard_until(silence, 0, 20, [1, 2], [])
    for _ in range(length):
        silence.was_away()
    heard_until(silence, 20 + length, 23 + length, [1], [])
    silence.heard({1: 20.0 + length, 2: 18.0}, 24 + length)  # the other is heard a little later

    assert silence.dead(25 + length) == []


def test_one_that_stood_still_calls_nobody_dead_for_that():
    silence = Silence(8.0)
    heard_until(silence, 0, 20, [1, 2], [])
    silence.heard({1: 18.0, 2: 18.0}, 3620)

    assert silence.dead(3621) == []


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
        await until(lambda: is_fresh(membership))

    async def is_stale() -> bool:
        return not membership.is_fresh

    await until(is_stale)
