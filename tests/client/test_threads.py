"""Work in a thread is not left behind, whoever asked for it and went away."""

import asyncio
import threading

import pytest

from comfywire.client.threads import in_thread


async def test_a_cancelled_step_ends_when_its_thread_has_let_go_of_the_file() -> None:
    has_begun, may_end, ended = threading.Event(), threading.Event(), []

    def write() -> None:
        has_begun.set()
        may_end.wait()
        ended.append(True)

    step = asyncio.create_task(in_thread(write))
    await asyncio.to_thread(has_begun.wait)
    step.cancel()
    await asyncio.wait([step], timeout=0.05)
    was_over = step.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await step

    assert (was_over, ended) == (False, [True])


async def test_what_the_work_raises_is_raised() -> None:
    def fail() -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        await in_thread(fail)
