"""Writes down what happens to a running job, for its feeds to show: its start, progress, and previews."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any

from comfywire.client import Job, JobProgress
from comfywire.client.events import Executed, Executing, ExecutionCached, ExecutionStart, PreviewImage
from comfywire.errors import ComfywireError
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.records import Lease
from comfywire.service.waiting import set_within
from comfywire.service.worker.outputs import Keeper

__all__ = ["ProgressWriter", "snapshot_of"]


def snapshot_of(progress: JobProgress) -> dict[str, Any]:
    """Return progress in the words of the Comfy API v2; a reader of one snapshot needs none before it."""
    what = progress.title or progress.class_type
    value, most = _finite(progress.value), _finite(progress.max)
    steps = f" {value:g}/{most:g}" if value is not None and most else ""
    return {
        "value": progress.fraction,
        "nodes_done": progress.nodes_done,
        "nodes_total": progress.nodes_total,
        "current_node": progress.node_id,
        "current_node_class": progress.class_type,
        "step": None if value is None else int(value),
        "steps": None if most is None else int(most),
        "message": f"{what}{steps}" if what else None,
    }


def _finite(number: float | None) -> float | None:
    """Return a number that JSON can hold, or None: a node of a node pack may report inf or nan."""
    return number if number is not None and math.isfinite(number) else None


class ProgressWriter:
    """Writes down what the client hears of one prompt, until the prompt has ended.

    One task hears the client's events; another writes progress, previews and early outputs to the database
    at each tick, only the newest of each: a prompt that reports every millisecond costs two writes a second.

    Args:
        handle: The prompt, as the client follows it.
        lease: The worker's claim on the prompt's job.
        leases: Writes to the database, for as long as the worker has the lease.
        keeper: Keeps the job's outputs.
        on_began: Called once, when the prompt has begun.
        tick: Seconds between snapshots of the progress, and between looks for outputs to fetch early.

    """

    def __init__(
        self,
        handle: Job,
        lease: Lease,
        leases: Leases,
        keeper: Keeper,
        *,
        tick: float = 0.5,
        on_began: Callable[[], None] = lambda: None,
    ) -> None:
        self._handle = handle
        self._lease = lease
        self._leases = leases
        self._keeper = keeper
        self._pause = tick
        self._on_began = on_began
        self._has_begun = False
        self._told: JobProgress | None = None
        self._preview: PreviewImage | None = None
        self._cached: set[str] = set()
        self._ran: set[str] = set()
        self._has_new_outputs = False
        self._ended = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None

    @property
    def outputs_reused(self) -> bool | None:
        """Whether every output came from the server's cache; None when no message of the run was heard."""
        if not self._cached and not self._ran:
            return None
        return not self._ran

    async def run(self) -> None:
        """Hear and write, until the prompt has ended.

        When either task fails, the failure ends this at once: a fenced worker must not follow the prompt on.

        Raises:
            Fenced: Another worker has the job now.

        """
        self._ticking = asyncio.create_task(self._tick(), name="comfywire ticks")
        hearing = asyncio.create_task(self._hear(), name="comfywire hear")
        try:
            await asyncio.wait([self._ticking, hearing], return_when=asyncio.FIRST_COMPLETED)
            for task in (self._ticking, hearing):
                if task.done():
                    task.result()
            await hearing
        finally:
            hearing.cancel()

    def abandon(self) -> None:
        """Break off an early fetch, or a write that waits for the database; the next worker fetches again."""
        if self._ticking is not None:
            self._ticking.cancel()

    async def stop(self) -> None:
        """Stop writing, and wait until an early fetch that is under way has come to its end."""
        self._ended.set()
        if self._ticking is not None:
            await asyncio.wait([self._ticking])

    async def _hear(self) -> None:
        async for event in self._handle.events():
            match event:
                case ExecutionStart():
                    await self._begin()
                case ExecutionCached():
                    self._cached.update(event.nodes)
                case Executing(node=str(node)):
                    self._ran.add(node)
                case PreviewImage():
                    self._preview = event
                case Executed():
                    self._has_new_outputs = True

    async def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._on_began()
            await self._leases.began(self._lease)

    async def _tick(self) -> None:
        while not self._ended.is_set():
            await set_within(self._ended, self._pause)
            if not self._ended.is_set():
                await self._tell()

    async def _tell(self) -> None:
        progress = self._handle.progress
        if progress.phase == "running":
            await (
                self._begin()
            )  # messages of a prompt go to the client_id that submitted it: an adopted one has none
        if progress != self._told and self._has_begun:
            self._told = progress
            await self._leases.progress(self._lease, snapshot_of(progress))
        if self._preview is not None:
            preview, self._preview = self._preview, None
            await self._leases.preview(self._lease, preview.node_id or "", preview.media_type, preview.image)
        if self._has_new_outputs:
            self._has_new_outputs = False
            files = [output for output in self._handle.outputs if output.filename is not None]
            # An error is no news: what was not kept early is fetched again when the prompt has ended. That
            # fetch waits for a store that is away, while the ComfyUI already runs the next job; waiting here
            # would hold up the progress of this one.
            with contextlib.suppress(ComfywireError):
                await self._keeper.keep(self._lease, files, waits=False)
