"""A worker's duties beside its jobs: each is repeated for ever, whatever breaks down on the way."""

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
    """End jobs that waited too long, admit held jobs that may run by now, tidy the registry and the queue."""
    while True:
        await asyncio.sleep(every)
        with patience():
            await store.expire_waiting()
            await store.admission.admit_all_held()
            await registry.tidy()
            await store.queue.tidy()


async def sweep(assets: Assets, *, every: float) -> None:
    """Remove assets whose time is over, apart from :func:`tidy`: there may be millions of them."""
    while True:
        await asyncio.sleep(every)
        with patience():
            await assets.sweep()


async def for_ever(name: str, duty: Callable[[], Awaitable[None]], *, pause: float) -> None:
    """Do a duty, and begin anew when the duty breaks down: nobody would notice that it has stopped."""
    while True:
        try:
            await duty()
        except Exception:
            log.exception("the worker's duty %r broke down, and begins anew", name)
        await asyncio.sleep(pause)


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Break off what is done inside while the database is away; the duty's next round does it again."""
    with contextlib.suppress(*AWAY):
        yield
