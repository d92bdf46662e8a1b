"""A worker: takes jobs for its ComfyUIs, follows them, and takes over from workers that died."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from comfywire.client import Client

from . import queue as engine
from .assets import Assets
from .fleet import choose, models_of
from .hooks import Hooks, job_facts
from .jobs import JobState
from .keeping import Keeper
from .leases import AWAY, Claim, Fenced, Leases, patiently
from .logs import about
from .membership import Membership
from .queue import Taken
from .registry import Registry
from .runner import Run
from .sealing import Sealer
from .servers import Server
from .settings import Settings
from .staging import stage
from .store import Store
from .tracing import job_span
from .waiting import set_within

__all__ = ["Worker"]

LOOK_EVERY = 5.0
"""Seconds after which the queue is looked at although nothing was heard."""
TIDY_EVERY = 30.0
DUTY_PAUSE = 1.0
"""Seconds until a duty that broke down begins anew."""
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
        self._hooks = hooks
        self._membership = Membership(store.queue, self.name, settings.stalled_after)
        self._wake = asyncio.Event()
        self._needs: dict[str, dict[str, Any]] = {}
        self._models: dict[str, frozenset[str]] = {}
        self._given = [self._server(text) for text in settings.servers]
        self._servers: dict[str, Server] = {}
        self._visited: dict[str, Server] = {}
        self._runs: dict[UUID, Run] = {}
        self._tasks: dict[asyncio.Task[None], Taken] = {}
        self._unknown: set[int] = set()
        self._is_paused = False
        self._is_stopping = False
        self._visiting = asyncio.Lock()
        self._has_news = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then finish what runs within the drain time-out, hand back the rest.

        Cancelling this stops at once: its jobs are taken over as those of a dead worker are.
        """
        await self._membership.join()
        async with contextlib.AsyncExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="comfywire-")))
            for server in self._given:
                self._servers[server.url] = await stack.enter_async_context(server)
            stack.push_async_callback(self._leave_visited)
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(_for_ever(name, duty), name=f"comfywire {name}")
                        for name, duty in self._duties().items()
                    ]
                    await stop.wait()
                    await self._drain()
                    for task in tasks:
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
            "tidy": self._tidy,
            "sweep": self._sweep,
            **{
                f"watch {server.url}": partial(server.watch, self._registry, self.name, self._seal_address)
                for server in self._servers.values()
            },
        }

    def _server(self, text: str) -> Server:
        address, _, tags = text.partition("#")
        return Server(
            address,
            tags=tuple(filter(None, tags.split(","))),
            patience=self._settings.server_patience,
            slots=self._settings.slots,
            on_change=self._wake.set,
        )

    def _seal_address(self, address: str) -> bytes:
        return self._sealer.seal({"address": address})

    # What is heard

    def _heard(self, channel: str, payload: str) -> None:
        match channel:
            case "comfywire_cancel":
                if (run := self._runs.get(UUID(payload))) is not None:
                    run.cancel()
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
                self._needs |= new
                self._models |= {need: models_of(requirement) for need, requirement in new.items()}
                self._forget(await self._registry.forgotten(self._needs))
                for server in self._servers.values():
                    await server.learn(self._registry, self._needs)
                for run in list(self._runs.values()):
                    with contextlib.suppress(Fenced):
                        if await self.leases.state(run.claim.lease) is JobState.CANCELING:
                            run.cancel()
            self._wake.set()
            await set_within(self._has_news, TIDY_EVERY)

    def _forget(self, needs: list[str]) -> None:
        for need in needs:
            self._needs.pop(need, None)
            self._models.pop(need, None)
        for server in self._servers.values():
            server.forget(needs)

    # Staying alive

    def check_lease(self) -> None:
        """Raise Fenced unless we were heard of lately."""
        if not self._membership.is_fresh:
            raise Fenced

    async def _take_over(self) -> None:
        """Take over from the dead, and give back what nobody follows."""
        while True:
            await asyncio.sleep(self._membership.beat_every)
            with _patience():
                await self._give_back()
                await self._adopt()

    async def _tidy(self) -> None:
        """End what has waited too long, let in what may run by now, forget what nobody needs."""
        while True:
            await asyncio.sleep(TIDY_EVERY)
            with _patience():
                await self._store.expire_waiting()
                await self._store.admit_all_held()
                await self._registry.tidy()
                await self._queue.tidy()

    async def _sweep(self) -> None:
        """Remove bytes that have had their time, which may take its time."""
        while True:
            await asyncio.sleep(TIDY_EVERY)
            with _patience():
                await self._assets.sweep()

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
                taken = await self._queue.take_submitted(self._membership.number)
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
            except AWAY as error:
                log.warning("the database is away, trying again: %s", str(error).strip())
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
        taken = await self._queue.take(choice.need, self._membership.number)
        if taken is not None:
            self._start(taken, self._servers[choice.url])
        return True

    def _start(self, taken: Taken, server: Server | None) -> None:
        job_id = str(taken.job_id)
        if server is not None:
            server.took(job_id, self._models.get(taken.need, frozenset()))
        task = asyncio.create_task(self._run(taken, server), name=f"comfywire job {job_id}")
        self._tasks[task] = taken
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a job was not even put off: it is given back by _give_back", exc_info=error)

    async def _run(self, taken: Taken, chosen: Server | None) -> None:
        job_id = str(taken.job_id)
        try:
            claim = await self.leases.claim(taken)
            if claim is not None:
                await self._see_to(claim, chosen)
        except Fenced:
            log.info("job %s is another worker's", job_id)
        finally:
            if chosen is not None:
                self._let_go(taken.job_id, chosen)

    def _let_go(self, job_id: UUID, server: Server) -> None:
        """The run that ends is done with its server, unless another run of the job has begun there since."""
        run = self._runs.get(job_id)
        if run is None or run.server is not server:
            server.let_go(str(job_id))

    async def _see_to(self, claim: Claim, chosen: Server | None) -> None:
        """Run it, or see what has become of it. What breaks down on the way is tried again, not for ever."""
        job = claim.job
        try:
            if job.submitted_at is not None and job.server is not None:
                await self._run_on(await self._moved(str(job.id), chosen, job.server), claim)
            elif chosen is not None:
                await self._run_on(chosen, claim)
            elif job.state is JobState.CANCELING:
                reason = "it was canceled before it was submitted"
                await self.leases.end(claim.lease, JobState.CANCELED, reason)
            else:
                await self.leases.hand_back(claim.lease, "it is on no server any more")
        except Fenced:
            raise
        except Exception as error:  # a bug of ours, or a full disk
            log.exception("job %s could not be followed", job.id, extra={"prompt_id": str(job.id)})
            if not await self.leases.put_off(claim.lease, _broken(error)):
                await self._withdraw(job.id)

    async def _withdraw(self, job_id: UUID) -> None:
        """Take the prompt of a job that we have given up off its server, as far as that is possible."""
        job = await self._store.get(job_id)
        if job is not None and job.submitted_at is not None and job.server is not None:
            server = await self._visit(job.server)
            await server.client.attach(str(job_id)).withdraw()
            await self._leave_if_visited(server)

    async def _moved(self, job_id: str, chosen: Server | None, url: str) -> Server:
        """Return the server that a job is on, which is asked; one that was chosen for it is free again."""
        if chosen is not None and chosen.url == url:
            return chosen
        if chosen is not None:
            chosen.let_go(job_id)
        return await self._visit(url)

    async def _run_on(self, server: Server, claim: Claim) -> None:
        job_id = str(claim.job.id)
        server.open.add(job_id)
        run = Run(claim, server, self, lambda: server.let_go(job_id))
        self._runs[claim.job.id] = run
        try:
            with about(prompt_id=job_id, server=server.url), job_span("run", claim.job.id, server=server.url):
                await run.run()
        finally:
            if self._runs.get(claim.job.id) is run:
                del self._runs[claim.job.id]
            self._let_go(claim.job.id, server)
            await self._leave_if_visited(server)

    async def _visit(self, url: str) -> Server:
        """Return a server that is not ours to look after, to see what has become of a job on it."""
        async with self._visiting:
            if (known := self._servers.get(url) or self._visited.get(url)) is not None:
                return known
            sealed = await patiently(lambda: self._registry.address(url))
            address = url if sealed is None else str(self._sealer.open(sealed)["address"])
            server = await self._server(address).__aenter__()
            self._visited[url] = server
            return server

    async def _leave_if_visited(self, server: Server) -> None:
        async with self._visiting:
            if self._visited.get(server.url) is server and not server.open:
                del self._visited[server.url]
                await server.__aexit__(None, None, None)

    async def _leave_visited(self) -> None:
        for server in self._visited.values():
            await server.__aexit__(None, None, None)

    async def _drain(self) -> None:
        """Take nothing more; wait for what runs, within the bound, then hand it back."""
        self._is_stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.drain_timeout)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What a run needs

    def keeper(self, claim: Claim) -> Keeper:
        """Return what keeps the outputs of a job."""

        async def withhold(output: Mapping[str, Any], path: Path) -> str | None:
            return await self._hooks.on_result(job_facts(claim.job), output, path)

        return Keeper(self._assets, self.leases, claim.job.key_id, withhold=withhold, folder=self._folder)

    async def staged(self, client: Client, prompt: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the prompt with its files on the server."""
        return await stage(client, self._assets, prompt, self._folder)

    def extra_data(self, secret: bytes | None) -> dict[str, Any]:
        """Return what goes along with the prompt, decrypted."""
        return {} if secret is None else self._sealer.open(secret)


async def _for_ever(name: str, duty: Callable[[], Awaitable[None]]) -> None:
    """Do a duty, and begin anew when it breaks down: one that is not done any more would go unnoticed."""
    while True:
        try:
            await duty()
        except Exception:
            log.exception("the worker's duty %r broke down, and begins anew", name)
        await asyncio.sleep(DUTY_PAUSE)


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Leave what is done inside for the next time when the database is away."""
    try:
        yield
    except AWAY as error:
        log.warning("the database is away, trying again: %s", str(error).strip())


def _broken(error: Exception) -> str:
    """Without its words: they are for the operator, and may hold what is not for others."""
    return f"the service could not follow the job ({type(error).__name__}): its operator finds why in the log"
