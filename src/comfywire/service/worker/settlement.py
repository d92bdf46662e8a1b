"""What becomes of a job: its outputs are kept and its end is written down, or it is given back to the queue.

Whatever is decided here names the attempt, and is refused when the job is another worker's by now (Fenced).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from comfywire.client import Job, Result
from comfywire.errors import (
    ComfywireError,
    ConnectionFailed,
    ConnectionLost,
    JobError,
    JobFailed,
    JobInterrupted,
    JobLost,
    OutputsGone,
    ReplyRefused,
    ServerError,
    UnexpectedReply,
)
from comfywire.service.database.outage import patiently
from comfywire.service.jobs.claims import Claim
from comfywire.service.jobs.records import NOT_MADE
from comfywire.service.jobs.states import JobState, TransitionKind
from comfywire.service.relay.speaker import entry_of
from comfywire.service.waiting import set_within
from comfywire.service.worker.fleet_server import FleetServer
from comfywire.service.worker.replies import bounded_error
from comfywire.service.worker.surroundings import Surroundings

__all__ = ["Settlement", "is_about_the_request"]

AVOIDED_FOR = 600.0
"""Seconds for which a job that ran out of memory goes to another server, while one could take it."""
TIMED_OUT = "timed_out"
"""The code of a job that ran for too long; in ``retry.errors``, it may run again."""


class _Refused(Exception):
    """The server is there, and does not give out an output."""


class Settlement:
    """Decides what becomes of one claim on one job.

    Args:
        claim: Of which job.
        server: Where it was to run.
        around: The worker, as runs see it.

    Attributes:
        keeper: What keeps its outputs.

    """

    def __init__(self, claim: Claim, server: FleetServer, around: Surroundings) -> None:
        self.keeper = around.keeper(claim)
        self._cancel_wanted = claim.job.state is JobState.CANCELING
        self._has_timed_out = False
        self._submissions = claim.job.submissions
        self._has_begun = claim.job.state is JobState.RUNNING
        self._entry: Mapping[str, Any] | None = None
        self._limits = [limit for limit in (claim.job.run_timeout, around.run_timeout) if limit]
        self._claim = claim
        self._server = server
        self._leases = around.leases
        self._relay = around.relay
        self._registry = around.registry
        self._grace = around.interrupt_grace
        self._pace = around.pace

    @property
    def cancel_wanted(self) -> bool:
        """Whether the job's owner wants it to end."""
        return self._cancel_wanted

    def want_cancel(self) -> None:
        """The job's owner wants it to end."""
        self._cancel_wanted = True

    def note_time_out(self) -> None:
        """The run was ended since it took as long as the job may."""
        self._has_timed_out = True

    def note_submission(self) -> None:
        """The prompt is about to be sent anew."""
        self._submissions += 1
        self._has_begun = False

    def note_begin(self) -> None:
        """The prompt was seen to begin; what has ended there since has begun, too."""
        self._has_begun = True

    async def come_out(self, handle: Job, *, seconds: float, outputs_reused: bool | None) -> None:
        """Write down how a prompt ended that the server has, and keep its outputs.

        Args:
            handle: The prompt.
            seconds: For how long it was followed.
            outputs_reused: Whether every output came from the server's cache.

        """
        if self._claim.is_native and handle.history is not None:
            self._entry = entry_of(self._claim, handle.history)
        try:
            await self._succeed(await handle.result(), outputs_reused=outputs_reused)
        except JobFailed as error:
            await self._failed(error, seconds)
        except JobInterrupted as error:
            await self._interrupted(error)
        except _Refused as error:
            await self.fail("outputs_unavailable", str(error))
        except (JobLost, OutputsGone) as error:
            await self.lost(str(error))
        except ReplyRefused as error:
            where = self._server.url
            await self.fail("outputs_unavailable", f"how it ended is not to be had from {where}: {error}")
        except ConnectionLost as error:
            if isinstance(error.__cause__, Exception) and not isinstance(error.__cause__, ComfywireError):
                raise  # the client broke down: the prompt may run on
            await self.lost(str(error))

    async def _succeed(self, result: Result, *, outputs_reused: bool | None) -> None:
        await self._keep(result)
        self._server.succeeded(self._claim.job.need)
        told = [f"{NOT_MADE}{words}" if words in result.missing else words for words in result.warnings]
        warnings = [*self._claim.job.warnings, *told, *self.keeper.withheld]
        await self._end(
            JobState.SUCCEEDED,
            "its outputs are kept",
            warnings=warnings,
            outputs_reused=outputs_reused,
        )

    async def _keep(self, result: Result) -> None:
        """Fetch the outputs of a job that ended well: they are on that server's disk, and are waited for."""
        now = asyncio.get_running_loop().time
        deadline = None
        while True:
            try:
                await self.keeper.keep(self._claim.lease, result.outputs, ends=True)
            except (ConnectionFailed, ConnectionLost, ServerError, UnexpectedReply) as error:
                deadline = now() + self._server.patience if deadline is None else deadline
                await self._must_wait(error, is_late=now() >= deadline)
                await self._until_seen()
            else:
                return

    async def _until_seen(self) -> None:
        """Wait a moment; of a server that is down, until it is up, if that is sooner."""
        if self._server.up.is_set():
            await asyncio.sleep(self._pace.fetch)
        else:
            await set_within(self._server.up, self._pace.fetch)

    async def _must_wait(self, error: ComfywireError, *, is_late: bool) -> None:
        """Raise unless it is worth to ask again: of a server that answers, nothing else is to be expected."""
        is_final = is_about_the_request(error)
        if not is_final:
            self._server.refused(self._claim.job.key_id, error)
        if is_final or (is_late and await self._is_there(error)):
            where = self._server.url
            raise _Refused(f"it ended well, but {where} does not give out its outputs: {error}") from error
        if is_late:
            raise ConnectionLost(f"its outputs could not be fetched: {error}") from error

    async def _is_there(self, error: ComfywireError) -> bool:
        """Whether the server answers, though not with what it was asked for: it may break off each time."""
        if isinstance(error, ConnectionLost):
            return await self._server.answers()
        return not isinstance(error, ConnectionFailed)

    async def _failed(self, error: JobFailed, seconds: float) -> None:
        job, kind = self._claim.job, error.exception_type or ""
        self._server.failed(job.key_id, job.need, seconds)
        if any(part in kind for part in job.retry.errors) and await self._may_repeat():
            with contextlib.suppress(ComfywireError):
                await self._server.client.free()
            if await self._repeated(f"{kind}: memory was freed for another try"):
                return
        await self._keep_what_there_is(error)
        await self.fail(
            "node_execution_error",
            f"{error.exception_type}: {error.exception_message}" if kind else str(error),
            node_id=error.node_id,
            class_type=error.class_type,
            exception_type=error.exception_type,
            traceback="".join(error.traceback) or None,
        )

    async def _repeated(self, words: str) -> bool:
        """Queue it again: for another server if one can run it, since this one may be too small for it."""
        url = self._server.url
        has_another = await patiently(lambda: self._registry.has_another(self._claim.job.need, url))
        return await self._leases.give_back(
            self._claim.lease,
            words,
            kind=TransitionKind.FREED,
            avoids=url if has_another else None,
            avoids_for=AVOIDED_FOR,
        )

    async def _may_repeat(self) -> bool:
        """Whether the job may have another try with freed memory: once, however often it was lost beside."""
        return not self._cancel_wanted and not await self._leases.times(
            self._claim.lease, TransitionKind.FREED
        )

    async def _interrupted(self, error: JobInterrupted) -> None:
        await self._keep_what_there_is(error)
        if self._cancel_wanted:
            await self.canceled("it was ended as asked")
        elif self._has_timed_out:
            await self._timed_out("")
        elif await self._was_over_before():
            await self._timed_out(", and was interrupted while no worker followed it")
        else:
            where = {"node_id": error.node_id, "class_type": error.class_type}
            await self.fail("interrupted", f"somebody interrupted it on {self._server.url}", **where)

    async def _was_over_before(self) -> bool:
        """Whether the job's time had passed when this worker took it over.

        The worker before it interrupts a job then, and may die before it has written that down.
        """
        if self._claim.job.state is not JobState.RUNNING or not self._limits:
            return False
        return await self._leases.running_for(self._claim.lease) >= min(self._limits)

    async def _timed_out(self, beside: str) -> None:
        """End a job that has used up its running time, unless its retry rules name this very error."""
        why = f"it ran for longer than it may{beside}"
        job = self._claim.job
        if TIMED_OUT in job.retry.errors and self._submissions < job.retry.max_attempts:
            if not await self._leases.give_back(self._claim.lease, why):
                await self.canceled(why)
        else:
            await self.fail(TIMED_OUT, why)

    async def not_let_go(self) -> None:
        """End a job whose ComfyUI was told to end the prompt and runs it still; that ComfyUI is stuck."""
        server, prompt_id = self._server, str(self._claim.job.id)
        reason = f"it did not let go of prompt {prompt_id} within {self._grace:g} seconds"
        server.got_stuck(reason, prompt_id)
        if self._cancel_wanted:
            await self.canceled(f"it was to be canceled, and {server.url} goes on with it")
        else:
            await self._timed_out(f", and {server.url} goes on with it")

    async def taken_back(self, why: str, avoids_for: float) -> None:
        """Queue a job again whose prompt was taken off its server before it began: that costs no attempt."""
        await self._leases.was_not_submitted(self._claim.lease)
        url = self._server.url if avoids_for else None
        if not await self._leases.give_back(self._claim.lease, why, avoids=url, avoids_for=avoids_for):
            await self.canceled("it was taken back before it began, to be canceled")

    async def _keep_what_there_is(self, error: JobError) -> None:
        """A job that ended badly keeps what it had finished, as far as that can be had."""
        with contextlib.suppress(ComfywireError, OSError):
            await self.keeper.keep(self._claim.lease, error.outputs, ends=True)

    async def lost(self, why: str) -> None:
        """Queue a job again whose prompt was lost: an attempt is spent if the prompt may have begun."""
        if self._cancel_wanted:
            await self.canceled(f"it was to be canceled, and {self._server.url} lost it")
            return
        if self._has_timed_out:
            await self._timed_out(f", and {self._server.url} lost it")
            return
        # Asked in any case, since the answer spares what waited behind it.
        may_have_begun = self._server.state.may_have_begun(str(self._claim.job.id))
        if not (may_have_begun or self._has_begun):
            await self._leases.was_not_submitted(self._claim.lease)
            await self.again(f"{why}; it had not begun there, which costs no attempt")
            return
        retry = self._claim.job.retry
        if not retry.lost:
            await self.fail("lost", f"{why}; it is not repeated, as was asked")
        elif self._submissions >= retry.max_attempts:
            await self.fail("lost", f"{why}; that was attempt {self._submissions} of {retry.max_attempts}")
        elif not await self._leases.give_back(self._claim.lease, f"lost: {why}", kind=TransitionKind.LOST):
            await self.canceled(f"it was to be canceled, and {self._server.url} lost it")

    async def not_sent(self, error: ConnectionFailed) -> None:
        """Queue a job again that was not sent, since the server was not reached: that costs no attempt."""
        self._server.is_away(error)
        await self._leases.was_not_submitted(self._claim.lease)
        await self.again(f"{self._server.url} was not reached: {error}")

    async def refused(self, error: ServerError | UnexpectedReply) -> None:
        """Queue a job again to which the server answered an error of its own: another may do better."""
        self._server.refused(self._claim.job.key_id, error)
        if self._submissions >= self._claim.job.retry.max_attempts:
            await self.fail("server_error", f"{self._server.url}: {error}")
        else:
            await self.again(f"{self._server.url} refused it: {error}")

    async def again(self, reason: str) -> None:
        """Queue a job again that certainly no server has."""
        if not await self._leases.give_back(self._claim.lease, reason, after=self._pace.refusal):
            await self.canceled("it was canceled before it was submitted")

    async def canceled(self, reason: str) -> None:
        """End a job as canceled, which somebody has asked for."""
        await self._end(JobState.CANCELED, reason)

    async def fail(self, code: str, message: str, **details: Any) -> None:
        """End a job as failed."""
        error = bounded_error({"code": code, "message": message, **details})
        message = error["message"]
        await self._end(JobState.FAILED, message.split("\n", 1)[0], error=error)

    async def _end(self, state: JobState, reason: str, **details: Any) -> None:
        """Write the end down; before it all that those who listen are to find when they hear of it."""
        lease = self._claim.lease
        if self._claim.is_native:
            if self._entry is not None:
                await self._leases.native_entry(lease, self._entry)
            await self._relay.flush()
        await self._leases.end(lease, state, reason, output=self.keeper.take_last(), **details)


def is_about_the_request(error: ComfywireError) -> bool:
    """Whether the server works, and says no, or what we refuse to take: so it will the next time."""
    if isinstance(error, ReplyRefused):
        return True
    return isinstance(error, ServerError) and 400 <= error.status < 500 and error.status not in (408, 429)
