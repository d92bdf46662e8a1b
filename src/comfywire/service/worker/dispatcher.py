"""Which jobs a worker has: it takes them for its ComfyUIs, adopts those of dead workers, and hands back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from math import inf

from comfywire.service.assets.store_check import StoreCheck
from comfywire.service.database.outage import AWAY
from comfywire.service.jobs import engine
from comfywire.service.jobs.engine import Taken
from comfywire.service.jobs.placement import choose
from comfywire.service.jobs.store import Store
from comfywire.service.waiting import set_within
from comfywire.service.worker.duties import patience
from comfywire.service.worker.fleet_server import FleetServer
from comfywire.service.worker.follower import Following
from comfywire.service.worker.membership import Membership
from comfywire.service.worker.needs import Needs
from comfywire.service.worker.pace import Pace
from comfywire.service.worker.server_state import Condition

__all__ = ["Dispatcher"]

log = logging.getLogger("comfywire.service")


class Dispatcher:
    """Takes jobs while it may, and has each followed in a task of its own.

    Args:
        store: Jobs.
        servers: The worker's ComfyUIs, by URL.
        needs: What jobs want of a ComfyUI.
        following: Sees a job to its end.
        membership: The worker's place among the others.
        store_check: Whether outputs can be kept.
        wake: Set when there may be something to take; the servers set it, too.
        name: The worker's.
        stalled_after: Seconds without a heartbeat after which a worker's jobs are given back.
        pace: How long to wait between one thing and the next.

    """

    def __init__(
        self,
        store: Store,
        servers: Mapping[str, FleetServer],
        needs: Needs,
        following: Following,
        membership: Membership,
        *,
        store_check: StoreCheck,
        wake: asyncio.Event,
        name: str,
        stalled_after: float,
        pace: Pace,
    ) -> None:
        self._store = store
        self._queue = store.queue
        self._servers = servers
        self._needs = needs
        self._following = following
        self._membership = membership
        self._store_check = store_check
        self._wake = wake
        self._name = name
        self._stalled_after = stalled_after
        self._pace = pace
        self._tasks: dict[asyncio.Task[None], Taken] = {}
        self._unknown: set[int] = set()
        self._awaits_suspect = self._has_suspect = False
        self._asked_others_at = -inf
        self._is_paused = False
        self._is_stopping = False

    @property
    def is_busy(self) -> bool:
        """Whether any job is followed."""
        return bool(self._tasks)

    def pause(self, *, is_paused: bool) -> None:
        """The operator has paused the queue, or lets it go on."""
        self._is_paused = is_paused
        self._wake.set()

    # Taking jobs

    async def dispatch(self) -> None:
        """Take jobs, for ever; cancelling ends that, and leaves those that were taken."""
        while True:
            self._wake.clear()
            try:
                while await self._take_one():
                    pass
                await self._even_out()
            except engine.NotRegistered:
                await self._membership.join()
                continue
            except AWAY:
                await asyncio.sleep(self._pace.duty)
            await set_within(self._wake, self._pace.queue)

    async def _take_one(self) -> bool:
        """Take the job that is next for the server that is best; False when there is none."""
        views = [server.view for server in self._servers.values() if server.state.has_room]
        needs = frozenset[str]().union(*(view.needs for view in views))
        if not needs or not self._may_take:
            return False
        able = {need: [view.url for view in views if need in view.needs] for need in sorted(needs)}
        only = {need: urls[0] for need, urls in able.items() if len(urls) == 1}
        alone = not self._tasks
        choice = choose(await self._queue.heads(list(able), only, alone=alone), views, self._needs.models)
        if choice is None:
            return False
        taken = await self._queue.take(
            choice.need, self._membership.number, self._name, choice.url, alone=alone
        )
        if taken is not None:
            self._start(taken, self._servers[choice.url])
        return True

    async def _even_out(self) -> None:
        """Take back what waits on a server while another one has nothing to do, and what must not run now."""
        if not self._store_check.is_good():
            self._following.take_back("nothing can be kept now: the asset store does not work")
            return
        for server in self._servers.values():
            if server.state.condition is Condition.STUCK:
                self._following.take_back(f"{server.url} is stuck", server=server)
        if self._may_take:
            rooms = [server.view for server in self._servers.values() if server.state.has_room]
            self._following.even_out([view for view in rooms if view.queue == 0])
            now = asyncio.get_running_loop().time()
            if now >= self._asked_others_at + self._pace.queue:  # not at each job that is submitted
                self._asked_others_at = now
                await self._following.even_out_with_others(seconds=self._stalled_after)

    @property
    def _may_take(self) -> bool:
        """Whether jobs are taken at all: what cannot be kept is not run."""
        is_held = self._is_paused or self._is_stopping or not self._store_check.is_good()
        return not is_held and self._membership.number != 0 and not self._must_be_alone

    @property
    def _must_be_alone(self) -> bool:
        """Whether a job that workers have died of is followed, or waits for this worker to have no other."""
        return bool(self._tasks) and (self._awaits_suspect or self._has_suspect)

    def _start(self, taken: Taken, server: FleetServer | None) -> None:
        job_id = str(taken.job_id)
        if server is not None:
            # Now, and not when the task begins: the next choice must see that this room is taken.
            server.took(job_id, self._needs.models.get(taken.need, frozenset()))
        task = asyncio.create_task(self._following.follow(taken, server), name=f"comfywire job {job_id}")
        self._tasks[task] = taken
        self._has_suspect = self._has_suspect or taken.is_suspect
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        taken = self._tasks.pop(task)
        if taken.is_suspect:
            self._has_suspect = False
            self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a job was not even put off: it is given back by _give_back", exc_info=error)

    # Taking over

    async def take_over(self) -> None:
        """Take over from the dead, and give back what nobody follows; for ever."""
        while True:
            await asyncio.sleep(self._membership.beat_every)
            with patience():
                await self._give_back()
                await self._look_for_suspect()
                await self._adopt()

    async def _look_for_suspect(self) -> None:
        """Find out whether a job waits for this worker to have no other: it takes none until then."""
        states = [server.view for server in self._servers.values() if server.state.is_at_work]
        needs = frozenset[str]().union(*(view.needs for view in states))
        awaited = await self._queue.has_suspect(sorted(needs), self._name, seconds=self._stalled_after)
        if self._awaits_suspect and not awaited:
            self._wake.set()
        self._awaits_suspect = awaited

    async def _give_back(self) -> None:
        # After an outage of the database every worker looks dead until it has had the time to say otherwise.
        if self._membership.may_judge:
            for job_id in await self._queue.give_back_stalled(self._stalled_after):
                log.warning("job %s is taken over: its worker was not heard of any more", job_id)
        held = {taken.queue_id: taken for taken in await self._queue.held_by(self._membership.number)}
        unknown = held.keys() - {taken.queue_id for taken in self._tasks.values()}
        # Seen once, its task may be about to begin. Twice: a connection broke before `take` was answered.
        for queue_id in unknown & self._unknown:
            async with self._store.database.connection() as connection:
                await self._queue.give_back(connection, queue_id)
        self._unknown = set(unknown)

    async def _adopt(self) -> None:
        """Follow each prompt that is on a ComfyUI and has no worker, whether or not a server has room.

        Following needs no room; and the job's own worker may be gone while all servers that are left are busy
        for hours.
        """
        with contextlib.suppress(engine.NotRegistered):
            while not self._is_stopping and not (self._tasks and self._has_suspect):
                taken = await self._queue.take_submitted(
                    self._membership.number,
                    self._name,
                    seconds=self._stalled_after,
                    alone=not self._tasks,
                )
                if taken is None:
                    return
                self._start(taken, None)

    # Stopping

    def stop(self) -> None:
        """Take no more jobs."""
        self._is_stopping = True

    async def drain(self, seconds: float) -> None:
        """Wait for the jobs that are followed, so long at most; then hand them back."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        await self.abandon()

    async def abandon(self) -> None:
        """Hand every job back, at once."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
