"""What a run needs of its worker, as one value that is handed to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comfywire.client import Client, Job
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.references import with_values
from comfywire.service.assets.store_check import StoreCheck
from comfywire.service.fleet.registry import Registry
from comfywire.service.hooks import Hooks, job_facts
from comfywire.service.jobs.claims import Claim, Fenced
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.output_folders import prefixed
from comfywire.service.relay.relay import Relay
from comfywire.service.relay.speaker import Speaker
from comfywire.service.sealing import Sealer
from comfywire.service.worker.inputs import Inputs
from comfywire.service.worker.membership import Membership
from comfywire.service.worker.outputs import Keeper
from comfywire.service.worker.pace import Pace

__all__ = ["Surroundings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """One worker, as its runs see it.

    Attributes:
        leases: Its claims on jobs.
        membership: Its place among the workers.
        assets: Inputs and outputs.
        store_check: Whether outputs can be kept.
        inputs: Brings the files of jobs to their ComfyUIs.
        sealer: For secrets and addresses.
        hooks: The operator's policy: asked about each output before it is kept.
        registry: The fleet, as the database knows it.
        folder: For files on their way.
        relay: Takes what ComfyUIs say to those who listen.
        pace: How long to wait between one thing and the next.
        run_timeout: Seconds for which any prompt may run; None does not limit.
        interrupt_grace: Seconds that a ComfyUI has for letting go of a prompt that is to end.

    """

    leases: Leases
    membership: Membership
    assets: Assets
    store_check: StoreCheck
    inputs: Inputs
    sealer: Sealer
    hooks: Hooks
    registry: Registry
    folder: Path
    relay: Relay
    pace: Pace
    run_timeout: float | None = None
    interrupt_grace: float = 30.0

    def check_lease(self) -> None:
        """Raise Fenced unless this worker was certainly alive a moment ago."""
        if not self.membership.is_fresh:
            raise Fenced

    def keeper(self, claim: Claim) -> Keeper:
        """Return what keeps the outputs of a job."""

        async def withhold(output: Mapping[str, Any], path: Path) -> str | None:
            return await self.hooks.on_result(job_facts(claim.job), output, path)

        return Keeper(self.assets, self.store_check, self.leases, withhold=withhold, folder=self.folder)

    @contextlib.contextmanager
    def passing_on(self, claim: Claim, handle: Job) -> Iterator[None]:
        """Tell who listens what the ComfyUI says of a prompt, inside this context."""
        if not claim.client_id:
            yield
            return
        speaker = Speaker(claim, claim.client_id, handle.prompt_id, self.relay)
        with self.relay.speaking(speaker), handle.told_to(speaker.hear):
            try:
                yield
            finally:
                speaker.let_go()

    async def runnable(self, client: Client, claim: Claim) -> Mapping[str, Any]:
        """Return the prompt as it runs, with its files on the server."""
        prompt = prefixed(with_values(claim.prompt, claim.files), claim.output_folder)
        return await self.inputs.bring(client, prompt, self.folder)

    def extra_data(self, claim: Claim) -> dict[str, Any]:
        """Return what goes along with the prompt, decrypted."""
        secret = {} if claim.secret is None else self.sealer.open(claim.secret)
        return {**(claim.extra_data or {}), **secret}
