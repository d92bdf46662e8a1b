"""Whether the asset store can keep anything: tried now and then, and at once when a write has failed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Self

from comfywire.service.assets.blobs import Blobs
from comfywire.service.assets.opening import UnusableStore

__all__ = ["StoreCheck"]

EVERY = 60.0
"""Seconds from one try of a store that works to the next: an object store wants money for each."""
SOON = 10.0
"""Seconds until one that failed is tried again."""
LEAST_ROOM = 1 << 20
"""Bytes that are written for a try: a full disk may still have room for a few."""
log = logging.getLogger("comfywire.service")


class StoreCheck:
    """Tries the store when it is entered, and later when somebody asks and the last try is old.

    A worker does not leave it at that: :meth:`watch` tries the store by itself, and whoever could not keep
    something says so (:meth:`failed`) and waits (:meth:`until_good`), while nobody takes jobs.

    Args:
        blobs: The store.
        clock: Seconds.
        every: Seconds from one try of a store that works to the next.
        soon: Seconds until one that failed is tried again.

    Raises:
        UnusableStore: On entering: the store does not work.

    Attributes:
        reason: Why it is not good; empty when it is.

    """

    def __init__(
        self,
        blobs: Blobs,
        *,
        clock: Callable[[], float] = time.monotonic,
        every: float = EVERY,
        soon: float = SOON,
    ) -> None:
        self.reason = ""
        self._blobs = blobs
        self._clock = clock
        self._every = every
        self._soon = soon
        self._room = LEAST_ROOM
        self._good = asyncio.Event()
        self._good.set()
        self._changed = asyncio.Event()
        self._tried_at = clock()
        self._trying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._blobs.prove(self._room)
        self._tried_at = self._clock()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.wait([self._trying])

    def is_good(self) -> bool:
        """Whether the last try went well. It returns at once: a store that hangs must not hang who asks."""
        if self._due_in() <= 0:
            self._begin()
        return self._good.is_set()

    async def watch(self, on_change: Callable[[], None]) -> None:
        """Try the store for ever, as often as is due; say when what is known of it has changed."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(self._due_in(), 0.0)):
                    await self._changed.wait()
            if self._changed.is_set():  # by somebody who could not keep something
                self._changed.clear()
                on_change()
            elif self._due_in() <= 0:
                await asyncio.wait([self._begin()])

    async def failed(self) -> bool:
        """Try the store at once, since something could not be kept; return whether it works all the same.

        Each time more room is asked for, since a disk with room for the last try was too full for what was
        to be kept.
        """
        self._room *= 2
        await asyncio.wait([self._begin()])
        return self._good.is_set()

    def kept(self) -> None:
        """Something was kept: whatever room there is, it is enough."""
        self._room = LEAST_ROOM

    async def until_good(self) -> None:
        """Wait until the store works; somebody must watch it."""
        await self._good.wait()

    def _due_in(self) -> float:
        pause = self._every if self._good.is_set() else self._soon
        return self._tried_at + pause - self._clock()

    def _begin(self) -> asyncio.Task[None]:
        """Begin a try, unless one is under way."""
        if self._trying is None or self._trying.done():
            self._trying = asyncio.create_task(self._try(), name="comfywire asset store")
        return self._trying

    async def _try(self) -> None:
        was_good = self._good.is_set()
        try:
            await self._blobs.prove(self._room)
        except UnusableStore as error:
            if was_good:
                log.warning("%s; no job is taken until then", error)
            self.reason = str(error)
            self._good.clear()
        else:
            if not was_good:
                log.warning("the asset store works again")
            self.reason = ""
            self._good.set()
        self._tried_at = self._clock()
        if self._good.is_set() is not was_good:
            self._changed.set()
