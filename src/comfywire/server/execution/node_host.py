"""What a node may ask of the server it runs in: its folders, its progress bar, and time."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from comfywire.server.messages.frames import preview_frame, preview_frame_with_metadata, text_frame
from comfywire.server.messages.progress import Throttle, current_node
from comfywire.server.messages.publisher import Message

if TYPE_CHECKING:
    from comfywire.server.folders import Folders
    from comfywire.server.graph import NodeClass
    from comfywire.server.messages.frames import Preview
    from comfywire.server.prompt_server import PromptServer

__all__ = ["NodeHost", "bind"]


class NodeHost:
    """One server, as its nodes see it: ``self.host`` in a class that declares ``host``.

    ComfyUI's nodes reach for module globals instead; several of our servers may live in one process.
    """

    def __init__(self, server: PromptServer) -> None:
        self._server = server
        self.folders: Folders = server.folders
        self.step_time = server.options.step_time
        self.is_new = server.options.is_new
        self.object_info = server.options.object_info
        self.previews = server.options.previews
        self.random = random.Random()  # noqa: S311 - names of temporary files
        self._throttle = Throttle()

    def choose_previews(self, method: object) -> None:
        """Take a prompt's ``extra_data.preview_method``; without the name of one, the server's own choice."""
        wanted = {"none": False, "auto": True, "latent2rgb": True, "taesd": True}
        own = self._server.options.previews
        self.previews = wanted.get(method, own) if isinstance(method, str) else own

    def progress(
        self, value: float, total: float, preview: Preview | None = None, *, node_id: str | None = None
    ) -> None:
        """Report progress as ComfyUI's ProgressBar does (main.py, hijack_progress), interrupts included."""
        server = self._server
        server.interruption.check()
        node_id = node_id or current_node.get() or server.last_node_id or ""
        prompt_id = server.last_prompt_id
        value = min(value, total)
        share = value / total if total > 0 else 1.0
        is_told = self._throttle.passes(prompt_id, node_id, share, now=time.monotonic())
        if self.is_new and preview is None and not is_told:
            return
        sid = server.client_id
        registry = server.progress
        registry.update(node_id, value, total)
        has_metadata = preview is not None and server.sockets.wants_preview_metadata(sid)
        if preview is not None and has_metadata:  # before its progress; without metadata it comes after
            frame = preview_frame_with_metadata(preview, registry.describe(node_id))
            server.publisher.put(Message("binary", frame, sid, prompt_id))
        payload = {"value": value, "max": total, "prompt_id": prompt_id, "node": node_id}
        server.publisher.put(Message("progress", payload, sid, prompt_id))
        if preview is not None and not has_metadata:
            server.publisher.put(Message("binary", preview_frame(preview), sid, prompt_id))

    def text(self, text: str, *, node_id: str | None = None) -> None:
        """Send a line of text to everybody, naming no prompt (server.py, send_progress_text)."""
        frame = text_frame(node_id or current_node.get() or "", text)
        self._server.publisher.put(Message("binary", frame, None, self._server.last_prompt_id))

    @property
    def is_heard(self) -> bool:
        """Whether a preview would reach anybody."""
        return bool(self._server.sockets.receivers(self._server.client_id))

    def sleep(self, seconds: float) -> None:
        """Sleep in a node; an interrupt, or the server's end, cuts it short."""
        self._server.interruption.sleep(seconds)


def bind(classes: dict[str, NodeClass], host: NodeHost) -> dict[str, NodeClass]:
    """Return the classes, those that declare ``host`` as subclasses that have this one."""
    return {name: _bound(node_class, host) for name, node_class in classes.items()}


def _bound(node_class: NodeClass, host: NodeHost) -> NodeClass:
    if "host" not in _annotations(node_class):
        return node_class
    attributes = {"host": host, "__module__": node_class.__module__, "__doc__": node_class.__doc__}
    return type(node_class.__name__, (node_class,), attributes)


def _annotations(node_class: NodeClass) -> set[str]:
    return {name for base in node_class.__mro__ for name in getattr(base, "__annotations__", {})}
