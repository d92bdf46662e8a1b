"""Work on strangers' workflows ends in time."""

import asyncio
import contextlib
import threading
import time

import pytest
from tests.service.rig import until

from comfywire.service.time_limits import TakesTooLong, in_time


def for_ever() -> None:
    numbers = [0]
    while True:
        numbers[0] += 1


def swallowing() -> None:
    while True:
        with contextlib.suppress(Exception):  # as converting code may do
            for_ever()


def sleepless() -> None:
    while True:
        sorted(range(1000))


@pytest.mark.parametrize("work", [for_ever, swallowing, sleepless])
async def test_what_never_returns_is_ended_in_its_thread(work):
    before = threading.active_count()

    with pytest.raises(TakesTooLong, match=r"longer than 0\.2 s"):
        await in_time(work, owner="a", seconds=0.2)

    await until(lambda: _are(before))


async def _are(threads: int) -> bool:
    return threading.active_count() <= threads


async def test_what_returns_in_time_is_returned_and_what_it_raises_is_raised():
    assert await in_time(lambda: 7, owner="a") == 7
    with pytest.raises(ZeroDivisionError):
        await in_time(lambda: 1 // 0, owner="a")


async def test_one_owner_has_one_thread_and_another_owner_the_other():
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        free.wait(60)

    first = asyncio.create_task(in_time(hold, owner="a"))
    await asyncio.to_thread(held.wait, 60)
    second = asyncio.create_task(in_time(time.monotonic, owner="a"))

    assert await in_time(lambda: "mine", owner="b") == "mine"
    assert not second.done()
    free.set()
    await asyncio.gather(first, second)
