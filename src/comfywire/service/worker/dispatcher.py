"""Decides which jobs a worker has: takes them for its ComfyUIs, adopts those of dead workers, hands back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from math import inf

from comfywire.service.assets.store_check import StoreCheck
from comfywire.service.database.outage import AWAY
from comfywire.service.jobs import engine
from comfywire.service.jobs.engine import Taken
from comfywire.service.jobs.placement import Choice, ServerView, choose
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
    """Takes jobs while the worker may, and has each followed in a task of its own.

    Args:
        store: The jobs of the service.
        servers: The worker's ComfyUIs, by URL.
        needs: The book of what jobs need of a ComfyUI.
        following: Follows one job to its end.
        membership: The worker's place among the service's workers, whose number its claims carry.
        store_check: Knows whether the asset store takes outputs.
        wake: Set when there may be a job to take; the servers set this event, too.
        name: The worker's name.
        stalled_after: Seconds without a heartbeat after which a worker's jobs are given back.
        pace: The seconds between rounds of each duty.

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
        """Take no jobs while the operator has the queue paused; those that were taken go on."""
        self._is_paused = is_paused
        self._wake.set()

    # Taking jobs

    async def dispatch(self) -> None:
        """Take jobs, for ever; cancelling ends the taking, while the jobs that were taken are followed on."""
        while True:
            # Cleared before the look at the queue, not after: a job that arrives in between wakes the next
            # round at once.
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
        """Take one job for one of the servers with room; False when no job fits any of them.

        Between the choice and the taking, another worker may take the job. That is no reason to stop: True
        makes :meth:`dispatch` choose anew.
        """
        views = [server.view for server in self._servers.values() if server.state.has_room]
        needs = frozenset[str]().union(*(view.needs for view in views))
        if not needs or not self._may_take:
            return False
        alone = not self._tasks
        has_choice = len(needs) > 1 or len(views) > 1
        choice = (
            await self._choose(needs, views, alone=alone)
            if has_choice
            else Choice(next(iter(needs)), views[0].url)
        )
        if choice is None:
            return False
        server = self._servers[choice.url]
        # None where another worker was faster, or where nothing was looked for first.
        taken = await self._queue.take(
            choice.need, self._membership.number, self._name, choice.url, alone=alone
        )
        if taken is not None:
            self._start(taken, server)
        return has_choice or taken is not None

    async def _choose(
        self, needs: frozenset[str], views: Sequence[ServerView], *, alone: bool
    ) -> Choice | None:
        able = {need: [view.url for view in views if need in view.needs] for need in sorted(needs)}
        only = {need: urls[0] for need, urls in able.items() if len(urls) == 1}
        heads = await self._queue.heads(list(able), only, alone=alone)
        return choose(heads, views, self._needs.models)

    async def _even_out(self) -> None:
        """Take prompts back from a ComfyUI's queue, where they would wait in vain or longer than they must.

        All are taken back while no output could be kept, and those of a server that is stuck; else those that
        wait on one server while another server, or another worker's, has nothing to do.
        """
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
            if (
                now >= self._asked_others_at + self._pace.queue
            ):  # each submitted job wakes this loop: ask less often than that
                self._asked_others_at = now
                await self._following.even_out_with_others(seconds=self._stalled_after)

    @property
    def _may_take(self) -> bool:
        """Whether jobs are taken at all: not while the asset store could not keep their outputs."""
        is_held = self._is_paused or self._is_stopping or not self._store_check.is_good()
        return not is_held and self._membership.number != 0 and not self._must_be_alone

    @property
    def _must_be_alone(self) -> bool:
        """Whether this worker may take no second job because of a suspect: a job that workers have died of.

        A suspect runs alone, so that a worker which dies of it takes no other jobs along. True while one is
        followed, and while one waits until this worker has no other job.
        """
        return bool(self._tasks) and (self._awaits_suspect or self._has_suspect)

    def _start(self, taken: Taken, server: FleetServer | None) -> None:
        job_id = str(taken.job_id)
        if server is not None:
            # Before the task begins, not in it: the next choice comes first, and must see the room as taken.
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
        """Adopt dead workers' prompts, and give back jobs that no task of this worker follows; for ever."""
        while True:
            await asyncio.sleep(self._membership.beat_every)
            with patience():
                await self._give_back()
                await self._look_for_suspect()
                await self._adopt()

    async def _look_for_suspect(self) -> None:
        """Find out whether a suspect waits until this worker has no other job: none is taken until then."""
        states = [server.view for server in self._servers.values() if server.state.is_at_work]
        needs = frozenset[str]().union(*(view.needs for view in states))
        awaited = await self._queue.has_suspect(sorted(needs), self._name, seconds=self._stalled_after)
        if self._awaits_suspect and not awaited:
            self._wake.set()
        self._awaits_suspect = awaited

    async def _give_back(self) -> None:
        # After an outage of the database no worker has a fresh heartbeat: only who was silent while this one
        # could be heard is dead.
        for job_id in await self._queue.give_back_stalled(self._stalled_after, self._membership.silent):
            log.warning("job %s is taken over: its worker was not heard of any more", job_id)
        held = {taken.queue_id: taken for taken in await self._queue.held_by(self._membership.number)}
        unknown = held.keys() - {taken.queue_id for taken in self._tasks.values()}
        # A job of this worker without a task: seen once, `take` may have been answered after this look. Seen
        # in two rounds, the connection broke before the answer came, and no task will ever begin.
        for queue_id in unknown & self._unknown:
            async with self._store.database.connection() as connection:
                await self._queue.give_back(connection, queue_id)
        self._unknown = set(unknown)

    async def _adopt(self) -> None:
        """Follow each prompt that is on a ComfyUI and whose worker is gone, whether or not a server has room.

        Following takes no room on a server: the prompt is there already. Waiting for room could take hours
        when all servers that are left are busy.
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
        """Wait for the jobs that are followed, ``seconds`` at the most; then hand back those that go on."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        await self.abandon()

    async def abandon(self) -> None:
        """Hand every job back at once; its prompt goes on, and the next worker adopts the job."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
