"""Whether the asset store works, for those who ask every few seconds: it is tried once a minute at most."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Self

from comfywire.service.assets.blobs import Blobs, UnusableStore

__all__ = ["StoreCheck"]

EVERY = 60.0
"""Seconds from one try of a store that works to the next: an object store wants money for each."""
SOON = 10.0
"""Seconds until one that failed is tried again."""
log = logging.getLogger("comfywire.service")


class StoreCheck:
    """Tries the store when it is entered, and later when somebody asks and the last try is old.

    Args:
        blobs: The store.
        clock: Seconds.

    Raises:
        UnusableStore: On entering: the store does not work.

    """

    def __init__(self, blobs: Blobs, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._blobs = blobs
        self._clock = clock
        self._is_good = True
        self._tried_at = clock()
        self._trying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._blobs.prove()
        self._tried_at = self._clock()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.wait([self._trying])

    def is_good(self) -> bool:
        """Whether the last try went well. It returns at once: a store that hangs must not hang who asks."""
        is_old = self._clock() - self._tried_at >= (EVERY if self._is_good else SOON)
        if is_old and (self._trying is None or self._trying.done()):
            self._trying = asyncio.create_task(self._try(), name="comfywire asset store")
        return self._is_good

    async def _try(self) -> None:
        was_good = self._is_good
        try:
            await self._blobs.prove()
        except UnusableStore as error:
            self._is_good = False
            if was_good:
                log.warning("%s", error)
        else:
            self._is_good = True
            if not was_good:
                log.info("the asset store works again")
        self._tried_at = self._clock()
