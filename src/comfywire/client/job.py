"""A handle on one prompt: its result, its events, its progress, its end before time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comfywire.errors import ComfywireError, JobTimedOut
from comfywire.protocol.messages import ExecutionError, ExecutionSuccess
from comfywire.protocol.session import Event
from comfywire.protocol.tracked import Tracked
from comfywire.transport.news import News

from .cancelling import Canceller
from .channel import Channel
from .downloads import Downloads
from .outcome import outcome
from .results.collecting import collect_outputs
from .results.notebook import bring, is_notebook
from .results.notebook_bar import showing
from .results.outputs import Output
from .results.result import Outputs, Result
from .watch import Listener, Watch

__all__ = ["Job", "JobProgress"]

CANCEL_PATIENCE = 5.0
"""Seconds for which a timed-out job waits until the server has let go of its prompt."""


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is.

    Attributes:
        prompt_id: Which prompt.
        phase: ``pending``, ``running`` or ``done``.
        fraction: Done share of the nodes that must run, 0 to 1; it never falls, and is 1 only when the job
            has ended well.
        nodes_done: Nodes that are done, cached ones among them.
        nodes_total: Nodes that must run.
        node_id: The node that was last heard to begin, or None.
        class_type: Its type.
        title: Its title in the editor, or its type.
        value: Steps that it has done, None where it does not say.
        max: Its steps in all.
        position: Prompts ahead of it in the server's queue, as far as is known.

    """

    prompt_id: str
    phase: str
    fraction: float
    nodes_done: int
    nodes_total: int
    node_id: str | None = None
    class_type: str | None = None
    title: str | None = None
    value: float | None = None
    max: float | None = None
    position: int | None = None


