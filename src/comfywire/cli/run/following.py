"""One run from the file to the saved results; whatever happens becomes an :class:`~.ending.Ending`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from comfywire.cli.failures import Stopped, one_line, outcome_of
from comfywire.cli.naming import NodeNames
from comfywire.cli.run.ending import Ending, Saved
from comfywire.cli.run.reports import Report
from comfywire.client import Client, Job, Output, Result
from comfywire.client.events import QueueSnapshot
from comfywire.client.preparing import Ready, Request, prepare
from comfywire.errors import ComfywireError, JobError, JobLost
from comfywire.workflow.validation.rejection import dropped

__all__ = ["Left", "RunOrder", "follow", "leave", "watch"]

FIRST_LOOK, LOOK_INTERVAL = 0.3, 2.0
"""Seconds before the queue is asked for our place: most prompts have begun by the first."""
CANCEL_PATIENCE = 30.0
"""Seconds that a node may take to notice that it was interrupted; loading a model can."""
PICTURES = ("image", "animation")


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What the user asked for."""

    request: Request
    out: Path | None = Path()
    timeout: float | None = None
    resubmit: int = 0
    is_first: bool = False
    """Whether it overtakes what is queued."""
    api_key: str | None = field(default=None, repr=False)
    """For paid nodes."""
    said: set[str] = field(default_factory=set)
    """What holds for good and was told already, in an earlier run of ``--repeat``."""

    @property
    def sending(self) -> dict[str, Any]:
        """What :meth:`Client.submit_ready` takes."""
        key = {} if self.api_key is None else {"api_key_comfy_org": self.api_key}
        return {"front": self.is_first, "extra_data": key}


@dataclass(frozen=True, slots=True)
class Left:
    """A prompt that was queued and left to the server."""

    prompt_id: str
    dropped: list[str]
    """What the server's validator dropped from it, one sentence each."""
    inputs: Mapping[str, Any]
    drawn: tuple[str, ...]
    """Which of the inputs are seeds that were drawn."""


async def follow(client: Client, order: RunOrder, report: Report) -> Ending:
    """Return how the run ended; raises only what is a bug of ours, or output that cannot be written."""
    async with client:
        run = _Run(client, order, report)
        with client.news.told_to(run.told):
            return await run.end()


async def leave(client: Client, order: RunOrder) -> Left:
    """Queue it; what may be wrong with the workflow, and what nobody will get, is said on stderr."""
    async with client:
        ready = await prepare(client, order.request)
        for doubt in (*ready.workflow.warnings, *ready.warnings, *_unheard(ready)):
            click.echo(one_line(f"comfywire: warning: {doubt}"), err=True)
        job = await client.submit_ready(ready, prompt_id=str(uuid4()), **order.sending)
        return Left(job.prompt_id, dropped(job.node_errors, job.prompt), ready.inputs, ready.drawn)


def _unheard(ready: Ready) -> list[str]:
    if not ready.over_socket:
        return []
    names = NodeNames(ready.workflow.prompt)
    nodes = ", ".join(f"node {node_id} ({names.class_type(node_id)})" for node_id in ready.over_socket)
    return [f"pictures sent over the socket are lost with --detach: {nodes}; run it without"]


async def watch(client: Client, prompt_id: str, order: RunOrder, report: Report) -> Ending:
    """Return how a prompt that somebody submitted ends; whatever happens here leaves it alone."""
    async with client:
        watched = _Watched(client, order, report, prompt_id)
        with client.news.told_to(watched.told):
            return await watched.end()


