"""The jobs that a worker follows: each on the ComfyUI that was chosen for it, or where it turns out to be."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from uuid import UUID

from comfywire.errors import ComfywireError
from comfywire.service.database.outage import patiently
from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.claims import Claim, Fenced
from comfywire.service.jobs.engine import Taken
from comfywire.service.jobs.placement import ServerView
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState, TransitionKind
from comfywire.service.jobs.store import Store
from comfywire.service.logs import about
from comfywire.service.tracing import job_span
from comfywire.service.waiting import set_within
from comfywire.service.worker.fleet_server import FleetServer
from comfywire.service.worker.other_servers import Visits
from comfywire.service.worker.run import JobRun
from comfywire.service.worker.settlement import Settlement
from comfywire.service.worker.surroundings import Surroundings

__all__ = ["Following"]

LOST_BEFORE_ALONE = 2
"""How often a job was lost before nothing is sent to a server behind it."""
MOST_DEATHS = 3
"""How often a job was running when its worker died; then it is set aside, unless it had ended there.

What it made is fetched then, by a worker that has no other job, until as many more have died of that.
"""
LEFT_TO_OTHERS = 10.0
"""Seconds for which a job that was taken back does not go to the same server."""
MOST_UNMATCHED = 1000
"""Cancellations of jobs that this worker did not run when it heard of them: the newest are remembered."""
log = logging.getLogger("comfywire.service")


class Following:
    """Follows jobs until they have ended, or are somebody else's.

    Args:
        store: Jobs.
        servers: Those that the worker looks after, by URL.
        visits: Opens the others.
        around: The worker, as runs see it.
        patience: Seconds for which a server may be away before what it was running counts as lost.

    """

    def __init__(
        self,
        store: Store,
        servers: Mapping[str, FleetServer],
        visits: Visits,
        around: Surroundings,
        *,
        patience: float,
    ) -> None:
        self._store = store
        self._registry = Registry(store.database)
        self._servers = servers
        self._visits = visits
        self._around = around
        self._leases = around.leases
        self._patience = patience
        self._runs: dict[UUID, JobRun] = {}
        self._unmatched: dict[UUID, None] = {}

    async def follow(self, taken: Taken, chosen: FleetServer | None) -> None:
        """See a job that was taken from the engine to its end, on ``chosen`` unless it is elsewhere already.

        Cancelling this hands the job back.
        """
        job_id = str(taken.job_id)
        try:
            claim = await self._leases.claim(taken)
            if claim is not None:
                await self._see_to(claim, chosen, is_alone=taken.is_suspect)
        except Fenced:
            log.info("job %s is another worker's", job_id)
        finally:
            if chosen is not None:
                self._let_go(taken.job_id, chosen)

    def cancel(self, job_id: UUID) -> None:
        """Somebody wants a job to end, which may be one of ours."""
        if (run := self._runs.get(job_id)) is not None:
            run.cancel()
            return
        # It may have been taken for us a moment ago, and be canceled since: its run will ask.
        self._unmatched[job_id] = None
        if len(self._unmatched) > MOST_UNMATCHED:
            del self._unmatched[next(iter(self._unmatched))]

    async def look_for_cancellations(self) -> None:
        """Find out which of our jobs somebody wants to end: the notification may not have been heard."""
        for run in list(self._runs.values()):
            try:
                if await self._leases.state(run.claim.lease) is JobState.CANCELING:
                    run.cancel()
            except Fenced:
                continue

    def take_back(self, why: str, *, server: FleetServer | None = None) -> None:
        """Let other servers run what waits on this one, or on any."""
        for run in self._runs.values():
            if server is None or run.server is server:
                run.take_back(why)

    def even_out(self, idle: Collection[ServerView]) -> None:
        """Take back one job that waits on a server, for each of our servers that has nothing to do."""
        waiting = [run for run in self._runs.values() if run.waits]
        for view in idle:
            run = next((run for run in waiting if self._may_move(run, view)), None)
            if run is not None:
                waiting.remove(run)
                run.take_back(f"{view.url} has nothing to do")

    def _may_move(self, run: JobRun, view: ServerView) -> bool:
        return run.server.url != view.url and run.claim.job.need in view.needs

    async def even_out_with_others(self, *, seconds: float) -> None:
        """Take back one job that a server of another worker could begin at once.

        This worker leaves it to the others for a moment, or it would be sent to the same server again.
        """
        worker = self._leases.worker
        for run in [run for run in self._runs.values() if run.waits]:
            if await self._registry.has_idle(run.claim.job.need, worker, seconds=seconds):
                run.take_back("another worker's server has nothing to do", avoids_for=LEFT_TO_OTHERS)
                return

    async def _is_suspect(self, claim: Claim) -> bool:
        """Whether ComfyUIs may have died of this job: it was lost twice."""
        if claim.job.submissions < LOST_BEFORE_ALONE:
            return False
        return await self._leases.times(claim.lease, TransitionKind.LOST) >= LOST_BEFORE_ALONE

    def _let_go(self, job_id: UUID, server: FleetServer) -> None:
        """The run that ends is done with its server, unless another run of the job has begun there since.

        That happens when this worker was taken for dead, and then took its own job over again.
        """
        run = self._runs.get(job_id)
        if run is None or run.server is not server:
            server.let_go(str(job_id))

    async def _see_to(self, claim: Claim, chosen: FleetServer | None, *, is_alone: bool) -> None:
        """Run a job, or see what has become of it. What breaks down is tried again, a few times."""
        job = claim.job
        try:
            if job.deaths >= MOST_DEATHS:
                await self._judge(claim, is_alone=is_alone)
            elif job.submitted_at is not None and job.server is not None:
                await self._look_after(await self._moved(str(job.id), chosen, job.server), claim)
            elif chosen is not None:
                await self._run_on(chosen, claim)
            elif job.state is JobState.CANCELING:
                reason = "it was canceled before it was submitted"
                await self._leases.end(claim.lease, JobState.CANCELED, reason)
            else:
                await self._leases.hand_back(claim.lease, "it is on no server any more")
        except Fenced:
            raise
        except Exception as error:  # a bug of ours, or a full disk
            log.exception("job %s could not be followed", job.id, extra={"prompt_id": str(job.id)})
            if not await self._leases.put_off(claim.lease, _broken(error)):
                await self._withdraw(job)

    async def _judge(self, claim: Claim, *, is_alone: bool) -> None:
        """Set a job aside that several workers have died of while they followed it; or fetch what it made.

        They may have died of something else: a job is no poison whose prompt had ended by then.
        """
        job = claim.job
        if job.server is None or job.submitted_at is None:
            await self._set_aside(claim)
            return
        server = await self._visits.at(job.server)
        try:
            has_ended = await self._has_ended(server, str(job.id))
        except ComfywireError:
            has_ended = False
            if server.url not in self._servers and await self._is_left_to_others(server, claim):
                return
        finally:
            await self._visits.leave(server)
        if not has_ended:
            await self._set_aside(claim)
        elif job.deaths >= 2 * MOST_DEATHS:
            why = f"it had ended when its worker died, {job.deaths} times; what it made could not be fetched"
            await self._give_up(claim, "outputs_unavailable", why)
        elif is_alone:
            await self._look_after(await self._visits.at(job.server), claim)
        else:
            await self._leases.hand_back(claim.lease, "it had ended when its worker died", suspect=True)

    async def _has_ended(self, server: FleetServer, prompt_id: str) -> bool:
        """Whether a prompt has ended on a server; one of our own that is down may come back first."""
        if server.url in self._servers:
            await set_within(server.up, self._patience)
        return bool(await server.client.history(prompt_id))

    async def _set_aside(self, claim: Claim) -> None:
        why = f"it was running when its worker died, {claim.job.deaths} times; retry it by hand"
        await self._give_up(claim, "poison", why)

    async def _give_up(self, claim: Claim, code: str, why: str) -> None:
        """End a job of which workers die, and take its prompt off its server."""
        if claim.job.state is JobState.CANCELING:
            await self._leases.end(claim.lease, JobState.CANCELED, f"it was to be canceled; {why}")
        else:
            await self._leases.end(claim.lease, JobState.FAILED, why, error={"code": code, "message": why})
        await self._withdraw(claim.job)

    async def _look_after(self, server: FleetServer, claim: Claim) -> None:
        """See what has become of a job where it is, if this worker reaches that server or another one may.

        A job there may run well while we do not reach it, and the worker that does may be about to come back.
        """
        url = server.url
        if url in self._servers:
            await self._run_on(server, claim)
        elif await patiently(lambda: self._registry.is_gone(url)):
            await self._lose(server, claim, f"{url} is gone for good")
        elif await server.answers():
            await self._run_on(server, claim)
        elif await self._is_left_to_others(server, claim):
            await self._visits.leave(server)
        else:
            await self._lose(server, claim, f"{url} was out of reach for {self._patience:g} seconds")

    async def _is_left_to_others(self, server: FleetServer, claim: Claim) -> bool:
        pause = min(self._around.pace.out_of_reach, self._patience / 10)
        return await self._leases.out_of_reach(claim.lease, server.url, patience=self._patience, pause=pause)

    async def _lose(self, server: FleetServer, claim: Claim, why: str) -> None:
        await Settlement(claim, server, self._around).lost(why)
        await self._visits.leave(server)

    async def _withdraw(self, job: JobRecord) -> None:
        """Take the prompt of a job that we have given up off its server, as far as that is possible."""
        current = await self._store.get(job.id)
        url = job.server or (None if current is None else current.server)
        if url is not None:
            server = await self._visits.at(url)
            await server.client.attach(str(job.id)).withdraw()
            await self._visits.leave(server)

    async def _moved(self, job_id: str, chosen: FleetServer | None, url: str) -> FleetServer:
        """Return the server that a job is on; another one that was chosen for the job is free again."""
        if chosen is not None and chosen.url == url:
            return chosen
        if chosen is not None:
            chosen.let_go(job_id)
        return await self._visits.at(url)

    async def _run_on(self, server: FleetServer, claim: Claim) -> None:
        job_id = str(claim.job.id)
        server.took(job_id)
        if await self._is_suspect(claim):
            server.state.runs_alone(job_id)
        run = JobRun(claim, server, self._around, lambda: server.let_go(job_id))
        if claim.job.id in self._unmatched:
            run.doubt()
        self._runs[claim.job.id] = run
        try:
            with about(prompt_id=job_id, server=server.url), job_span("run", claim.job.id, server=server.url):
                await run.run()
        finally:
            if self._runs.get(claim.job.id) is run:
                del self._runs[claim.job.id]
            self._let_go(claim.job.id, server)
            await self._visits.leave(server)


def _broken(error: Exception) -> str:
    """Without the exception's words: they are for the operator, and may hold what is not for others."""
    return f"the service could not follow the job ({type(error).__name__}): its operator finds why in the log"
