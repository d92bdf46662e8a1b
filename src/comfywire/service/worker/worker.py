"""A worker: its ComfyUIs, its duties, and how it begins and ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from uuid import UUID

from comfywire.service.assets.assets import Assets
from comfywire.service.assets.store_check import StoreCheck
from comfywire.service.database.outage import AWAY
from comfywire.service.fleet.added import AddedServer, AddedServers
from comfywire.service.fleet.registry import Registry
from comfywire.service.hooks import Hooks
from comfywire.service.jobs import engine
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.store import Store
from comfywire.service.relay.relay import Relay
from comfywire.service.sealing import Sealer
from comfywire.service.settings import ServerAddress, Settings
from comfywire.service.waiting import set_within
from comfywire.service.worker.dispatcher import Dispatcher
from comfywire.service.worker.duties import for_ever, sweep, tidy
from comfywire.service.worker.fleet_server import FleetServer
from comfywire.service.worker.follower import Following
from comfywire.service.worker.inputs import Inputs
from comfywire.service.worker.membership import Membership
from comfywire.service.worker.needs import Needs
from comfywire.service.worker.other_servers import Added, Visits
from comfywire.service.worker.pace import Pace
from comfywire.service.worker.surroundings import Surroundings

__all__ = ["Worker"]

CHANNELS = [engine.CHANNEL, "comfywire_cancel", "comfywire_needs", "comfywire_servers"]
Duties = Mapping[str, Callable[[], Awaitable[None]]]


class Worker:
    """Runs jobs on the ComfyUIs that it is given, follows them, and takes over from workers that died.

    Args:
        settings: Of the service.
        store: Jobs.
        assets: Inputs and outputs.
        store_check: Whether outputs can be kept; while they cannot, no job is taken.
        sealer: For secrets and addresses.
        hooks: The operator's policy: asked about each output before it is kept.
        relay: Takes what ComfyUIs say to sockets, those of this process among them.
        pace: How long to wait between one thing and the next.

    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        assets: Assets,
        store_check: StoreCheck,
        sealer: Sealer,
        hooks: Hooks,
        relay: Relay,
        pace: Pace = Pace(),  # noqa: B008 - frozen
    ) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self._settings = settings
        self._store = store
        self._assets = assets
        self._store_check = store_check
        self._sealer = sealer
        self._relay = relay
        self._pace = pace
        self._registry = Registry(store.database)
        self._membership = Membership(store.queue, self.name, settings.stalled_after)
        self._needs = Needs()
        self._wake, self._has_news = asyncio.Event(), asyncio.Event()
        self._is_stopping = False
        self._folder = Path(tempfile.gettempdir()) / f"comfywire-{secrets.token_hex(8)}"
        self._servers = {server.url: server for server in map(self._server, settings.servers)}
        self._visits = Visits(self._servers, self._registry, sealer, self._server)
        self._added = Added(
            AddedServers(store.database, sealer),
            self._servers,
            self._added_server,
            self._watch,
            worker=self.name,
            pace=pace,
        )
        self._following = self._made_following(hooks)
        self._dispatcher = Dispatcher(
            store,
            self._servers,
            self._needs,
            self._following,
            self._membership,
            store_check=store_check,
            wake=self._wake,
            name=self.name,
            stalled_after=settings.stalled_after,
            pace=pace,
        )

    def _made_following(self, hooks: Hooks) -> Following:
        around = Surroundings(
            leases=Leases(self._store, self.name, put_off_for=self._pace.put_off),
            membership=self._membership,
            assets=self._assets,
            store_check=self._store_check,
            inputs=Inputs(self._assets, self._sealer.derived("staged names")),
            sealer=self._sealer,
            hooks=hooks,
            registry=self._registry,
            folder=self._folder,
            relay=self._relay,
            pace=self._pace,
            run_timeout=self._settings.run_timeout,
            interrupt_grace=self._settings.interrupt_grace,
        )
        patience = self._settings.server_patience
        return Following(self._store, self._servers, self._visits, around, patience=patience)

    def _server(self, text: str) -> FleetServer:
        return self._of(ServerAddress.parse(text))

    def _added_server(self, added: AddedServer) -> FleetServer:
        return self._of(ServerAddress(added.address, added.tags, added.slots), is_named=False)

    def _of(self, given: ServerAddress, *, is_named: bool = True) -> FleetServer:
        return FleetServer(
            given.address,
            self._registry,
            tags=given.tags,
            is_named=is_named,
            patience=self._settings.server_patience,
            slots=given.slots or self._settings.slots,
            on_change=self._wake.set,
            proven=self._needs.proven,
            pace=self._pace,
            max_output_bytes=self._settings.max_output_bytes,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then finish what runs within the drain time-out, hand back the rest.

        Cancelling this stops at once: its jobs are taken over as those of a dead worker are.
        """
        await self._membership.join()
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(_made(self._folder))
            for server in self._servers.values():
                await stack.enter_async_context(server)
            stack.push_async_callback(self._visits.close)
            stack.push_async_callback(self._added.close)
            try:
                await self._work_until(stop)
            finally:
                await self._dispatcher.abandon()
        with contextlib.suppress(*AWAY, TimeoutError):
            async with asyncio.timeout(self._pace.leave):
                await self._store.queue.unregister(self._membership.number)

    async def _work_until(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            duties, watches = self._begun(group, self._duties()), self._begun(group, self._watches())
            await stop.wait()
            self._is_stopping = True
            self._dispatcher.stop()
            group.create_task(self._leave_servers(watches), name="comfywire leave")
            # Its heart goes on beating meanwhile, or what it drains would be taken over.
            await self._dispatcher.drain(self._settings.drain_timeout)
            for task in duties:
                task.cancel()

    @property
    def urls(self) -> list[str]:
        """The servers that it was given, without credentials."""
        return list(self._servers)

    @property
    def is_ready(self) -> bool:
        """Whether it takes jobs: the database heard of it lately, and it is not about to stop."""
        return self._membership.is_fresh and not self._is_stopping

    @property
    def is_busy(self) -> bool:
        """Whether it follows any job."""
        return self._dispatcher.is_busy

    # Duties

    def _begun(self, group: asyncio.TaskGroup, duties: Duties) -> list[asyncio.Task[None]]:
        return [
            group.create_task(for_ever(name, duty, pause=self._pace.duty), name=f"comfywire {name}")
            for name, duty in duties.items()
        ]

    def _duties(self) -> Duties:
        pace = self._pace
        return {
            "listen": lambda: self._store.database.listen(CHANNELS, self._heard, self._missed),
            "beat": self._membership.beat,
            "dispatch": self._dispatcher.dispatch,
            "news": self._read_news,
            "sockets": self._relay.watch_sockets,
            "take over": self._dispatcher.take_over,
            "tidy": lambda: tidy(self._store, self._registry, every=pace.tidy),
            "asset store": lambda: self._store_check.watch(self._store_changed),
            "sweep": lambda: sweep(self._assets, every=pace.tidy),
        }

    def _watches(self) -> Duties:
        own = {f"watch {url}": partial(self._watch, server) for url, server in self._servers.items()}
        return {**own, "added servers": self._added.run}

    async def _watch(self, server: FleetServer) -> None:
        server.learn(self._needs.requirements)
        await server.watch(self.name, self._seal_address)

    def _seal_address(self, address: str) -> bytes:
        return self._sealer.seal({"address": address})

    def _heard(self, channel: str, payload: str) -> None:
        match channel:
            case "comfywire_cancel":
                self._following.cancel(UUID(payload))
            case "comfywire_needs":
                self._has_news.set()
            case "comfywire_servers":
                self._added.look_now()
                if (server := self._servers.get(payload)) is not None:
                    server.look_now()
            case _:
                self._wake.set()

    def _missed(self) -> None:
        self._has_news.set()
        self._wake.set()

    def _store_changed(self) -> None:
        """Take jobs again, or say of each server why none is taken."""
        self._wake.set()
        for server in self._servers.values():
            server.hold(self._store_check.reason)

    async def _read_news(self) -> None:
        """Learn new needs, whether the queue is paused, and cancellations that were not heard; for ever."""
        while True:
            self._has_news.clear()
            with contextlib.suppress(*AWAY):
                self._dispatcher.pause(is_paused=await self._registry.is_paused())
                gone = await self._needs.read(self._registry)
                for server in self._servers.values():
                    server.forget(gone)
                    server.learn(self._needs.requirements)
                await self._following.look_for_cancellations()
            self._wake.set()
            await set_within(self._has_news, self._pace.tidy)

    async def _leave_servers(self, watches: list[asyncio.Task[None]]) -> None:
        """Speak of its servers no more, and say so, that no job seems to be about to run on them.

        Without the database they fall silent by themselves.
        """
        for task in watches:
            task.cancel()
        with contextlib.suppress(*AWAY, TimeoutError):
            async with asyncio.timeout(self._pace.leave):
                await asyncio.gather(*watches, return_exceptions=True)
                await self._registry.leave(self.name)


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Have the folder inside this context; nobody else may read it, or have made it."""
    folder.mkdir(mode=0o700)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
