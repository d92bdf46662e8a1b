"""What a worker does again and again beside its jobs, whatever breaks down on the way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator

from comfywire.service.assets.assets import Assets
from comfywire.service.database.outage import AWAY
from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.store import Store

__all__ = ["TIDY_EVERY", "for_ever", "patience", "sweep", "tidy"]

TIDY_EVERY = 30.0
DUTY_PAUSE = 1.0
"""Seconds until a duty that broke down begins anew."""
log = logging.getLogger("comfywire.service")


async def tidy(store: Store, registry: Registry) -> None:
    """End what has waited too long, let in what may run by now, forget what nobody needs."""
    while True:
        await asyncio.sleep(TIDY_EVERY)
        with patience():
            await store.expire_waiting()
            await store.admit_all_held()
            await registry.tidy()
            await store.queue.tidy()


async def sweep(assets: Assets) -> None:
    """Remove bytes that have had their time, which may take its time."""
    while True:
        await asyncio.sleep(TIDY_EVERY)
        with patience():
            await assets.sweep()


async def for_ever(name: str, duty: Callable[[], Awaitable[None]]) -> None:
    """Do a duty, and begin anew when it breaks down: one that is not done any more would go unnoticed."""
    while True:
        try:
            await duty()
        except Exception:
            log.exception("the worker's duty %r broke down, and begins anew", name)
        await asyncio.sleep(DUTY_PAUSE)


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Leave what is done inside for the next time when the database is away."""
    with contextlib.suppress(*AWAY):
        yield
