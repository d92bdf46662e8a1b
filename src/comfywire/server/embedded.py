"""The test server in the caller's event loop: start, wait for conditions, stop, restart."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import web

from comfywire.server.app import make_app
from comfywire.server.folders import Folders
from comfywire.server.nodes.catalogue import built_in
from comfywire.server.options import Options, Profile
from comfywire.server.prompt_server import PromptServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from comfywire.server.graph import NodeClass
    from comfywire.server.run_log import Run

__all__ = ["Server"]

log = logging.getLogger("comfywire.server")


class Server:
    """A ComfyUI-compatible server on a real socket, in this event loop; nodes run in one worker thread.

    ::

        async with Server() as server:
            async with comfywire.Client(server.url) as client: ...

    Args:
        port: Where to listen; 0 lets the system choose, and a restart keeps its choice.
        host: The address to listen on.
        step_time: Seconds that each step of a simulated sampler takes.
        folder: Where ``input``, ``output``, ``temp`` and ``models`` are; None is a temporary folder that
            goes when the server does.
        profile: The version of ComfyUI to answer as.
        previews: Whether samplers send previews, as ComfyUI does with ``--preview-method latent2rgb``.
        nodes: More node classes, by class_type; plain classes in ComfyUI's form.

    Attributes:
        log: Every run of every prompt, also of earlier lives: what really happened.
        requests: How often each route was asked, by ``METHOD /route`` without ``/api``, such as
            ``GET /history/{prompt_id}``.

    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        step_time: float = 0.0,
        folder: Path | str | None = None,
        profile: Profile = "0.3.64",
        previews: bool = True,
        nodes: Mapping[str, NodeClass] | None = None,
    ) -> None:
        self._options = Options(
            host=host,
            port=port,
            step_time=step_time,
            folder=None if folder is None else Path(folder),
            profile=profile,
            previews=previews,
            nodes=nodes or {},
        )
        self.log: list[Run] = []
        self.requests: Counter[str] = Counter()
        self._port = port
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._life: PromptServer | None = None
        self._runner: web.AppRunner | None = None
        self._folders: Folders | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """Where to reach it, without a slash at the end: ``http://127.0.0.1:54321``."""
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return f"http://{host}:{self._port}"

    @property
    def address(self) -> str:
        """Host and port: ``127.0.0.1:54321``."""
        return self.url.removeprefix("http://")

    @property
    def folder(self) -> Path:
        """The folder with ``input``, ``output``, ``temp`` and ``models``."""
        assert self._folders is not None, "the server was not started"
        return self._folders.root

    @property
    def life(self) -> PromptServer:
        """What a restart would lose: queue, history, sockets. For tests that must look inside."""
        if self._life is None:
            raise RuntimeError("the server is not running: use 'async with Server() as server'")
        return self._life

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.

        """
        options = self._options
        if self._folders is None:
            self._folders = Folders(options.folder)
        classes = {**built_in(), **options.nodes}
        life = PromptServer(options, self._folders, classes, runs=self.log, changed=self._look)
        self._runner = web.AppRunner(make_app(life, self.requests), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        listener = _bind(options.host, self._port)
        self._port = listener.getsockname()[1]
        self._life = life
        life.start()
        await web.SockSite(self._runner, listener).start()

    async def close(self) -> None:
        """Close every connection, end the worker, and remove a temporary folder. Safe to call twice."""
        life, self._life = self._life, None
        if life is not None:
            for each in list(life.sockets.opened):
                each.drop()
            await life.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._folders is not None:
            self._folders.close()
            self._folders = None
        for _, future in self._waiting:
            future.cancel()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition()`` is true; it is looked at after every message and every request."""
        if condition():
            return
        future = asyncio.get_running_loop().create_future()
        waiter = (condition, future)
        self._waiting.append(waiter)
        try:
            await future
        finally:
            self._waiting.remove(waiter)

    async def until_running(self, prompt_id: str) -> None:
        """Wait until this prompt is the running one."""
        await self.until(lambda: self.life.queue.is_running(prompt_id))

    async def until_executing(self, prompt_id: str, node_id: str) -> None:
        """Wait until this node of this prompt has begun."""
        await self.until(lambda: any(run.prompt_id == prompt_id and node_id in run.nodes for run in self.log))

    async def until_done(self, prompt_id: str) -> None:
        """Wait until this prompt has ended and everything about it was sent."""
        await self.until(
            lambda: (
                any(run.prompt_id == prompt_id and run.end is not None for run in self.log)
                and self._is_quiet(prompt_id)
            )
        )

    async def until_idle(self) -> None:
        """Wait until no prompt runs or waits, and every message was sent."""
        await self.until(lambda: self.life.queue.remaining() == 0 and self.life.publisher.is_idle)

    def runs(self, prompt_id: str) -> list[Run]:
        """Return every run of one prompt; more than one means that it ran twice."""
        return [run for run in self.log if run.prompt_id == prompt_id]

    def _is_quiet(self, prompt_id: str) -> bool:
        return not self.life.queue.is_running(prompt_id) and self.life.publisher.is_idle

    def _look(self) -> None:
        for condition, future in self._waiting:
            if not future.done() and condition():
                future.set_result(None)


def _bind(host: str, port: int) -> socket.socket:
    """Return a bound socket; SO_REUSEADDR, since a restart comes right after its predecessor."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
