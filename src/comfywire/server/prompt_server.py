"""One life of the server: everything that a restart loses."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from comfywire.server.execution.interruption import Interruption
from comfywire.server.execution.node_host import BoundClasses, NodeHost
from comfywire.server.execution.prompt_queue import PromptQueue
from comfywire.server.execution.surroundings import PromptSurroundings, Tricks
from comfywire.server.execution.worker import PromptWorker
from comfywire.server.graph import DynamicPrompt
from comfywire.server.messages.current import Current
from comfywire.server.messages.progress import ProgressRegistry
from comfywire.server.messages.publisher import Message, Publisher
from comfywire.server.messages.sockets import ClientSockets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from comfywire.server.execution.run_log import Run
    from comfywire.server.faults import Faults
    from comfywire.server.folders import Folders
    from comfywire.server.graph import NodeClass
    from comfywire.server.options import ServerOptions

__all__ = ["PromptServer"]

log = logging.getLogger("comfywire.server")


class PromptServer:
    """Queue, history, sockets and worker, from start to :meth:`close`; ComfyUI's class of the same name.

    Args:
        options: How it is set up.
        folders: Its files; they survive a restart.
        classes: The node classes, not yet bound to a server.
        runs: The log to append to.
        faults: What goes wrong on purpose.
        changed: Called in the event loop whenever something may have changed that somebody waits for.

    """

    def __init__(
        self,
        options: ServerOptions,
        folders: Folders,
        classes: Mapping[str, NodeClass],
        *,
        runs: list[Run],
        faults: Faults,
        changed: Callable[[], None],
    ) -> None:
        self.options = options
        self.folders = folders
        self.runs = runs
        self.faults = faults
        self.number = 0
        no_prompt = ProgressRegistry("", DynamicPrompt({}), send=lambda _: None, sid=None)
        self.current = Current(no_prompt)
        self.sockets = ClientSockets(
            self.current,
            queue_info=self.queue_info,
            features=self.features,
            on_open=faults.sockets.on_open,
        )
        self.publisher = Publisher(self.sockets.receivers, passes=faults.messages.passes, on_idle=changed)
        self.queue = PromptQueue(self.queue_updated)
        self.interruption = Interruption()
        host = NodeHost(
            options,
            folders,
            current=self.current,
            interruption=self.interruption,
            sockets=self.sockets,
            send=self.publisher.put,
        )
        self.pictures = host.pictures
        self.classes: Mapping[str, NodeClass] = BoundClasses(classes, host)
        self.worker = PromptWorker(
            self._around_prompts(host), self.queue, runs, join_timeout=options.join_timeout
        )
        self._publishing: asyncio.Task[None] | None = None

    def _around_prompts(self, host: NodeHost) -> PromptSurroundings:
        faults = self.faults
        return PromptSurroundings(
            is_new=self.options.is_new,
            classes=self.classes,
            host=host,
            current=self.current,
            interruption=self.interruption,
            send=self.publisher.put,
            tricks=Tricks(faults.nodes.before_node, faults.files.renamed, faults.history.lateness),
        )

    def start(self) -> None:
        """Start the worker's thread and the publishing task."""
        self._publishing = asyncio.create_task(self.publisher.run(), name="comfywire server: publish")
        self._publishing.add_done_callback(_say_why)
        self.worker.start()

    async def close(self) -> None:
        """Stop both. A prompt that runs ends without a trace; what has not been sent is not sent."""
        await self.worker.stop()
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.gather(self._publishing, return_exceptions=True)

    @property
    def is_idle(self) -> bool:
        """Whether no prompt runs or waits, and every message was sent."""
        return self.queue.remaining() == 0 and not self.worker.is_at_work and self.publisher.is_idle

    def queue_info(self) -> dict[str, Any]:
        """Return what GET /prompt and ``status`` say."""
        return {"exec_info": {"queue_remaining": self.queue.remaining()}}

    def queue_updated(self) -> None:
        """Tell every socket how long the queue is (server.py, queue_updated)."""
        self.publisher.put(Message("status", {"status": self.queue_info()}, None))

    def features(self) -> dict[str, Any]:
        """Return the flags of GET /features and of the negotiation."""
        flags: dict[str, Any] = {"supports_preview_metadata": True}
        if self.options.is_new:
            flags["supports_model_type_tags"] = True
        flags["max_upload_size"] = self.options.max_upload_bytes
        if self.options.is_new:
            flags |= {
                "extension": {"manager": {"supports_v4": True}},
                "node_replacements": True,
                "assets": False,
            }
        return flags


def _say_why(publishing: asyncio.Task[None]) -> None:
    """Log why nobody hears anything any more; ComfyUI's whole HTTP server goes down with it."""
    error = None if publishing.cancelled() else publishing.exception()
    if error is not None:
        log.error("a message could not be encoded, and no more are sent: %s", error)