class _Run:
    """One prompt, and what is told of it."""

    def __init__(self, client: Client, order: RunOrder, report: Report) -> None:
        self._client = client
        self._order = order
        self._report = report
        self._prompt_id = str(uuid4())
        self._job: Job | None = None
        self._began = time.monotonic()
        self._is_leaving = False
        """Whether the user pressed Ctrl-C twice: nothing more is waited for."""

    def told(self, sentence: str, answers: bool | None) -> None:  # noqa: FBT001 - a listener's signature
        """The server has fallen silent, or answers again; say what is waited for."""
        if answers is None:
            if sentence not in self._order.said:
                self._order.said.add(sentence)
                self._report.note(sentence)
            return
        waited_for = "it" if self._job is None else f"prompt {self._job.prompt_id}"
        self._report.server(sentence if answers else f"{sentence}; waiting for {waited_for}", answers=answers)

    async def end(self) -> Ending:
        """Run it, and save what came out, however it ended."""
        ending = Ending()
        try:
            ready = await prepare(self._client, self._order.request)
            ending.doubts += [*ready.workflow.warnings, *ready.warnings]
            for doubt in ending.doubts:  # before it runs: it may not be what was meant
                click.echo(one_line(f"comfywire: warning: {doubt}"), err=True)
            ending.inputs, ending.drawn = ready.inputs, ready.drawn
            result = await self._result(ready)
            _came_out(result, ending)
        except JobError as error:
            ending.error, ending.outputs = error, error.outputs
        except ComfywireError as error:
            ending.error = error
        except asyncio.CancelledError:
            ending.error, ending.outputs = await self._stop(), self._job.outputs if self._job else []
        await self._conclude(ending)
        return ending

    async def _conclude(self, ending: Ending) -> None:
        ending.seconds = time.monotonic() - self._began
        if self._job is not None:
            ending.prompt_id = self._job.prompt_id
        try:
            await self._save(ending)
        except asyncio.CancelledError:
            again = f"`comfywire download {ending.prompt_id}` fetches them"
            ending.error = Stopped(f"interrupted while the results were being saved; {again}")
        if ending.error is not None:
            ending.status = outcome_of(ending.error)
        elif ending.unsaved:
            ending.status = "failed"

    async def _result(self, ready: Ready) -> Result:
        names = NodeNames(ready.workflow.prompt)
        for left in range(self._order.resubmit, -1, -1):
            self._began = time.monotonic()
            self._job = job = await self._client.submit_ready(
                ready, prompt_id=self._prompt_id, **self._order.sending
            )
            self._report.submitted(job, names)
            outcome = await self._until_over(job)
            if isinstance(outcome, Result):
                return outcome
            if not left or not isinstance(outcome, JobLost):
                raise outcome
            self._report.note(f"the server lost prompt {job.prompt_id}: submitting it again")
            await ready.renew()
        raise AssertionError("the last round returns or raises")

    async def _until_over(self, job: Job) -> Result | ComfywireError:
        """Tell what happens until the job is over; an output that cannot be written withdraws the prompt."""
        try:
            async with asyncio.TaskGroup() as group:
                telling = group.create_task(self._tell(job), name="comfywire run: events")
                looking = group.create_task(self._look(job), name="comfywire run: queue")
                outcome = await self._outcome(job)
                looking.cancel()
                if not job.is_done:
                    telling.cancel()
        except* OSError as group_error:
            await job.withdraw()
            raise group_error.exceptions[0] from None
        return outcome

    async def _outcome(self, job: Job) -> Result | ComfywireError:
        try:
            return await job.result(self._order.timeout)
        except ComfywireError as error:
            return error

    async def _tell(self, job: Job) -> None:
        async for event in job.events():
            self._report.heard(event)

    async def _look(self, job: Job) -> None:
        """Tell the place in the queue, as long as there is one."""
        told: int | None = None
        await asyncio.sleep(FIRST_LOOK)
        while job.progress.phase == "pending":
            with contextlib.suppress(ComfywireError):
                position = _position(await self._client.queue(), job.prompt_id)
                if position is not None and position != told:
                    self._report.waiting(position)
                    told = position
            await asyncio.sleep(LOOK_INTERVAL)

    async def _stop(self) -> Stopped:
        """The user pressed Ctrl-C: take our prompt back, and say what became of it."""
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()  # what follows has time limits of its own, which count cancellations
        if self._job is None:
            return Stopped("interrupted; no prompt was left on the server")
        prompt_id = self._job.prompt_id
        self._report.note(f"cancelling prompt {prompt_id}; Ctrl-C again leaves it to the server")
        try:
            was_ended = await self._job.cancel(CANCEL_PATIENCE)
        except TimeoutError:
            again = f"`comfywire cancel {prompt_id}` tries again"
            return Stopped(f"interrupted: prompt {prompt_id} was told to stop and still runs; {again}")
        except ComfywireError as error:
            return Stopped(f"interrupted: prompt {prompt_id} may still be there, because {error}")
        except asyncio.CancelledError:
            task.uncancel()
            self._is_leaving = True
            again = f"`comfywire cancel {prompt_id}` makes sure"
            return Stopped(f"interrupted: prompt {prompt_id} was left to the server; {again}")
        fate = "was cancelled" if was_ended else "had ended by itself before it could be cancelled"
        return Stopped(f"interrupted: prompt {prompt_id} {fate}")

    async def _save(self, ending: Ending) -> None:
        for output in [] if self._is_leaving else ending.outputs:
            try:
                await self._save_one(output, ending)
            except (ComfywireError, OSError) as error:
                ending.unsaved.append(error)

    async def _save_one(self, output: Output, ending: Ending) -> None:
        if output.kind == "text" and output.filename is None:
            self._report.text(output)
        if self._order.out is not None and output.has_bytes:
            saved = Saved(output, await output.save_in(self._order.out))
            ending.saved.append(saved)
            self._report.saved(saved)
        if self._report.draws and output.kind in PICTURES:
            self._report.draw(await output.read())


class _Watched(_Run):
    """A prompt of somebody else, or of an earlier command."""

    def __init__(self, client: Client, order: RunOrder, report: Report, prompt_id: str) -> None:
        super().__init__(client, order, report)
        self._prompt_id = prompt_id

    async def end(self) -> Ending:
        """Follow it to its end, and save what came out if that was asked for."""
        ending = Ending()
        try:
            self._job = job = self._client.attach(self._prompt_id)
            self._report.submitted(job, NodeNames(job.prompt))
            outcome = await self._until_over(job)
            if not isinstance(outcome, Result):
                raise outcome
            _came_out(outcome, ending)
        except JobError as error:
            ending.error, ending.outputs = error, error.outputs
        except ComfywireError as error:
            ending.error = error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            ending.error = Stopped(f"no longer watching prompt {self._prompt_id}, which was left alone")
        await self._conclude(ending)
        return ending


def _came_out(result: Result, ending: Ending) -> None:
    """Take in how it ended well; raises if something was asked for and did not come."""
    ending.outputs, ending.prompt_id = result.outputs, result.prompt_id
    told = {*result.missing, *ending.doubts}
    ending.warnings += [words for words in result.warnings if words not in told]
    result.must_be_whole()


def _position(queue: QueueSnapshot, prompt_id: str) -> int | None:
    if prompt_id not in queue.pending:
        return None
    return len(queue.running) + queue.pending.index(prompt_id)
