"""What a node may ask of the server it runs in: its folders, its progress bar, and time."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from comfywire.server.messages.frames import preview_frame, preview_frame_with_metadata, text_frame
from comfywire.server.messages.progress import Throttle, current_node
from comfywire.server.messages.publisher import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from comfywire.server.execution.interruption import Interruption
    from comfywire.server.folders import Folders
    from comfywire.server.graph import NodeClass
    from comfywire.server.messages.current import Current
    from comfywire.server.messages.frames import ProgressPicture
    from comfywire.server.messages.sockets import ClientSockets
    from comfywire.server.options import ServerOptions

__all__ = ["BoundClasses", "NodeHost"]


class NodeHost:
    """One server, as its nodes see it: ``self.host`` in a class that declares ``host``.

    ComfyUI's nodes reach for module globals instead; several of our servers may live in one process.

    Args:
        options: How the server is set up.
        folders: Its files.
        current: Where its worker is.
        interruption: Whether the running prompt may go on.
        sockets: Who hears what is sent.
        send: Queues a message; callable from any thread.

    """

    def __init__(
        self,
        options: ServerOptions,
        folders: Folders,
        *,
        current: Current,
        interruption: Interruption,
        sockets: ClientSockets,
        send: Callable[[Message], None],
    ) -> None:
        self._options = options
        self._current = current
        self._interruption = interruption
        self._sockets = sockets
        self._send = send
        self.folders = folders
        self.step_time = options.step_time
        self.is_new = options.is_new
        self.object_info = options.object_info
        self.previews = options.previews
        self.pictures: dict[str, tuple[bytes, str]] = {}
        self.random = random.Random()  # noqa: S311 - names of temporary files
        self._throttle = Throttle()

    def choose_previews(self, method: object) -> None:
        """Take a prompt's ``extra_data.preview_method``; without the name of one, the server's own choice."""
        wanted = {"none": False, "auto": True, "latent2rgb": True, "taesd": True}
        own = self._options.previews
        self.previews = wanted.get(method, own) if isinstance(method, str) else own

    def progress(
        self,
        value: float,
        total: float,
        preview: ProgressPicture | None = None,
        *,
        node_id: str | None = None,
    ) -> None:
        """Report progress as ComfyUI's ProgressBar does (main.py, hijack_progress), interrupts included."""
        current = self._current
        self._interruption.check()
        node_id = node_id or current_node.get() or current.node_id or ""
        prompt_id = current.prompt_id
        value = min(value, total)
        share = value / total if total > 0 else 1.0
        is_told = self._throttle.passes(prompt_id, node_id, share, now=time.monotonic())
        if self.is_new and preview is None and not is_told:
            return
        sid = current.client_id
        current.progress.update(node_id, value, total)
        has_metadata = preview is not None and self._sockets.wants_preview_metadata(sid)
        if preview is not None and has_metadata:  # before its progress; without metadata it comes after
            frame = preview_frame_with_metadata(preview, current.progress.describe(node_id))
            self._send(Message("binary", frame, sid, prompt_id))
        payload = {"value": value, "max": total, "prompt_id": prompt_id, "node": node_id}
        self._send(Message("progress", payload, sid, prompt_id))
        if preview is not None and not has_metadata:
            self._send(Message("binary", preview_frame(preview), sid, prompt_id))

    def text(self, text: str, *, node_id: str | None = None) -> None:
        """Send a line of text to everybody, naming no prompt (server.py, send_progress_text)."""
        frame = text_frame(node_id or current_node.get() or "", text)
        self._send(Message("binary", frame, None, self._current.prompt_id))

    @property
    def is_heard(self) -> bool:
        """Whether a preview would reach anybody."""
        return bool(self._sockets.receivers(self._current.client_id))

    def sleep(self, seconds: float) -> None:
        """Sleep in a node; an interrupt, or the server's end, cuts it short."""
        self._interruption.sleep(seconds)


class BoundClasses(Mapping[str, "NodeClass"]):
    """Node classes of one server: each that declares ``host`` is a subclass that has this one.

    A server knows hundreds and runs a few, and to make them all is half of what its start costs: each is made
    when it is first asked for, and then stays the same.
    """

    def __init__(self, classes: Mapping[str, NodeClass], host: NodeHost) -> None:
        self._classes = classes
        self._host = host
        self._bound: dict[str, NodeClass] = {}

    def __getitem__(self, name: str) -> NodeClass:
        if name not in self._bound:
            # The event loop validates while the worker's thread runs: the first of two stays.
            self._bound.setdefault(name, _bound(self._classes[name], self._host))
        return self._bound[name]

    def __contains__(self, name: object) -> bool:
        return name in self._classes

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)


def _bound(node_class: NodeClass, host: NodeHost) -> NodeClass:
    if not any("host" in getattr(base, "__annotations__", {}) for base in node_class.__mro__):
        return node_class
    attributes = {"host": host, "__module__": node_class.__module__, "__doc__": node_class.__doc__}
    return type(node_class.__name__, (node_class,), attributes)
