"""What a worker does to one prompt on its ComfyUI: end it before its time, or take it back while it waits."""

from __future__ import annotations

import asyncio
import logging
from enum import Enum

from comfywire.client import Job
from comfywire.errors import ComfywireError
from comfywire.service.waiting import set_within
from comfywire.service.worker.fleet_server import FleetServer
from comfywire.service.worker.pace import Pace

__all__ = ["Control", "Ended"]

AGAIN = 1.0
"""Seconds until a ComfyUI that could not be asked to end a prompt is asked again."""
log = logging.getLogger("comfywire.service")


class Ended(Enum):
    """Why a worker ends a prompt."""

    CANCELED = "somebody wanted its job to end"
    TIMED_OUT = "it ran for as long as it may"
    TAKEN_BACK = "another server is to run it"


class Control:
    """Ends one prompt. Its end is heard as any other; a ComfyUI that does not let go of it is told apart.

    Args:
        handle: The prompt.
        server: Where it is.
        pace: How long to wait between one thing and the next.
        grace: Seconds that the ComfyUI has for letting go of it.

    Attributes:
        why: Why it is ended, if it is.
        begun: Set when it has begun.
        held: Done when the ComfyUI did not let go of it.

    """

    def __init__(self, handle: Job, server: FleetServer, pace: Pace, *, grace: float) -> None:
        self.why: Ended | None = None
        self.begun = asyncio.Event()
        self.held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handle = handle
        self._server = server
        self._pace = pace
        self._grace = grace
        self._ending: asyncio.Task[None] | None = None
        self._taking: asyncio.Task[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits on the ComfyUI, and nothing has been done about it."""
        has_begun = self.begun.is_set() or self._handle.progress.phase != "pending"
        return not has_begun and self.why is None and self._taking is None

    def end(self, why: Ended) -> None:
        """End it, running or not. The first reason stays."""
        if self._ending is None:
            self.why = why
            self._ending = asyncio.create_task(self._end(), name="comfywire cancel")

    async def _end(self) -> None:
        now = asyncio.get_running_loop().time
        deadline = now() + self._grace
        while not self._handle.is_done:
            try:
                await self._handle.cancel(timeout=max(deadline - now(), AGAIN))
            except TimeoutError:
                pass  # it was asked again and again meanwhile
            except Exception as error:  # noqa: BLE001 - whatever it is, the prompt has to end
                log.info("prompt %s could not be canceled yet: %s", self._handle.prompt_id, error)
                await asyncio.sleep(AGAIN)
            if now() >= deadline and not self._handle.is_done and await self._is_there():
                self._hold()
                return

    def _hold(self) -> None:
        if not self.held.done():
            self.held.set_result(None)

    async def _is_there(self) -> bool:
        """Whether the ComfyUI answers, and has it still: one that is away may come back without it."""
        try:
            return self._handle.prompt_id in await self._server.client.queue(graphs=False)
        except ComfywireError:
            return False

    def take_back(self, *, or_leave: bool = False) -> None:
        """Take it off the ComfyUI if it has not begun; :attr:`why` says whether that was so.

        Args:
            or_leave: Whether to leave it there if it cannot be taken off, though it may run after all:
                :attr:`held` is done then.

        """
        if self.waits:
            self._taking = asyncio.create_task(self._take_back(or_leave=or_leave), name="comfywire take back")

    async def _take_back(self, *, or_leave: bool) -> None:
        client, prompt_id = self._server.client, self._handle.prompt_id
        try:
            if prompt_id not in (await client.queue(graphs=False)).pending:
                return
            await client.delete(prompt_id)  # of a prompt that has just begun, this does nothing
            # In this order: a prompt may go from the queue into the history, and not back.
            queue = await client.queue(graphs=False)
            is_left = or_leave and prompt_id in queue.pending
            if not is_left and (prompt_id in queue or await client.history(prompt_id)):
                return
        except ComfywireError as error:
            log.info("prompt %s could not be taken back: %s", prompt_id, error)
            return
        if self.why is None:
            self.why = Ended.TAKEN_BACK
            if is_left:
                self._hold()

    async def settled(self) -> None:
        """Wait until it is known whether it was taken back: its loss may be noticed before that."""
        if self._taking is not None:
            await asyncio.wait([self._taking])

    async def limit(self, seconds: float, *, ran_for: float) -> None:
        """End it when it has run for so long; part of that time may have passed already.

        While it waits, it is watched whether the ComfyUI begins anything: HTTP goes on answering when the
        thread that runs prompts has died (main.py, prompt_worker, 0.3.64).
        """
        while not await set_within(self.begun, self._pace.look):
            now = asyncio.get_running_loop().time()
            if self._server.state.stands_for(now) >= seconds:
                self._server.got_stuck(f"it has prompts, and began none of them for {seconds:g} seconds")
        await asyncio.sleep(max(seconds - ran_for, 0.0))
        self.end(Ended.TIMED_OUT)

    def release(self) -> None:
        """Do nothing more to it."""
        for task in (self._ending, self._taking):
            if task is not None:
                task.cancel()
