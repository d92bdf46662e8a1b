import asyncio
import time
import uuid

import pytest
from tests.service.conftest import new_key

from comfywire.service.access.callers import Caller
from comfywire.service.access.limits import GOOD_FOR, RateLimited, RateLimits
from comfywire.service.database.pool import Database


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def caller(database: Database, per_minute: int | None = None) -> Caller:
    key_id = await new_key(database, uuid.uuid4().hex)
    return Caller(key_id, "one", frozenset({"read"}), per_minute)


async def taken(limits: RateLimits, who: Caller, most: int = 100) -> int:
    """How many requests pass until one is refused."""
    for count in range(most):
        try:
            await limits.take(who)
        except RateLimited:
            return count
    return most


async def passes(database: Database, clock: Clock, seconds: float) -> None:
    """So much time passes, here and in the database, which stands still otherwise."""
    clock.now += seconds
    await database.do("UPDATE rates SET at = at - make_interval(secs => %(seconds)s)", seconds=seconds)


async def test_a_minutes_worth_of_requests_passes_at_once(database: Database) -> None:
    assert await taken(RateLimits(database, 10, clock=Clock()), await caller(database)) == 10


async def test_one_too_many_is_told_when_to_come_again(database: Database) -> None:
    limits, who = RateLimits(database, 2, clock=Clock()), await caller(database)
    began = time.monotonic()
    await taken(limits, who)

    with pytest.raises(RateLimited, match="2 requests a minute") as raised:
        await limits.take(who)

    spent = time.monotonic() - began  # by the database's clock, while this is asked
    assert 30.0 - spent - 0.5 <= raised.value.retry_after <= 30.0


async def test_who_waits_as_told_is_let_in_and_no_sooner(database: Database) -> None:
    clock = Clock()
    limits, who = RateLimits(database, 1, clock=clock), await caller(database)
    await taken(limits, who)

    await passes(database, clock, 20.0)  # and so long as it takes to ask
    assert await taken(limits, who) == 0

    await passes(database, clock, 40.1)
    assert await taken(limits, who) == 1


async def test_a_long_pause_saves_up_no_more_than_a_minute(database: Database) -> None:
    clock = Clock()
    limits, who = RateLimits(database, 10, clock=clock), await caller(database)
    await taken(limits, who)

    await passes(database, clock, 3600.0)

    assert await taken(limits, who) == 10


async def test_keys_do_not_use_up_each_others_requests(database: Database) -> None:
    limits = RateLimits(database, 10, clock=Clock())
    await taken(limits, await caller(database))

    assert await taken(limits, await caller(database)) == 10


@pytest.mark.parametrize(
    ("default", "own", "expected"), [(None, None, 100), (10, None, 10), (10, 3, 3), (None, 3, 3), (3, 10, 10)]
)
async def test_a_keys_own_limit_goes_before_the_services(
    database: Database, default: int | None, own: int | None, expected: int
) -> None:
    assert await taken(RateLimits(database, default, clock=Clock()), await caller(database, own)) == expected


@pytest.mark.parametrize("per_minute", [60, 1200], ids=["one-at-a-time", "a-second's-worth-at-a-time"])
async def test_all_processes_together_let_in_what_one_does(database: Database, per_minute: int) -> None:
    who = await caller(database, per_minute)
    processes = [RateLimits(database, clock=Clock()) for _ in range(4)]

    let_in = await asyncio.gather(*(taken(limits, who, per_minute) for limits in processes))

    seconds = 5  # so long this may take on a busy machine, and what comes of it passes as well
    assert per_minute <= sum(let_in) <= per_minute + seconds * per_minute / 60
    assert max(let_in) < per_minute


async def test_requests_that_come_at_once_are_all_counted(database: Database) -> None:
    limits, who = RateLimits(database, clock=Clock()), await caller(database, 1200)

    let_in = await asyncio.gather(*(taken(limits, who, 100) for _ in range(8)))

    assert sum(let_in) == 800


async def test_who_is_refused_costs_no_statement(database: Database) -> None:
    limits, who = RateLimits(database, 10, clock=Clock()), await caller(database)
    await taken(limits, who)
    before = await database.one("SELECT at, xmin::text FROM rates")

    assert await taken(limits, who) == 0
    assert await database.one("SELECT at, xmin::text FROM rates") == before


async def test_what_a_process_has_not_used_within_a_second_is_gone(database: Database) -> None:
    clock = Clock()
    limits, who = RateLimits(database, clock=clock), await caller(database, 600)
    began = time.monotonic()
    await limits.take(who)

    clock.now += GOOD_FOR
    count = await taken(limits, who, 600)

    come = 10 * (time.monotonic() - began)  # by the database's clock, while this is asked
    assert 590 <= count <= 590 + come + 1


class Slow(Clock):
    """A clock that goes on by three seconds whenever it is read."""

    def __call__(self) -> float:
        self.now += 3
        return self.now


async def test_the_time_that_the_question_took_is_not_waited_again(database: Database) -> None:
    limits, who = RateLimits(database, clock=Slow()), await caller(database, 1)
    await limits.take(who)

    with pytest.raises(RateLimited) as refused:
        await limits.take(who)

    assert refused.value.retry_after <= 60
