"""The jobs that a worker follows: each on the ComfyUI that was chosen for it, or where it turns out to be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from comfywire.client import Client
from comfywire.errors import ComfywireError
from comfywire.service.assets.assets import Assets
from comfywire.service.fleet.registry import Registry
from comfywire.service.hooks import Hooks, job_facts
from comfywire.service.jobs.engine import Taken
from comfywire.service.jobs.leases import Claim, Fenced, Leases, patiently
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store
from comfywire.service.logs import about
from comfywire.service.sealing import Sealer
from comfywire.service.tracing import job_span
from comfywire.service.worker.inputs import Inputs
from comfywire.service.worker.membership import Membership
from comfywire.service.worker.outcome import Outcome
from comfywire.service.worker.outputs import Keeper
from comfywire.service.worker.run import Run
from comfywire.service.worker.server import Server

__all__ = ["Following"]

OUT_OF_REACH_PAUSE = 5.0
"""Seconds for which a job is left to others whose ComfyUI we do not reach, at first."""
log = logging.getLogger("comfywire.service")


class Following:
    """Follows jobs until they have ended, or are somebody else's.

    Args:
        store: Jobs.
        leases: The worker's claims on them.
        membership: The worker's place among the others.
        assets: Inputs and outputs.
        sealer: For secrets and addresses.
        hooks: The operator's policy: asked about each output before it is kept.
        patience: Seconds for which a server may be away before what it was running counts as lost.
        new_server: Makes a server of an address, which is visited to see what has become of a job there.

    Attributes:
        servers: Those that the worker looks after, by URL.
        folder: For files on their way.

    """

    def __init__(
        self,
        store: Store,
        leases: Leases,
        membership: Membership,
        *,
        assets: Assets,
        sealer: Sealer,
        hooks: Hooks,
        patience: float,
        new_server: Callable[[str], Server],
    ) -> None:
        self.leases = leases
        self.servers: dict[str, Server] = {}
        self.folder = Path()
        self._store = store
        self._membership = membership
        self._registry = Registry(store.database)
        self._assets = assets
        self._inputs = Inputs(assets, sealer.derived("staged names"))
        self._sealer = sealer
        self._hooks = hooks
        self._patience = patience
        self._new_server = new_server
        self._visited: dict[str, Server] = {}
        self._visiting = asyncio.Lock()
        self._runs: dict[UUID, Run] = {}

    async def follow(self, taken: Taken, chosen: Server | None) -> None:
        """See a job that was taken from the engine to its end, on ``chosen`` unless it is elsewhere already.

        Cancelling this hands it back.
        """
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

    def cancel(self, job_id: UUID) -> None:
        """Somebody wants a job to end, which may be one of ours."""
        if (run := self._runs.get(job_id)) is not None:
            run.cancel()

    async def look_for_cancellations(self) -> None:
        """Find out which of our jobs somebody wants to end: that may not have been heard."""
        for run in list(self._runs.values()):
            try:
                if await self.leases.state(run.claim.lease) is JobState.CANCELING:
                    run.cancel()
            except Fenced:
                continue

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
                await self._look_after(await self._moved(str(job.id), chosen, job.server), claim)
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

    async def _look_after(self, server: Server, claim: Claim) -> None:
        """See what has become of a job where it is, if we reach that or somebody else may.

        It may run well, and its own worker may be about to come back.
        """
        url = server.url
        if url in self.servers:
            await self._run_on(server, claim)
        elif await patiently(lambda: self._registry.is_gone(url)):
            await self._lose(server, claim, f"{url} is gone for good")
        elif await _answers(server):
            await self._run_on(server, claim)
        elif await self._is_left_to_others(server, claim):
            await self._leave_if_visited(server)
        else:
            await self._lose(server, claim, f"{url} was out of reach for {self._patience:g} seconds")

    async def _is_left_to_others(self, server: Server, claim: Claim) -> bool:
        pause = min(OUT_OF_REACH_PAUSE, self._patience / 10)
        return await self.leases.out_of_reach(claim.lease, server.url, patience=self._patience, pause=pause)

    async def _lose(self, server: Server, claim: Claim, why: str) -> None:
        await Outcome(claim, server, self.leases, self.keeper(claim)).lost(why)
        await self._leave_if_visited(server)

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
            if (known := self.servers.get(url) or self._visited.get(url)) is not None:
                return known
            sealed = await patiently(lambda: self._registry.address(url))
            address = url if sealed is None else str(self._sealer.open(sealed)["address"])
            server = await self._new_server(address).__aenter__()
            self._visited[url] = server
            return server

    async def _leave_if_visited(self, server: Server) -> None:
        if self._visited.get(server.url) is not server:
            return
        async with self._visiting:
            if self._visited.get(server.url) is server and not server.open:
                del self._visited[server.url]
                await server.__aexit__(None, None, None)

    async def close(self) -> None:
        """Leave the servers that are visited."""
        for server in self._visited.values():
            await server.__aexit__(None, None, None)

    # What a run needs

    def check_lease(self) -> None:
        """Raise Fenced unless we were heard of lately."""
        if not self._membership.is_fresh:
            raise Fenced

    def keeper(self, claim: Claim) -> Keeper:
        """Return what keeps the outputs of a job."""

        async def withhold(output: Mapping[str, Any], path: Path) -> str | None:
            return await self._hooks.on_result(job_facts(claim.job), output, path)

        return Keeper(self._assets, self.leases, withhold=withhold, folder=self.folder)

    async def staged(self, client: Client, prompt: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the prompt with its files on the server."""
        return await self._inputs.stage(client, prompt, self.folder)

    def extra_data(self, secret: bytes | None) -> dict[str, Any]:
        """Return what goes along with the prompt, decrypted."""
        return {} if secret is None else self._sealer.open(secret)


async def _answers(server: Server) -> bool:
    try:
        await server.client.system_stats()
    except ComfywireError:
        return False
    return True


def _broken(error: Exception) -> str:
    """Without its words: they are for the operator, and may hold what is not for others."""
    return f"the service could not follow the job ({type(error).__name__}): its operator finds why in the log"
