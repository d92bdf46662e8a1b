"""One job on one ComfyUI: submitted or adopted, followed, its outputs kept, its end written down.

Whatever happens on the way, the rule is the same: what the server has decides. A prompt that was sent, or may
have been, is looked for on that server before anything else is done with the job.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from comfywire.client import Job
from comfywire.errors import (
    ConnectionFailed,
    ConnectionLost,
    JobFailed,
    JobInterrupted,
    JobLost,
    OutputsGone,
    ReplyRefused,
    ServerError,
    UnexpectedReply,
    WorkflowError,
    WorkflowRejected,
)
from comfywire.service.jobs.claims import Claim, Fenced
from comfywire.service.jobs.states import JobState
from comfywire.service.worker.control import Control, Ended
from comfywire.service.worker.fleet_server import FleetServer
from comfywire.service.worker.inputs import InputGone
from comfywire.service.worker.progress import ProgressWriter
from comfywire.service.worker.server_state import Condition
from comfywire.service.worker.settlement import Settlement, is_about_the_request
from comfywire.service.worker.surroundings import Surroundings
from comfywire.workflow import Workflow

__all__ = ["JobRun"]

log = logging.getLogger("comfywire.service")


class _Held(Exception):
    """The server was told to end a prompt, or to give it back, and has it still."""


class JobRun:
    """One claim on one job.

    Args:
        claim: What is to be run.
        server: Where; for a prompt that may be on a server already, that one.
        around: The worker, as runs see it.
        on_ended: Called when the prompt is not on the server any more, before its outputs are fetched.

    """

    def __init__(
        self, claim: Claim, server: FleetServer, around: Surroundings, on_ended: Callable[[], None]
    ) -> None:
        self.claim = claim
        self.server = server
        self._around = around
        self._leases = around.leases
        self._pace = around.pace
        self._on_ended = on_ended
        self._settlement = Settlement(claim, server, around)
        self._control: Control | None = None
        self._taken_back = ("", 0.0)
        self._followed_from = 0.0
        self._is_doubtful = False

    async def run(self) -> None:
        """See the job to its end, or give it back. Cancelling leaves the prompt where it is, handed back.

        A job that is another worker's by now is left alone. What else is raised is a bug, or this machine's
        trouble: the caller has to put the job off.
        """
        try:
            await self._run()
        except Fenced:
            log.info("job %s is another worker's", self.claim.job.id)
        except asyncio.CancelledError:
            with contextlib.suppress(Fenced, TimeoutError):
                async with asyncio.timeout(self._pace.hand_back):
                    await self._leases.hand_back(self.claim.lease, "its worker stops")
            raise
        finally:
            if self._control is not None:
                self._control.release()

    def doubt(self) -> None:
        """Somebody wanted the job to end, at about the time when it was taken: ask before it is sent."""
        self._is_doubtful = True

    def cancel(self) -> None:
        """Somebody wants the job to end."""
        self._settlement.want_cancel()
        if self._control is not None:
            self._control.end(Ended.CANCELED)

    @property
    def waits(self) -> bool:
        """Whether its prompt has waited on the server for a while, and could be taken back."""
        is_new = asyncio.get_running_loop().time() < self._followed_from + self._pace.look
        return self._control is not None and self._control.waits and not is_new

    def take_back(self, why: str, *, avoids_for: float = 0.0) -> None:
        """Let another server run it, if it has not begun; not this one, for so many seconds."""
        if self._control is not None:
            self._taken_back = (why, avoids_for)
            # One that is stuck may never do anything again: a prompt that stays in its queue costs at most
            # a second run, which the job must allow.
            is_stuck = self.server.state.condition is Condition.STUCK
            self._control.take_back(or_leave=is_stuck and self.claim.job.retry.lost)

    async def _run(self) -> None:
        if self._is_doubtful and await self._leases.state(self.claim.lease) is JobState.CANCELING:
            self.cancel()
        if self.claim.job.submitted_at is not None and not self.claim.is_announced:
            await self._adopt()
            return
        if self._settlement.cancel_wanted:
            await self._settlement.canceled("it was canceled before it was submitted")
            return
        handle = await self._submit()
        if handle is not None:
            await self._see_through(handle)

    # On the server

    async def _adopt(self) -> None:
        """Somebody submitted it, or was about to: what that server has of it is taken over."""
        for is_last_look in (False, True):
            handle = self.server.client.attach(str(self.claim.job.id), takes_over=True)
            if await self._see_through(handle, may_be_late=not is_last_look):
                return
            await asyncio.sleep(self._pace.late_arrival)

    async def _see_through(self, handle: Job, *, may_be_late: bool = False) -> bool:
        """Follow a prompt to its end, and write down what that is.

        Returns:
            False, with nothing written, if the server does not have it and ``may_be_late``.

        """
        try:
            outputs_reused = await self._follow(handle)
        except _Held:
            assert self._control is not None
            if self._control.why is Ended.TAKEN_BACK:
                self.server.got_stuck("it does not take prompts out of its queue", handle.prompt_id)
                await self._settlement.taken_back(*self._taken_back)
            else:
                await self._settlement.not_let_go()
        except JobLost as error:
            assert self._control is not None
            await self._control.settled()
            if self._control.why is Ended.TAKEN_BACK:
                await self._settlement.taken_back(*self._taken_back)
            elif may_be_late and self._control.why is None:
                return False
            else:
                await self._settlement.lost(str(error))
        else:
            seconds = asyncio.get_running_loop().time() - self._followed_from
            await self._settlement.come_out(handle, seconds=seconds, outputs_reused=outputs_reused)
        return True

    async def _submit(self) -> Job | None:
        """Send it; None when that decided what becomes of it."""
        claim = self.claim
        prompt = await self._runnable()
        if prompt is None:
            return None
        extra_data = self._around.extra_data(claim)
        if not claim.is_announced:
            if await self._leases.will_submit(claim.lease, self.server.url) is JobState.CANCELING:
                await self._settlement.canceled("it was canceled before it was submitted")
                return None
            self._settlement.note_submission()
        try:
            return await self._post(Workflow(dict(prompt), document=claim.document), extra_data)
        except WorkflowRejected as error:
            await self._settlement.fail("invalid_workflow", str(error), node_errors=error.node_errors)
        except WorkflowError as error:
            await self._settlement.fail("invalid_workflow", str(error))
        except ConnectionFailed as error:
            await self._settlement.not_sent(error)
        except Fenced:
            # Our heartbeat was late, so nothing was sent. If the job is still ours, it is for others now.
            await self._leases.was_not_submitted(claim.lease)
            await self._settlement.again("its worker was not heard of in time to send it")
        except (ServerError, UnexpectedReply) as error:
            await self._settlement.refused(error)
        except ConnectionLost as error:
            await self._settlement.lost(str(error))
        return None

    async def _runnable(self) -> Mapping[str, Any] | None:
        """Bring its files there; None when that decided what becomes of it. The prompt is nowhere yet."""
        try:
            return await self._around.runnable(self.server.client, self.claim)
        except InputGone as error:
            await self._settlement.fail("missing_asset", str(error))
        except ConnectionFailed as error:
            await self._settlement.not_sent(error)
        except Fenced:
            raise
        except (ConnectionLost, ServerError, UnexpectedReply) as error:
            if not is_about_the_request(error):
                self.server.refused(self.claim.job.key_id, error)
            why = f"{self.server.url} did not take its files: {error}"
            await self._leases.put_off(self.claim.lease, why, code="server_error")
        except Exception:  # each of fsspec's stores has its own
            if await self._around.store_check.failed():
                raise
            await self._settlement.again("the asset store did not give out its files")
        return None

    async def _post(self, workflow: Workflow, extra_data: Mapping[str, Any]) -> Job:
        submitting = asyncio.create_task(
            self.server.client.submit(
                workflow,
                prompt_id=str(self.claim.job.id),
                targets=self.claim.targets,
                extra_data=extra_data,
                before_post=self._around.check_lease,
            ),
            name="comfywire submit",
        )
        try:
            return await asyncio.shield(submitting)
        except asyncio.CancelledError:
            # The client withdraws what it was sending when it is cancelled; ours is to be handed over.
            await asyncio.wait([submitting], timeout=self._pace.submit)
            raise

    async def _follow(self, handle: Job) -> bool | None:
        """Wait for the end, telling what happens; return whether every output came from the server's cache.

        Raises:
            JobLost: The server does not have the prompt.
            _Held: The server has the prompt still, though it was told to end it.

        """
        with self._around.passing_on(self.claim, handle):
            return await self._followed(handle)

    async def _followed(self, handle: Job) -> bool | None:
        self._followed_from = asyncio.get_running_loop().time()
        control = Control(handle, self.server, self._pace, grace=self._around.interrupt_grace)
        self._control = control
        if self._settlement.cancel_wanted:
            control.end(Ended.CANCELED)
        keeper, tick = self._settlement.keeper, self._pace.tick
        teller = ProgressWriter(
            handle, self.claim.lease, self._leases, keeper, tick=tick, on_began=lambda: self._began(control)
        )
        telling = asyncio.create_task(teller.run(), name="comfywire tell")
        limits = [limit for limit in (self.claim.job.run_timeout, self._around.run_timeout) if limit]
        beside: list[asyncio.Future[None]] = [control.held]
        if limits:
            limiting = self._limit(control, min(limits))
            beside.append(asyncio.create_task(limiting, name="comfywire limit"))
        try:
            # It ends with the prompt, or as soon as the job is another worker's.
            await asyncio.wait([telling, control.held], return_when=asyncio.FIRST_COMPLETED)
            if not telling.done():
                teller.abandon()
                raise _Held
            telling.result()
        except asyncio.CancelledError:
            teller.abandon()
            raise
        finally:
            await teller.stop()
            for task in (telling, *beside):
                task.cancel()
            if control.why is Ended.TIMED_OUT:
                self._settlement.note_time_out()
        with contextlib.suppress(JobFailed, JobInterrupted, OutputsGone, ConnectionLost, ReplyRefused):
            await handle.result()
        self.server.state.ended(handle.prompt_id)
        self._on_ended()  # before the outputs are fetched: the server's next job need not wait for that
        return teller.outputs_reused

    def _began(self, control: Control) -> None:
        control.begun.set()
        self._settlement.note_begin()
        self.server.state.began(str(self.claim.job.id))

    async def _limit(self, control: Control, most: float) -> None:
        """End it when it has run for as long as it may, which it may have begun to do with another worker."""
        is_running = self.claim.job.state is JobState.RUNNING
        with contextlib.suppress(Fenced):  # then the telling ends, too
            ran_for = await self._leases.running_for(self.claim.lease) if is_running else 0.0
            await control.limit(most, ran_for=ran_for)
