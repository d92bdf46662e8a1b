"""One ComfyUI as a worker sees it: whether it is there, what it can run, and how much it has to do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from comfywire.client import Client
from comfywire.errors import ComfywireError
from comfywire.service.database.outage import AWAY
from comfywire.service.database.storable import as_storable, as_text
from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.leases import patiently
from comfywire.service.jobs.placement import ServerView, refusals
from comfywire.service.waiting import set_within
from comfywire.service.worker.breaker import Breaker
from comfywire.workflow.object_info import ObjectInfo

__all__ = ["Server"]

LOOK_EVERY = 2.0
"""Seconds between looks at the queue of a server that is up; a look also finds out that it is gone."""
CATALOGUE_EVERY = 300.0
"""Seconds between reads of object_info, which is megabytes and stalls the server while it answers."""
CATALOGUE_EVERY_WANTING = 30.0
"""The same while jobs wait for something that it lacks: somebody may be installing it."""
PROBE_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between probes of a server that is away, the last for ever."""
BROKEN_PAUSES = (5.0, 15.0, 60.0)
log = logging.getLogger("comfywire.service")


class Server:
    """One ComfyUI.

    Args:
        address: With credentials.
        tags: What the operator says about it.
        patience: Seconds for which it may be away before its prompts count as lost.
        slots: Prompts of ours at a time.
        on_change: Called when it may take a job now that it could not before.
        proven: The needs of which a job has ended well on any server; it adds to them.

    """

    def __init__(
        self,
        address: str,
        *,
        tags: tuple[str, ...] = (),
        patience: float = 300.0,
        slots: int = 2,
        on_change: Callable[[], None] = lambda: None,
        proven: set[str] | None = None,
    ) -> None:
        self.address = address
        self.tags = tags
        self.patience = patience
        self.client = Client(address, unreachable_timeout=patience)
        self.url = self.client.url
        self.state = "down"
        self.reason = "not probed yet"
        self.wanted = "active"
        self.open: set[str] = set()
        """The prompts that we have there."""
        self.counts: Counter[str] = Counter()
        self.up = asyncio.Event()
        self._slots = slots
        self._on_change = on_change
        self._foreign = 0
        self._loaded: frozenset[str] = frozenset()
        self._catalogue: ObjectInfo | None = None
        self._digest: str | None = None
        self._meets: dict[str, bool] = {}
        self._untold: dict[str, list[str]] = {}
        self._breaker = Breaker(set() if proven is None else proven)
        self._probes = 0
        self._probe_at = self._read_catalogue_at = float("-inf")
        self._kick = asyncio.Event()
        self._stats: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.__aexit__(kind, error, trace)

    # For the choice

    @property
    def has_room(self) -> bool:
        """Whether it may be given a job: where others have prompts, ours wait for them one at a time."""
        slots = 1 if self._foreign else self._slots
        return self.state == "up" and self.wanted == "active" and len(self.open) < slots

    @property
    def view(self) -> ServerView:
        """As the choice sees it."""
        met = frozenset(need for need, is_met in self._meets.items() if is_met)
        return ServerView(self.url, met, len(self.open), self._foreign, self._loaded)

    def took(self, prompt_id: str, models: frozenset[str]) -> None:
        """A job that uses these model files is on its way there."""
        self.open.add(prompt_id)
        self._loaded = models or self._loaded

    def let_go(self, prompt_id: str) -> None:
        """A job is not there any more."""
        self.open.discard(prompt_id)
        self._on_change()

    # What jobs tell

    def succeeded(self, need: str) -> None:
        """A job of this need ended well."""
        self.counts["succeeded"] += 1
        self._breaker.succeeded(need)

    def failed(self, key_id: UUID, need: str, seconds: float) -> None:
        """A node raised, so long after its job was sent; several in a row, and the server is taken out."""
        self.counts["failed"] += 1
        if self._breaker.failed(key_id, need, seconds) and self.state == "up":
            self._breaker.broke()
            self._leave("broken", f"{self._breaker.failures} jobs in a row failed on it")

    def is_away(self, error: Exception) -> None:
        """It could not be reached, or refused to work."""
        if self.state == "up":
            self._leave("down", str(error))

    def _is_odd(self, error: Exception) -> None:
        reason = f"it answers what nobody understands ({type(error).__name__})"
        if self.state == "up":
            self._leave("down", reason)
        else:
            self._is_not_up(reason)

    def _is_not_up(self, reason: str) -> None:
        """A probe failed: told at the first, of a mistyped address, say, and when the reason changes."""
        if reason != self.reason:
            log.warning("%s is not up: %s", self.url, reason)
        self.reason = reason

    def _leave(self, state: str, reason: str) -> None:
        log.warning("%s is %s: %s", self.url, state, reason)
        self.state, self.reason = state, reason
        self.counts[state] += 1
        self.up.clear()
        pauses, count = (BROKEN_PAUSES, self._breaker.breaks) if state == "broken" else (PROBE_PAUSES, 1)
        self._probe_after(pauses, count)
        self._kick.set()

    def _probe_after(self, pauses: tuple[float, ...], count: int) -> None:
        self._probe_at = asyncio.get_running_loop().time() + pauses[min(count, len(pauses)) - 1]

    # Looking after it

    async def watch(self, registry: Registry, worker: str, seal: Callable[[str], bytes]) -> None:
        """Keep what is known of it up to date, for ever; cancelling ends it."""
        now = asyncio.get_running_loop().time
        await patiently(lambda: self._tell(registry, worker, seal))
        while True:
            self._kick.clear()
            try:
                if self.state == "up":
                    await self._look(registry)
                elif now() >= self._probe_at:
                    await self._probe(registry)
            except Exception as error:  # whatever a server answers, the others have to go on
                log.exception("%s answers what nobody understands", self.url)
                self._is_odd(error)
            with contextlib.suppress(*AWAY):
                await self._tell(registry, worker, seal)
            pause = LOOK_EVERY if self.state == "up" else max(self._probe_at - now(), 0.0)
            await set_within(self._kick, pause)

    def look_now(self) -> None:
        """Something has changed about it, or about what is wanted of it."""
        self._kick.set()

    async def _look(self, registry: Registry) -> None:
        try:
            queue = await self.client.queue()
            if asyncio.get_running_loop().time() > self._read_catalogue_at:
                await self._read_catalogue(registry)
        except ComfywireError as error:
            self.is_away(error)
            return
        except AWAY:
            return
        foreign = len({*queue.running, *queue.pending} - self.open)
        if foreign < self._foreign:
            self._on_change()
        self._foreign = foreign

    async def _probe(self, registry: Registry) -> None:
        """Up is who is reached, read, and heard: a tiny prompt of ours must be told and be found."""
        self._probes += 1
        self._probe_after(PROBE_PAUSES, self._probes)
        try:
            wrong = [finding for finding in await self.client.check() if finding.ok is False]
            if wrong:
                self._is_not_up(f"{wrong[0].sentence}; {wrong[0].next_step}".rstrip("; "))
                return
            self._stats = await self.client.system_stats()
            await self._read_catalogue(registry)
        except (ComfywireError, *AWAY) as error:
            self._is_not_up(str(error))
            return
        self.state, self.reason, self._probes = "up", "", 0
        self._breaker.came_back()
        log.info("%s is up", self.url)
        self.up.set()
        self._on_change()

    async def _read_catalogue(self, registry: Registry) -> None:
        raw = await self.client.object_info()
        digest = await registry.keep_catalogue(raw)
        if digest != self._digest:
            self._catalogue, self._digest, self._meets = ObjectInfo(raw), digest, {}
            await self.learn(registry, await registry.needs())
        every = CATALOGUE_EVERY if all(self._meets.values()) else CATALOGUE_EVERY_WANTING
        self._read_catalogue_at = asyncio.get_running_loop().time() + every

    async def learn(self, registry: Registry, needs: Mapping[str, Mapping[str, Any]]) -> None:
        """Find out which of ``needs`` it meets."""
        if self._catalogue is None:
            return
        new = {
            need: refusals(requirement, self._catalogue, self.tags)
            for need, requirement in needs.items()
            if need not in self._meets
        }
        if not new:
            return
        self._meets |= {need: not reasons for need, reasons in new.items()}
        self._untold |= new
        self._on_change()
        await self._tell_reasons(registry)

    async def _tell_reasons(self, registry: Registry) -> None:
        """Write down what was found out; what cannot be, because the database is away, is not forgotten."""
        if not (told := dict(self._untold)):
            return
        with contextlib.suppress(*AWAY):
            if await registry.refuse(self.url, told):
                self._untold = {need: why for need, why in self._untold.items() if told.get(need) != why}

    def forget(self, needs: Iterable[str]) -> None:
        """These needs are not there any more."""
        for need in needs:
            self._meets.pop(need, None)
            self._untold.pop(need, None)

    async def _tell(self, registry: Registry, worker: str, seal: Callable[[str], bytes]) -> None:
        system = self._stats.get("system")
        version = system.get("comfyui_version") if isinstance(system, dict) else None
        devices = self._stats.get("devices")
        was = self.wanted
        self.wanted = await registry.tell(
            {
                "url": self.url,
                "address": seal(self.address),
                "worker": worker,
                "state": self.state,
                "reason": as_text(self.reason),
                "tags": list(self.tags),
                "version": None if version is None else as_text(str(version)),
                "devices": as_storable(devices) if isinstance(devices, list) else [],
                "catalogue": self._digest,
                "loaded": sorted(self._loaded),
                "running": min(len(self.open), 1),
                "pending": max(len(self.open) - 1, 0),
                "foreign_prompts": self._foreign,
                "counts": dict(self.counts + self.client.counts),
            }
        )
        if was != self.wanted:
            self._on_change()
        await self._tell_reasons(registry)
