import asyncio

import pytest

from comfywire.service.waiting import set_within


@pytest.mark.parametrize("is_set", [True, False])
async def test_whether_it_was_set_in_time_is_told(is_set: bool):
    event = asyncio.Event()
    if is_set:
        event.set()

    assert await set_within(event, 0.01) is is_set


async def test_a_cancellation_that_comes_with_the_event_is_heard():
    event = asyncio.Event()

    async def wait_again_and_again() -> None:
        while True:
            event.clear()
            await set_within(event, 10.0)

    waiting = asyncio.create_task(wait_again_and_again())
    await asyncio.sleep(0)

    event.set()
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting], timeout=30.0)

    assert waiting.cancelled()
