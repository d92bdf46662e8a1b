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

__all__ = ["for_ever", "patience", "sweep", "tidy"]

log = logging.getLogger("comfywire.service")


async def tidy(store: Store, registry: Registry, *, every: float) -> None:
    """End jobs that waited too long, let in those that may run by now, forget what no job needs."""
    while True:
        await asyncio.sleep(every)
        with patience():
            await store.expire_waiting()
            await store.admit_all_held()
            await registry.tidy()
            await store.queue.tidy()


async def sweep(assets: Assets, *, every: float) -> None:
    """Remove bytes whose time is over; apart from :func:`tidy`, since there may be millions of them."""
    while True:
        await asyncio.sleep(every)
        with patience():
            await assets.sweep()


async def for_ever(name: str, duty: Callable[[], Awaitable[None]], *, pause: float) -> None:
    """Do a duty, and begin anew when it breaks down: one that is not done any more would go unnoticed."""
    while True:
        try:
            await duty()
        except Exception:
            log.exception("the worker's duty %r broke down, and begins anew", name)
        await asyncio.sleep(pause)


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Leave what is done inside for the next time when the database is away."""
    with contextlib.suppress(*AWAY):
        yield
