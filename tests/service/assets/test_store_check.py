"""The asset store is tried again while the service runs, on real files."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from comfywire.service.assets.blobs import Blobs
from comfywire.service.assets.opening import UnusableStore
from comfywire.service.assets.store_check import EVERY, SOON, StoreCheck


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "assets"


@pytest.fixture
async def check(folder: Path, clock: Clock) -> AsyncIterator[StoreCheck]:
    async with StoreCheck(Blobs(str(folder)), clock=clock) as check:
        yield check


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - a thread finds it out
        await asyncio.sleep(0.005)


def spoil(folder: Path) -> None:
    """Have nothing be written there any more, not even by root."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.touch()


def mend(folder: Path) -> None:
    folder.unlink()


async def test_a_store_that_does_not_work_is_told_at_once(folder: Path) -> None:
    spoil(folder)

    with pytest.raises(UnusableStore, match=f"'{folder}' cannot be used .*name another store with --assets"):
        async with StoreCheck(Blobs(str(folder))):
            pass


async def test_a_store_is_not_tried_at_each_question(check: StoreCheck, folder: Path, clock: Clock) -> None:
    spoil(folder)
    clock.now += EVERY - 1

    assert [check.is_good() for _ in range(3)] == [True] * 3
    assert check._trying is None


async def test_a_store_that_broke_is_found_out_in_a_minute(
    check: StoreCheck, folder: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(folder)
    clock.now += EVERY
    await until(lambda: not check.is_good())
    clock.now += SOON
    check.is_good()
    await until(lambda: check._trying is not None and check._trying.done())

    (told,) = caplog.messages  # once, however often it is tried
    assert f"the asset store '{folder}' cannot be used" in told


async def test_a_store_that_is_mended_is_good_again_soon(
    check: StoreCheck, folder: Path, clock: Clock
) -> None:
    spoil(folder)
    clock.now += EVERY
    await until(lambda: not check.is_good())
    mend(folder)
    clock.now += SOON

    await until(check.is_good)


async def test_who_could_not_keep_something_is_told_whether_it_is_the_store(
    check: StoreCheck, folder: Path
) -> None:
    worked = await check.failed()
    spoil(folder)

    assert (worked, await check.failed()) == (True, False)


async def test_after_each_failure_more_room_is_asked_for(check: StoreCheck, folder: Path) -> None:
    """A disk with room for the proof may have none for what was to be kept."""
    wanted = shutil.disk_usage(folder).free
    tries = 1
    while await check.failed():
        tries += 1
    reason = check.reason

    check.kept()
    assert 2**20 * 2**tries > wanted
    assert re.search(r"\d+ MiB are free in .* and \d+ MiB are wanted", reason)


async def test_those_who_wait_go_on_when_it_is_mended(check: StoreCheck, folder: Path, clock: Clock) -> None:
    changes: list[bool] = []
    spoil(folder)
    await check.failed()
    watching = asyncio.create_task(check.watch(lambda: changes.append(check.is_good())))
    waiting = asyncio.create_task(check.until_good())
    await asyncio.sleep(0)
    was_done = waiting.done()
    mend(folder)
    clock.now += SOON

    # The watch sleeps by the real clock: whoever asks sees to it that the store is tried.
    await until(check.is_good)
    await waiting
    watching.cancel()
    assert not was_done
