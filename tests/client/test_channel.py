from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from comfywire import (
    Event,
    Executed,
    Executing,
    ExecutionStart,
    PreviewImage,
    Progress,
    ProgressState,
    SocketImage,
)
from comfywire.client.channel import CAPACITY, Channel


def preview(number: int) -> PreviewImage:
    return PreviewImage(b"%d" % number, "image/png")


def progress(number: int) -> Progress:
    return Progress("p", "1", number, 10_000)


def state(number: int) -> ProgressState:
    return ProgressState("p", {"1": number})


def executed(number: int) -> Executed:
    return Executed("p", str(number), {})


def picture(number: int) -> SocketImage:
    return SocketImage("p", "1", b"%d" % number, "image/png")


END = Executing("p", None)


async def read(*events: Event) -> list[Event]:
    """What a reader gets who comes when everything has happened."""
    channel = Channel()
    for event in events:
        channel.put(event)
    channel.close()
    return [event async for event in channel]


async def test_events_come_in_order_to_the_end():
    events: list[Event] = [ExecutionStart("p"), progress(1), preview(1), executed(1), END]

    assert await read(*events) == events


async def test_of_previews_the_newest_are_kept_for_a_slow_reader():
    previews = [preview(number) for number in range(1000)]

    assert await read(*previews) == previews[-2:]


async def test_previews_do_not_push_out_anything_else():
    once: list[Event] = [ExecutionStart("p"), executed(1), progress(1), END]

    heard = await read(once[0], preview(1), once[1], preview(2), once[2], preview(3), once[3], preview(4))

    assert heard == [*once[:3], preview(3), once[3], preview(4)]


@pytest.mark.parametrize("superseded", [progress, state], ids=["progress", "progress_state"])
async def test_progress_is_dropped_from_the_oldest_for_a_slow_reader(superseded: Callable[[int], Event]):
    heard = await read(*(superseded(number) for number in range(1000)), END)

    assert heard == [*(superseded(number) for number in range(1000 - CAPACITY + 1, 1000)), END]


@pytest.mark.parametrize("happens", [executed, picture], ids=["executed", "pictures"])
async def test_what_happened_once_is_never_dropped(happens: Callable[[int], Event]):
    once = [happens(number) for number in range(3 * CAPACITY)]

    heard = await read(*(event for one in once for event in (one, progress(1), preview(1))), END)

    assert [event for event in heard if not isinstance(event, Progress | PreviewImage)] == [*once, END]
    assert len(heard) <= len(once) + CAPACITY


async def test_a_reader_who_keeps_up_misses_nothing():
    channel, heard = Channel(), list[Event]()

    async def follow() -> None:
        heard.extend([event async for event in channel])

    reading = asyncio.create_task(follow())
    for number in range(1000):
        channel.put(preview(number))
        await asyncio.sleep(0)
    channel.close()
    await reading

    assert heard == [preview(number) for number in range(1000)]


async def test_a_reader_who_waits_is_woken_by_the_end():
    channel = Channel()
    reading = asyncio.create_task(anext(aiter(channel), None))
    await asyncio.sleep(0)

    channel.close()

    assert await asyncio.wait_for(reading, 60) is None
