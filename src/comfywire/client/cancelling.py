"""Ending one prompt and no other, and making sure of it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from urllib.parse import quote

from comfywire.errors import ServerError
from comfywire.transport.http import Http

from .follower import Follower
from .watch import Watch

__all__ = ["Canceller"]

AGAIN_AFTER = 1.0
"""Seconds after which a prompt that is still there is cancelled again: the server forgets an interrupt that
arrives in the moment in which the prompt starts (execution.py, execute_async, 0.3.64)."""
TARGETED_SINCE = (0, 3, 57)
"""From here on POST /interrupt heeds a prompt_id; before, it stops whatever runs."""


class Canceller:
    """Knows which of its ways to cancel a server understands."""

    def __init__(self, http: Http, follower: Follower) -> None:
        self._http = http
        self._follower = follower
        self._has_jobs_route = True
        self._is_targeted: bool | None = None

    async def cancel(self, watch: Watch) -> None:
        """Return when the server has let go of the prompt, one way or the other."""
        while not watch.over.is_set():
            await self._cancel_once(watch.tracked.prompt_id, watch)
            self._follower.look(watch.tracked.prompt_id)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_AFTER):
                    await watch.over.wait()

    async def _cancel_once(self, prompt_id: str, watch: Watch) -> None:
        queue = await self._follower.read_queue()
        if prompt_id not in queue:
            return
        watch.is_cancelled = True
        if self._has_jobs_route and await self._cancelled_by_route(prompt_id):
            return
        if prompt_id in queue.pending:
            await self._http.post_json("/queue", {"delete": [prompt_id]})
        else:
            await self._interrupt(prompt_id)

    async def _cancelled_by_route(self, prompt_id: str) -> bool:
        """0.26.0 and newer end a prompt in either state, atomically."""
        try:
            await self._http.post_json(f"/jobs/{quote(prompt_id, safe='')}/cancel", {})
        except ServerError as error:
            if error.status not in (404, 405):
                raise
            self._has_jobs_route = False
            return False
        return True

    async def _interrupt(self, prompt_id: str) -> None:
        if self._is_targeted is None:
            self._is_targeted = await self._understands_targets()
        if not self._is_targeted:
            # The body will be ignored: look again, as late as can be, whether it is ours that runs.
            queue = await self._follower.read_queue()
            if prompt_id not in queue.running:
                return
        await self._http.post_json("/interrupt", {"prompt_id": prompt_id})

    async def _understands_targets(self) -> bool:
        stats = await self._http.get_json("/system_stats")
        system = stats.get("system") if isinstance(stats, dict) else None
        version = str(system.get("comfyui_version", "")) if isinstance(system, dict) else ""
        numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
        return numbers >= TARGETED_SINCE
