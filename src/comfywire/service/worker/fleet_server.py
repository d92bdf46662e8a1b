"""One ComfyUI of a worker: its client, and its prober. What is known of it is in ``server_state.py``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from comfywire.client import Client
from comfywire.errors import ComfywireError, ConnectionFailed
from comfywire.service.database.outage import AWAY, patiently
from comfywire.service.database.storable import as_storable, as_text
from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.placement import ServerView
from comfywire.service.waiting import set_within
from comfywire.service.worker.offer import Offer
from comfywire.service.worker.pace import Pace
from comfywire.service.worker.replies import reply_limits
from comfywire.service.worker.server_state import Condition, Due, ServerState

__all__ = ["FleetServer"]

log = logging.getLogger("comfywire.service")


class FleetServer:
    """One ComfyUI. Entering it opens its client; :meth:`watch` keeps what is known of it up to date.

    Args:
        address: With credentials.
        registry: Where the fleet is written down.
        tags: What the operator says about it.
        is_named: Whether the worker was started with it; else it was added over the API.
        patience: Seconds for which it may be away before its prompts count as lost.
        slots: Prompts of ours at a time.
        on_change: Called when it may take a job now that it could not before.
        proven: The needs of which a job has ended well on any server; it adds to them.
        pace: How long to wait between one thing and the next.
        max_output_bytes: The largest file that is taken from it.

    Attributes:
        url: Its address, without credentials.
        client: Speaks to it.
        patience: As given.
        state: What is known of it.
        up: Set while it is up.

    """

    def __init__(
        self,
        address: str,
        registry: Registry,
        *,
        tags: tuple[str, ...] = (),
        is_named: bool = True,
        patience: float = 300.0,
        slots: int = 2,
        on_change: Callable[[], None] = lambda: None,
        proven: set[str] | None = None,
        pace: Pace = Pace(),  # noqa: B008 - frozen
        max_output_bytes: int = 8 << 30,
    ) -> None:
        limits = reply_limits(max_output_bytes, pace.rate)
        self.client = Client(address, unreachable_timeout=patience, reply_limits=limits)
        self.url = self.client.url
        self.patience = patience
        self.state = ServerState(slots=slots, proven=set() if proven is None else proven, pace=pace)
        self.up = asyncio.Event()
        self._address = address
        self._tags = tags
        self._is_named = is_named
        self._registry = registry
        self._offer = Offer(self.client, tags, registry, pace)
        self._on_change = on_change
        self._is_asked = asyncio.Event()
        self._held_for = ""
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
    def view(self) -> ServerView:
        """As the choice sees it."""
        state = self.state
        return ServerView(self.url, self._offer.meets, len(state.open), state.foreign, state.loaded)

    def took(self, prompt_id: str, models: frozenset[str] = frozenset()) -> None:
        """Note that a job which uses these model files is on its way to the ComfyUI."""
        self.state.took(prompt_id, models)

    def let_go(self, prompt_id: str) -> None:
        """Note that a job is not on the ComfyUI any more."""
        self.state.let_go(prompt_id)
        self._on_change()

    def learn(self, needs: Mapping[str, Mapping[str, Any]]) -> None:
        """Find out which of ``needs`` it meets."""
        if self._offer.learn(needs):
            self._is_asked.set()  # people want to read why a job waits: it is told at once
            self._on_change()

    def forget(self, needs: Iterable[str]) -> None:
        """Drop these needs, which no job has any more."""
        self._offer.forget(needs)

    # What jobs tell

    def succeeded(self, need: str) -> None:
        """Note that a job of this need ended well."""
        self.state.succeeded(need)

    def failed(self, key_id: UUID, need: str, seconds: float) -> None:
        """Note that a node raised, so many seconds after its job was sent."""
        with self._told():
            self.state.failed(key_id, need, seconds, _now())

    def is_away(self, error: Exception) -> None:
        """Note that the ComfyUI could not be reached."""
        with self._told():
            self.state.went_away(str(error), _now())

    def refused(self, key_id: UUID, error: Exception) -> None:
        """Note that a request for a job of this key failed: on the way, or with an error of the ComfyUI's."""
        with self._told():
            if isinstance(error, ConnectionFailed):
                self.state.went_away(str(error), _now())
            else:
                self.state.refused(key_id, str(error), _now())
                self._is_asked.set()

    def got_stuck(self, reason: str, prompt_id: str | None = None) -> None:
        """Note that the ComfyUI does not let go of this prompt, or begins none at all."""
        with self._told():
            self.state.got_stuck(reason, _now(), prompt_id=prompt_id)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Change the state inside: log what became of it, and wake those who wait for that."""
        state = self.state
        before, reason, had_room = state.condition, state.reason, state.has_room
        yield
        if state.condition is not before:
            self._log_condition()
            self._is_asked.set()
            self._on_change()  # what waits there may have to go elsewhere
        elif state.condition is not Condition.UP and state.reason != reason:
            log.warning("%s is not up: %s", self.url, state.reason)
        if state.has_room and not had_room:
            self._on_change()

    def _log_condition(self) -> None:
        if self.state.condition is Condition.UP:
            log.info("%s is up", self.url)
            self.up.set()
        else:
            log.warning("%s is %s: %s", self.url, self.state.condition, self.state.reason)
            self.up.clear()

    # Looking after it

    async def answers(self) -> bool:
        """Ask it something that takes it no time."""
        try:
            await self.client.system_stats()
        except ComfywireError:
            return False
        return True

    def hold(self, reason: str) -> None:
        """No job is taken for any server, for this reason; an empty one lifts that."""
        self._held_for = reason
        self._is_asked.set()

    def look_now(self) -> None:
        """Look at the ComfyUI at once: the operator wants something else of it, or another worker left it."""
        self._is_asked.set()

    async def watch(self, worker: str, seal: Callable[[str], bytes]) -> None:
        """Keep what is known of it up to date, for ever; cancelling ends it."""
        await patiently(lambda: self._tell(worker, seal))
        while True:
            is_asked = self._is_asked.is_set()
            self._is_asked.clear()
            try:
                await self._do(self.state.due(_now(), is_asked=is_asked))
                if is_asked:
                    await self._free_if_wanted()
            except Exception as error:  # whatever a server answers, the others have to go on
                log.exception("%s answers what nobody understands", self.url)
                self._is_odd(error)
            with contextlib.suppress(*AWAY):
                await self._tell(worker, seal)
            await set_within(self._is_asked, self.state.next_due(_now()))

    async def _do(self, due: Due | None) -> None:
        match due:
            case Due.LOOK:
                await self._look()
            case Due.PROBE:
                await self._probe()

    async def _free_if_wanted(self) -> None:
        """Have it let go of its models, if somebody wants that and it has nothing to do."""
        with contextlib.suppress(ComfywireError, *AWAY):
            is_idle = not self.state.open and not self.state.foreign
            if is_idle and await self._registry.takes_free(self.url):
                await self.client.free()

    async def _look(self) -> None:
        self.state.look_begins(_now())
        try:
            queue = await self.client.queue(graphs=False)
            await self._offer.read_if_due(_now())
        except ComfywireError as error:
            self.is_away(error)
        except AWAY:
            pass  # the database is: nothing that is known of the server can be told now anyway
        else:
            with self._told():
                self.state.queue_was_read(queue.running, queue.pending, _now())

    async def _probe(self) -> None:
        """Find out whether it is reached, read and heard: a tiny prompt of ours must be told and be found."""
        self.state.probe_begins(_now())
        try:
            if await self._still_holds():
                self._is_not_up(self.state.reason)
                return
            wrong = [finding for finding in await self.client.check() if finding.ok is False]
            if not wrong:
                self._stats = await self.client.system_stats()
                await self._offer.read(_now())
        except AWAY as error:  # the database's, which says nothing of the server
            if self.state.condition is not Condition.UP:
                self._is_not_up(str(error))
            return
        except ComfywireError as error:
            self._is_not_up(str(error))
            return
        if wrong:
            self._is_not_up(f"{wrong[0].sentence}; {wrong[0].next_step}".rstrip("; "))
            return
        with self._told():
            self.state.came_up(_now())

    async def _still_holds(self) -> bool:
        """Whether it still runs what it did not let go of: a prompt of ours would wait behind that."""
        if not self.state.abandoned:
            return False
        queue = await self.client.queue(graphs=False)
        self.state.queue_was_read(queue.running, queue.pending, _now())
        return bool(self.state.abandoned)

    def _is_odd(self, error: Exception) -> None:
        reason = f"it answers what nobody understands ({type(error).__name__})"
        with self._told():
            self.state.probe_failed(reason, _now())

    def _is_not_up(self, reason: str) -> None:
        """A probe failed: logged at the first, of a mistyped address, say, and when the reason changes."""
        with self._told():
            self.state.probe_failed(reason, _now())

    async def _tell(self, worker: str, seal: Callable[[str], bytes]) -> None:
        state, (version, devices) = self.state, _versions(self._stats)
        wanted = await self._registry.tell(
            {
                "url": self.url,
                "address": seal(self._address),
                "worker": worker,
                "state": state.condition.value,
                "reason": as_text(state.reason or self._held_for),
                "tags": list(self._tags),
                "is_named": self._is_named,
                "version": version,
                "devices": devices,
                "catalogue": self._offer.digest,
                "loaded": sorted(state.loaded),
                "running": min(len(state.open), 1),
                "pending": max(len(state.open) - 1, 0),
                "foreign_prompts": state.foreign,
                "running_for": None if state.running_since is None else _now() - state.running_since,
                "counts": dict(state.counts + self.client.counts),
            }
        )
        with self._told():
            state.want(wanted)
        await self._offer.tell(self.url)


def _versions(stats: Mapping[str, Any]) -> tuple[str | None, list[Any]]:
    """What /system_stats says of ComfyUI's version and of its devices, as the database can keep it."""
    system, devices = stats.get("system"), stats.get("devices")
    version = system.get("comfyui_version") if isinstance(system, dict) else None
    return (
        None if version is None else as_text(str(version)),
        as_storable(devices) if isinstance(devices, list) else [],
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
