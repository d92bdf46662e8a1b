"""One connection that listens, whoever wants to hear."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable

from tests.service.rig import until

from comfywire.service.database.pool import Database


class Ear:
    """Somebody who listens, and what they have heard."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.gaps = 0

    def gap(self) -> None:
        self.gaps += 1


@contextlib.asynccontextmanager
async def listening(
    database: Database, channels: Iterable[str], then: Callable[[str], object] = str
) -> AsyncIterator[Ear]:
    ear = Ear()

    def hear(channel: str, payload: str) -> None:
        ear.heard.append((channel, payload))
        then(payload)

    task = asyncio.create_task(database.listen(list(channels), hear, ear.gap))
    await until(lambda: answered(ear.gaps > 0))
    yield ear
    task.cancel()
    await asyncio.wait([task])


async def answered(is_so: bool) -> bool:
    return is_so


async def connections(database: Database) -> list[int]:
    found = await database.all(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND (query LIKE 'LISTEN%%' OR query = 'SELECT 1')"
    )
    return [one["pid"] for one in found]


async def test_all_who_listen_share_a_connection_and_hear_what_they_want(database: Database):
    async with listening(database, ["a", "b"]) as one, listening(database, ["b", "c"]) as other:
        for channel in "abc":
            await database.do(f"NOTIFY {channel}, 'x'")
        await until(lambda: answered(len(one.heard) == len(other.heard) == 2))

        assert len(await connections(database)) == 1

    assert one.heard == [("a", "x"), ("b", "x")]
    assert other.heard == [("b", "x"), ("c", "x")]
    assert (one.gaps, other.gaps) == (1, 1)


async def test_nobody_misses_what_is_said_while_somebody_begins_to_listen(database: Database):
    async with listening(database, ["a"]) as one:
        saying = asyncio.create_task(say(database, 200))
        for number in range(20):
            async with listening(database, [f"other_{number}"]):
                pass
        await saying
        await until(lambda: answered(len(one.heard) == 200))

    assert [payload for _, payload in one.heard] == [str(number) for number in range(200)]


async def say(database: Database, count: int) -> None:
    for number in range(count):
        await database.do(f"NOTIFY a, '{number}'")


async def test_everybody_is_told_of_a_gap(database: Database):
    async with listening(database, ["a"]) as one, listening(database, ["b"]) as other:
        (pid,) = await connections(database)
        await database.do("SELECT pg_terminate_backend(%(pid)s)", pid=pid)
        await until(lambda: answered(one.gaps == other.gaps == 2))
        await database.do("NOTIFY a, 'again'")
        await until(lambda: answered(bool(one.heard)))


async def test_who_understands_nothing_keeps_nobody_from_hearing(database: Database):
    async with listening(database, ["a"], then=int) as one, listening(database, ["a"]) as other:
        for word in ("no number", "1"):
            await database.do(f"NOTIFY a, '{word}'")
        await until(lambda: answered(len(one.heard) == len(other.heard) == 2))


async def test_the_last_who_listened_closes_the_connection(database: Database):
    async with listening(database, ["a"]):
        async with listening(database, ["b"]):
            pass
        assert len(await connections(database)) == 1

    await until(lambda: are_gone(database))


async def are_gone(database: Database) -> bool:
    return await connections(database) == []
