"""Servers that were added are shared out among the workers that are alive, each to one of them."""

import asyncio
from itertools import chain
from typing import Any

import pytest
from tests.service.rig import Rig

from comfywire.service.database.pool import Database
from comfywire.service.fleet.added import AddedServers
from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.engine import Queue

URLS = [f"http://127.0.0.1:{port}" for port in range(1, 9)]


@pytest.fixture
async def book(rig: Rig) -> AddedServers:
    """Eight servers were added."""
    book = AddedServers(rig.database, rig.sealer)
    for url in URLS:
        await book.add(url)
    return book


async def claimed(book: AddedServers, worker: str) -> list[str]:
    return sorted(server.url for server in await book.claim(worker))


async def grow_old(database: Database, seconds: float) -> None:
    query = "UPDATE servers SET seen_at = seen_at - make_interval(secs => %(seconds)s::float8)"
    await database.do(query, seconds=seconds)


async def fallen_silent(database: Database, book: AddedServers, *, spoke: float, beat: float) -> Queue:
    """A worker has all of them, spoke of them so many seconds ago, and gave its last sign of life."""
    queue = Queue(database)
    await queue.register("a")
    await claimed(book, "a")
    await grow_old(database, spoke)
    query = (
        "UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => %(beat)s::float8)"
    )
    await database.do(query, beat=beat)
    return queue


async def test_each_worker_has_its_share_and_no_server_two(database: Database, book: AddedServers) -> None:
    names = ["a", "b", "c"]
    for name in names:
        await Queue(database).register(name)

    shares = await asyncio.gather(*(claimed(book, name) for name in names))
    again = [await claimed(book, name) for name in names]

    assert sorted(chain.from_iterable(again)) == URLS
    assert max(map(len, again)) == 3
    assert all(set(first) <= set(second) for first, second in zip(shares, again, strict=True))


async def test_what_a_dead_worker_had_is_shared_out_at_once(database: Database, book: AddedServers) -> None:
    queue = Queue(database)
    numbers = {name: await queue.register(name) for name in ("a", "b", "c", "d", "e")}
    for name in numbers:
        await claimed(book, name)
    await queue.unregister(numbers["a"])  # as who finds a worker dead does

    left = [await claimed(book, name) for name in ("b", "c", "d", "e")]

    assert sorted(chain.from_iterable(left)) == URLS
    assert [len(urls) for urls in left] == [2, 2, 2, 2]


@pytest.mark.parametrize("stalled_after", [8, 30, 120])
async def test_it_is_shared_out_however_long_a_worker_may_be_silent(
    database: Database, book: AddedServers, stalled_after: int
) -> None:
    queue = await fallen_silent(database, book, spoke=stalled_after, beat=300)
    for name in ("b", "c", "d", "e"):
        await queue.register(name)
    await queue.give_back_stalled(stalled_after)

    assert [len(await claimed(book, name)) for name in ("b", "c", "d", "e")] == [2, 2, 2, 2]


async def test_what_falls_silent_is_shared_out_before_its_worker_is_called_dead(
    database: Database, book: AddedServers
) -> None:
    queue = await fallen_silent(database, book, spoke=61, beat=61)
    for name in ("b", "c"):
        await queue.register(name)

    assert [len(await claimed(book, name)) for name in ("b", "c")] == [4, 4]


async def test_what_a_dead_worker_had_is_anybodys_once_nobody_comes_for_it(
    database: Database, book: AddedServers
) -> None:
    queue = Queue(database)
    await queue.register("a")
    await claimed(book, "a")
    await queue.give_back_stalled(0)
    for name in ("b", "c"):
        await queue.register(name)
    assert len(await claimed(book, "b")) == 4

    await database.do("UPDATE worker_names SET died_at = died_at - interval '21 seconds'")

    assert await claimed(book, "b") == URLS


async def test_a_worker_that_begins_anew_is_dead_no_more(database: Database, book: AddedServers) -> None:
    queue = Queue(database)
    await queue.register("a")
    await queue.give_back_stalled(0)
    await queue.register("a")

    assert await database.all("SELECT died_at FROM worker_names") == [{"died_at": None}]


async def test_a_worker_that_begins_anew_keeps_what_it_had(database: Database, book: AddedServers) -> None:
    queue = Queue(database)
    number = await queue.register("a")
    assert await claimed(book, "a") == URLS
    await queue.register("b")
    await queue.unregister(number)
    await queue.register("a")

    assert await claimed(book, "b") == []
    assert await claimed(book, "a") == URLS


async def test_a_worker_that_leaves_has_no_share(database: Database, book: AddedServers) -> None:
    for name in ("a", "b"):
        await Queue(database).register(name)
        await claimed(book, name)
    await Registry(database).leave("a")

    assert await claimed(book, "b") == URLS


async def test_what_nobody_comes_for_is_anybodys(database: Database, book: AddedServers) -> None:
    for name in ("a", "b"):
        await Queue(database).register(name)
    assert len(await claimed(book, "b")) == 4

    await grow_old(database, 21)

    assert await claimed(book, "b") == URLS


async def test_a_worker_of_an_older_version_is_known_by_its_silence(
    database: Database, book: AddedServers
) -> None:
    await Queue(database).register("a")
    await database.do("UPDATE servers SET worker = 'older'")
    await grow_old(database, 50)
    assert await claimed(book, "a") == []

    await grow_old(database, 11)

    assert await claimed(book, "a") == URLS


async def test_dead_workers_are_forgotten_with_their_servers(database: Database, book: AddedServers) -> None:
    queue, registry = Queue(database), Registry(database)
    numbers = {name: await queue.register(name) for name in ("a", "b")}
    await claimed(book, "a")
    for number in numbers.values():
        await queue.unregister(number)
    await registry.tidy()
    assert [row["name"] for row in await database.all("SELECT name FROM worker_names")] == ["a"]

    await database.do("UPDATE servers SET worker = NULL")
    await registry.tidy()

    assert await database.all("SELECT name FROM worker_names") == []


async def told(database: Database, worker: str) -> str:
    """What a worker that looks after the first server, or believes so, is answered when it speaks of it."""
    facts: dict[str, Any] = {
        "state": "up",
        "reason": "",
        "tags": [],
        "version": None,
        "devices": [],
        "catalogue": None,
    }
    nothing = {"loaded": [], "running": 0, "pending": 0, "foreign_prompts": 0}
    more: dict[str, Any] = {"running_for": None, "counts": {}, "is_named": False}
    who = {"url": URLS[0], "address": b"", "worker": worker}
    return await Registry(database).tell({**who, **facts, **nothing, **more})


async def test_a_worker_that_was_frozen_does_not_take_back_what_another_has_by_now(
    database: Database, book: AddedServers
) -> None:
    number = await Queue(database).register("frozen")
    await claimed(book, "frozen")
    assert await told(database, "frozen") == "active"
    await Queue(database).unregister(number)
    await Queue(database).register("other")
    await claimed(book, "other")

    assert await told(database, "frozen") == "drained"
    assert await told(database, "other") == "active"
    assert await claimed(book, "frozen") == []
    assert await claimed(book, "other") == URLS
