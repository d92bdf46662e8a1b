"""A worker: takes jobs for its ComfyUIs, follows them, and takes over from workers that died."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from comfywire.service.assets.assets import Assets
from comfywire.service.database.outage import AWAY
from comfywire.service.fleet.registry import Registry
from comfywire.service.hooks import Hooks
from comfywire.service.jobs import engine
from comfywire.service.jobs.engine import Taken
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.placement import choose, models_of
from comfywire.service.jobs.store import Store
from comfywire.service.sealing import Sealer
from comfywire.service.settings import Settings
from comfywire.service.waiting import set_within
from comfywire.service.worker.duties import TIDY_EVERY, for_ever, patience, sweep, tidy
from comfywire.service.worker.follower import Following
from comfywire.service.worker.membership import Membership
from comfywire.service.worker.server import Server

__all__ = ["Worker"]

LOOK_EVERY = 5.0
"""Seconds after which the queue is looked at although nothing was heard."""
LEAVE_PATIENCE = 5.0
"""Seconds that a worker which stops waits for the database, to say so; without it, it is taken for dead."""
CHANNELS = [engine.CHANNEL, "comfywire_cancel", "comfywire_needs", "comfywire_servers"]
log = logging.getLogger("comfywire.service")


class Worker:
    """Runs jobs on the ComfyUIs that it is given.

    Args:
        settings: Of the service.
        store: Jobs.
        assets: Inputs and outputs.
        sealer: For secrets and addresses.
        hooks: The operator's policy: asked about each output before it is kept.

    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        assets: Assets,
        sealer: Sealer,
        hooks: Hooks,
    ) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self.leases = Leases(store, self.name)
        self._settings = settings
        self._store = store
        self._queue = store.queue
        self._registry = Registry(store.database)
        self._assets = assets
        self._sealer = sealer
        self._membership = Membership(store.queue, self.name, settings.stalled_after)
        self._following = Following(
            store,
            self.leases,
            self._membership,
            assets=assets,
            sealer=sealer,
            hooks=hooks,
            patience=settings.server_patience,
            new_server=self._server,
        )
        self._wake = asyncio.Event()
        self._proven: set[str] = set()
        self._needs: dict[str, dict[str, Any]] = {}
        self._models: dict[str, frozenset[str]] = {}
        self._given = [self._server(text) for text in settings.servers]
        self._servers: dict[str, Server] = {}
        self._tasks: dict[asyncio.Task[None], Taken] = {}
        self._unknown: set[int] = set()
        self._is_paused = False
        self._is_stopping = False
        self._has_news = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then finish what runs within the drain time-out, hand back the rest.

        Cancelling this stops at once: its jobs are taken over as those of a dead worker are.
        """
        await self._membership.join()
        async with contextlib.AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="comfywire-"))
            for server in self._given:
                self._servers[server.url] = await stack.enter_async_context(server)
            self._following.servers, self._following.folder = self._servers, Path(folder)
            stack.push_async_callback(self._following.close)
            try:
                async with asyncio.TaskGroup() as group:
                    duties, watches = _begun(group, self._duties()), _begun(group, self._watches())
                    await stop.wait()
                    self._is_stopping = True
                    group.create_task(self._leave_servers(watches), name="comfywire leave")
                    await self._drain()
                    for task in duties:
                        task.cancel()
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(*AWAY, TimeoutError):
            async with asyncio.timeout(LEAVE_PATIENCE):
                await self._queue.unregister(self._membership.number)

    @property
    def urls(self) -> list[str]:
        """The servers that it was given, without credentials."""
        return [server.url for server in self._given]

    @property
    def is_ready(self) -> bool:
        """Whether it takes jobs: the database heard of it lately, and it is not about to stop."""
        return self._membership.is_fresh and not self._is_stopping

    @property
    def is_busy(self) -> bool:
        """Whether it follows any job."""
        return bool(self._tasks)

    def _duties(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "listen": lambda: self._store.database.listen(CHANNELS, self._heard, self._missed),
            "beat": self._membership.beat,
            "dispatch": self._dispatch,
            "news": self._read_news,
            "take over": self._take_over,
            "tidy": lambda: tidy(self._store, self._registry),
            "sweep": lambda: sweep(self._assets),
        }

    def _watches(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            f"watch {server.url}": partial(server.watch, self._registry, self.name, self._seal_address)
            for server in self._servers.values()
        }

    def _server(self, text: str) -> Server:
        address, _, tags = text.partition("#")
        return Server(
            address,
            tags=tuple(filter(None, tags.split(","))),
            patience=self._settings.server_patience,
            slots=self._settings.slots,
            on_change=self._wake.set,
            proven=self._proven,
        )

    def _seal_address(self, address: str) -> bytes:
        return self._sealer.seal({"address": address})

    # What is heard

    def _heard(self, channel: str, payload: str) -> None:
        match channel:
            case "comfywire_cancel":
                self._following.cancel(UUID(payload))
            case "comfywire_needs":
                self._has_news.set()
            case "comfywire_servers":
                for server in self._servers.values():
                    server.look_now()
            case _:
                self._wake.set()

    def _missed(self) -> None:
        self._has_news.set()
        self._wake.set()

    async def _read_news(self) -> None:
        """Learn new needs, whether the queue is paused, and cancellations that were not heard."""
        while True:
            self._has_news.clear()
            with contextlib.suppress(*AWAY):
                self._is_paused = await self._registry.is_paused()
                new = await self._registry.needs(self._needs)
                self._proven |= await self._registry.proven(new) if new else set()
                self._needs |= new
                self._models |= {need: models_of(requirement) for need, requirement in new.items()}
                self._forget(await self._registry.forgotten(self._needs))
                for server in self._servers.values():
                    await server.learn(self._registry, self._needs)
                await self._following.look_for_cancellations()
            self._wake.set()
            await set_within(self._has_news, TIDY_EVERY)

    def _forget(self, needs: list[str]) -> None:
        for need in needs:
            self._needs.pop(need, None)
            self._models.pop(need, None)
        self._proven.difference_update(needs)
        for server in self._servers.values():
            server.forget(needs)

    # Staying alive

    async def _take_over(self) -> None:
        """Take over from the dead, and give back what nobody follows."""
        while True:
            await asyncio.sleep(self._membership.beat_every)
            with patience():
                await self._give_back()
                await self._adopt()

    async def _give_back(self) -> None:
        # After an outage of the database everybody looks dead until they have had the time to say otherwise.
        if self._membership.may_judge:
            for job_id in await self._queue.give_back_stalled(self._settings.stalled_after):
                log.warning("job %s is taken over: its worker was not heard of any more", job_id)
        held = {taken.queue_id: taken for taken in await self._queue.held_by(self._membership.number)}
        unknown = held.keys() - {taken.queue_id for taken in self._tasks.values()}
        for queue_id in unknown & self._unknown:  # twice: a connection broke before the answer came
            async with self._store.database.connection() as connection:
                await self._queue.give_back(connection, queue_id)
        self._unknown = set(unknown)

    async def _adopt(self) -> None:
        """Follow what is on a ComfyUI and has no worker, whether or not a server of ours has room.

        It needs none; and its own worker may be gone while all servers that are left are busy for hours.
        """
        with contextlib.suppress(engine.NotRegistered):
            while not self._is_stopping:
                taken = await self._queue.take_submitted(
                    self._membership.number, self.name, seconds=self._settings.stalled_after
                )
                if taken is None:
                    return
                self._start(taken, None)

    # Taking jobs

    async def _dispatch(self) -> None:
        while True:
            self._wake.clear()
            try:
                while await self._take_one():
                    pass
            except engine.NotRegistered:
                await self._membership.join()
                continue
            except AWAY:
                await asyncio.sleep(1.0)
            await set_within(self._wake, LOOK_EVERY)

    async def _take_one(self) -> bool:
        """Take the job that is next for the server that is best; False when there is none."""
        views = [server.view for server in self._servers.values() if server.has_room]
        needs = frozenset[str]().union(*(view.needs for view in views))
        if self._is_paused or self._is_stopping or not needs or self._membership.number == 0:
            return False
        choice = choose(await self._queue.heads(sorted(needs)), views, self._models)
        if choice is None:
            return False
        taken = await self._queue.take(choice.need, self._membership.number, self.name, choice.url)
        if taken is not None:
            self._start(taken, self._servers[choice.url])
        return True

    def _start(self, taken: Taken, server: Server | None) -> None:
        job_id = str(taken.job_id)
        if server is not None:
            server.took(job_id, self._models.get(taken.need, frozenset()))
        task = asyncio.create_task(self._following.follow(taken, server), name=f"comfywire job {job_id}")
        self._tasks[task] = taken
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a job was not even put off: it is given back by _give_back", exc_info=error)

    # Stopping

    async def _leave_servers(self, watches: list[asyncio.Task[None]]) -> None:
        """Speak of its servers no more, and say so, that no job seems to be about to run on them.

        Without the database they fall silent by themselves.
        """
        for task in watches:
            task.cancel()
        with contextlib.suppress(*AWAY, TimeoutError):
            async with asyncio.timeout(LEAVE_PATIENCE):
                await asyncio.gather(*watches, return_exceptions=True)
                await self._registry.leave(self.name)

    async def _drain(self) -> None:
        """Wait for what runs, within the bound, then hand it back."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.drain_timeout)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _begun(
    group: asyncio.TaskGroup, duties: Mapping[str, Callable[[], Awaitable[None]]]
) -> list[asyncio.Task[None]]:
    return [
        group.create_task(for_ever(name, duty), name=f"comfywire {name}") for name, duty in duties.items()
    ]
