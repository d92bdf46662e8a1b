"""Pictures as events: what a job shows while it works, and then what it made."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from comfywire.service.api.events import EventStream
from comfywire.service.core import Core
from comfywire.service.jobs.live_jobs import LiveJob, Preview

from .errors import openai_error
from .orders import Order, all_ended, cancel, canceling
from .pictures import USAGE, Picture, about, base64_of, pictures_of

__all__ = ["stream_of"]

ALIVE = b": alive\n\n"
UNSAID = {"size": "auto", "quality": "auto", "background": "auto"}
"""What events repeat of a request that does not say it: clients' types insist."""


def stream_of(
    core: Core, order: Order, said: Mapping[str, Any], *, kind: str, partial_images: int
) -> EventStream:
    """Return the events of an order's jobs, those of one job after those of the one before.

    Args:
        core: The service.
        order: The jobs.
        said: What the request said of its pictures.
        kind: ``image_generation`` or ``image_edit``, the first half of each event's type.
        partial_images: How many pictures of what is being made are told for each job, at most.

    """
    telling = _Telling(core, said, kind, partial_images)
    # OpenAI's own package takes `retry:` for an event, and fails on it.
    gone = partial(cancel, core, order)
    return EventStream(_frames(telling, core, order), AsyncExitStack(), opening=ALIVE, when_gone=gone)


async def _frames(telling: _Telling, core: Core, order: Order) -> AsyncGenerator[bytes]:
    try:
        async with canceling(core, order):
            for job_id in order.job_ids:
                async for frame in telling.partial(job_id):
                    yield frame
                for picture in await telling.made(job_id):
                    yield await telling.completed(picture)
    except Exception as error:  # noqa: BLE001 - the status was sent: what went wrong can only be an event
        _, body, _ = openai_error(error)
        yield _frame("error", {"type": "error", **body})


class _Telling:
    """Tells the events of one request."""

    def __init__(self, core: Core, said: Mapping[str, Any], kind: str, partial_images: int) -> None:
        self._core = core
        self._said = said
        self._kind = kind
        self._most = partial_images

    async def partial(self, job_id: Any) -> AsyncGenerator[bytes]:
        """Yield pictures of a job that works, spread over its progress, until it ends."""
        sent, last = 0, None
        async with self._core.broker.watch(job_id, previews=self._most > 0) as live:
            while True:
                change = live.next_change()
                preview = live.preview
                if preview is not None and preview != last and self._is_due(live, sent):
                    yield self._partial(preview, sent)
                    sent, last = sent + 1, preview
                if live.job is None or live.job.is_over or live.is_closed:
                    return
                if not await live.changed(change, self._core.settings.heartbeat):
                    yield ALIVE

    def _is_due(self, live: LiveJob, sent: int) -> bool:
        """Whether the next picture is: early ones are noise, so each has its share of the work behind it."""
        job = live.job
        progress = 0.0 if job is None or job.progress is None else float(job.progress.get("value") or 0.0)
        return sent < self._most and progress >= (sent + 1) / (self._most + 1)

    async def made(self, job_id: Any) -> list[Picture]:
        """Return the pictures of a job that has ended; raises what ``pictures_of`` does."""
        return await pictures_of(self._core, await all_ended(self._core, [job_id]))

    async def completed(self, picture: Picture) -> bytes:
        """Return the event of a whole picture."""
        whole = b"".join([piece async for piece in base64_of(self._core.assets, picture.asset)])
        facts = about(self._said, picture.asset.content_type)
        return self._event("completed", whole, {**facts, "usage": USAGE})

    def _partial(self, preview: Preview, index: int) -> bytes:
        facts = about(self._said, preview.content_type)
        return self._event(
            "partial_image", base64.b64encode(preview.content), {**facts, "partial_image_index": index}
        )

    def _event(self, what: str, picture: bytes, facts: Mapping[str, Any]) -> bytes:
        name = f"{self._kind}.{what}"
        told = {"type": name, "created_at": int(time.time()), **UNSAID, **facts, "b64_json": picture.decode()}
        return _frame(name, told)


def _frame(name: str, told: Mapping[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(told)}\n\n".encode()