class Job:
    """A prompt that was submitted, or attached to. Get one from :class:`~comfywire.Client`."""

    def __init__(
        self,
        watch: Watch,
        *,
        url: str,
        downloads: Downloads,
        canceller: Canceller,
        news: News,
        node_errors: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        self._watch = watch
        self._url = url
        self._downloads = downloads
        self._canceller = canceller
        self._news = news
        self.node_errors = dict(node_errors or {})
        """What the server's validator dropped from an otherwise accepted prompt, by node_id."""
        self.inputs = dict(inputs or {})
        """What was set to what before it was submitted, seeds drawn; empty for one that was attached to."""
        self._warnings = tuple(warnings)

    def __repr__(self) -> str:
        return f"<Job {self.prompt_id} {self.progress.phase}>"

    @property
    def prompt_id(self) -> str:
        """The prompt's id, on the server and everywhere else."""
        return self._tracked.prompt_id

    @property
    def prompt(self) -> dict[str, Any]:
        """The graph that the server was sent; of one that was attached to, what the server says of it."""
        return dict(self._tracked.graph)

    @property
    def is_done(self) -> bool:
        """Whether the job has ended, well or not; :meth:`result` answers at once then."""
        return self._watch.over.is_set()

    @property
    def progress(self) -> JobProgress:
        """How far the job is now."""
        tracked = self._tracked
        node = tracked.graph.get(tracked.state.node or "")
        node = node if isinstance(node, dict) else {}
        steps = tracked.tally.steps_of(tracked.state.node) or (None, None)
        return JobProgress(
            prompt_id=tracked.prompt_id,
            phase=tracked.state.phase.value,
            fraction=tracked.tally.fraction,
            nodes_done=tracked.tally.nodes_done,
            nodes_total=len(tracked.tally.required),
            node_id=tracked.state.node,
            class_type=node.get("class_type"),
            title=(node.get("_meta") or {}).get("title") or node.get("class_type"),
            value=steps[0],
            max=steps[1],
            position=tracked.position,
        )

    @property
    def outputs(self) -> Outputs[Output]:
        """The outputs that are known so far; all of them once the job is done."""
        return collect_outputs(self._tracked, self._downloads)

    @property
    def history(self) -> dict[str, Any] | None:
        """``outputs``, ``status`` and ``meta`` of the server's history entry, as it wrote them, or None.

        They are known once the job is done.
        """
        entry = self._tracked.state.entry
        if entry is None:
            return None
        return {"outputs": dict(entry.outputs), "status": entry.status, "meta": dict(entry.meta)}

    async def result(
        self,
        timeout: float | None = None,
        *,
        cancel_on_timeout: bool = True,
        on_progress: Callable[[JobProgress], None] | None = None,
    ) -> Result:
        """Wait until the job has ended, and return what it produced.

        The end is a history entry, whatever was heard or missed on the way. Any number of callers may wait.
        Cancelling this call leaves the prompt alone. In a notebook a bar shows the progress meanwhile, unless
        ``on_progress`` is given, and the first pictures are fetched, so that the result shows them.

        Args:
            timeout: Seconds to wait; None waits for as long as the server has the prompt.
            cancel_on_timeout: Whether a time-out cancels the prompt on the server.
            on_progress: Called with each change, and with the end, never twice with the same; what it raises
                ends this call.

        Raises:
            JobFailed: A node raised.
            JobInterrupted: Somebody interrupted the prompt, or it was cancelled.
            JobLost: The server no longer knows the prompt.
            OutputsGone: It ended well, but the server has forgotten the results.
            JobTimedOut: It did not end in time.
            ConnectionLost: The server has been unreachable for the client's ``unreachable_timeout``.

        """
        self._news.must_be_in_its_loop()
        try:
            async with asyncio.timeout(timeout) as limit:
                with showing(on_progress, self._news) as told:
                    await self._until_over(told)
        except TimeoutError:
            if not limit.expired():  # on_progress raised it
                raise
            if cancel_on_timeout:
                await self.withdraw()
            if not self._has_ended_by_itself():
                raise self._timed_out(timeout) from None
        if self._watch.failure is not None:
            raise self._watch.failure
        result = outcome(
            self._watch,
            self.node_errors,
            url=self._url,
            downloads=self._downloads,
            inputs=self.inputs,
            warnings=self._warnings,
        )
        if is_notebook():
            await bring(result.outputs)
        return result

    def _has_ended_by_itself(self) -> bool:
        return self.is_done and isinstance(self._tracked.state.verdict, ExecutionSuccess | ExecutionError)

    def _timed_out(self, timeout: float | None) -> JobTimedOut:
        fate = " and was cancelled" if self.is_done else "; it is still on the server"
        return JobTimedOut(
            f"prompt {self.prompt_id} did not end within {timeout:g} seconds{fate}",
            prompt_id=self.prompt_id,
            outputs=self.outputs,
        )

    async def _until_over(self, on_progress: Callable[[JobProgress], None] | None) -> None:
        if on_progress is None:
            await self._watch.over.wait()
            return
        on_progress(told := self.progress)
        async for _ in self.events():
            if (now := self.progress) != told:
                on_progress(told := now)
        await self._watch.over.wait()
        if (now := self.progress) != told:
            on_progress(now)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the messages of this prompt in the server's order; end when it has ended.

        What happened once (nodes that began, outputs, the verdict) is told from the beginning, late readers
        included; progress and previews from now on. A slow reader holds up nobody: previews that it does not
        fetch in time are dropped first, then superseded progress. Messages are news, not the result: some
        may be lost with a connection. :meth:`result` is not.
        """
        channel = Channel()
        for event, _ in self._watch.past:
            channel.put(event)
        if self.is_done:
            channel.close()
        self._watch.channels.append(channel)
        try:
            async for event in channel:
                yield event
        finally:
            self._watch.channels.remove(channel)

    @contextlib.contextmanager
    def told_to(self, listener: Listener) -> Iterator[None]:
        """Call ``listener`` with each message of this prompt, and with the frame that it came in.

        In the server's order, at once, inside the context; first with what happened once before it began, and
        with how the nodes stand. For programs that pass messages on: nothing is dropped for one that is slow,
        so it must not wait.
        """
        for event, frame in (*self._watch.past, *self._watch.standing):
            listener(event, frame)
        self._watch.listeners.append(listener)
        try:
            yield
        finally:
            self._watch.listeners.remove(listener)

    async def cancel(self, timeout: float | None = None) -> bool:
        """End this prompt and no other, pending or running; return whether that ended it.

        False means that it ended by itself. Verified by reading, never assumed: this waits until the
        server has let go of the prompt, which a running node may delay. Cancelling this call leaves the
        request with the server.

        Raises:
            TimeoutError: The server has not let go of it within ``timeout`` seconds.
            ConnectionFailed, ConnectionLost, ServerError: The server could not be asked.

        """
        async with asyncio.timeout(timeout):
            await self._canceller.cancel(self._watch)
        if self._watch.failure is not None:
            raise self._watch.failure
        return not self._has_ended_by_itself()

    async def withdraw(self) -> None:
        """Cancel the prompt as far as that is possible within a few seconds; raises nothing."""
        with contextlib.suppress(ComfywireError, TimeoutError):
            await self.cancel(timeout=CANCEL_PATIENCE)

    @property
    def _tracked(self) -> Tracked:
        return self._watch.tracked
