"""The test server in the caller's event loop: start, wait for conditions, stop, restart."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from aiohttp import web

from comfywire.server.faults import Faults
from comfywire.server.faults.tcp import reset
from comfywire.server.folders import Folders
from comfywire.server.http.access import refuse_public
from comfywire.server.http.app import make_app
from comfywire.server.nodes.catalogue import built_in
from comfywire.server.nodes.stubbed import stand_ins
from comfywire.server.nodes.tooling import TOOLING
from comfywire.server.options import MAX_UPLOAD_BYTES, Profile, ServerOptions
from comfywire.server.port import Port
from comfywire.server.prompt_server import PromptServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from types import TracebackType

    from comfywire.server.execution.run_log import Run
    from comfywire.server.graph import NodeClass

__all__ = ["Server"]

Result = TypeVar("Result")
LOOK_INTERVAL = 0.01
EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what these are reached by


def _classes(options: ServerOptions) -> dict[str, NodeClass]:
    pack = TOOLING if options.tooling else {}
    own = {**built_in(is_new=options.is_new), **pack, **options.nodes}
    return {**stand_ins(options.object_info), **own}


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
        object_info: A real server's /object_info: node classes in it that are missing here are stood in
            for, so that any workflow runs, with placeholders where their results would be.
        tooling: Whether it has what krita-ai-diffusion needs of the node pack comfyui-tooling-nodes: nodes
            for pictures in memory, and the routes to them.
        faults: Faults that are made before the server starts; ``server.faults`` has some anyway.
        faults_over_http: Whether POST /comfywire/faults and GET /comfywire/log are there.
        token: What everybody must send to be answered: as a bearer token, or as ``?token=``.
        max_upload_bytes: The longest request that is read; a longer one is a 413.

    Raises:
        ValueError: ``host`` can be reached from elsewhere, and there is no ``token``.

    Attributes:
        log: Every run of every prompt, also of earlier lives: what really happened.
        faults: What goes wrong on purpose.
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
        object_info: Mapping[str, Any] | None = None,
        tooling: bool = False,
        faults: Faults | None = None,
        faults_over_http: bool = False,
        token: str | None = None,
        max_upload_bytes: int = MAX_UPLOAD_BYTES,
    ) -> None:
        refuse_public(host, token)
        self._options = ServerOptions(
            host=host,
            port=port,
            step_time=step_time,
            folder=None if folder is None else Path(folder),
            profile=profile,
            previews=previews,
            nodes=nodes or {},
            object_info=object_info or {},
            tooling=tooling,
            faults_over_http=faults_over_http,
            token=token or None,
            max_upload_bytes=max_upload_bytes,
        )
        self.faults = faults or Faults()
        self.faults.attach(self)
        self.log: list[Run] = []
        self.requests: Counter[str] = Counter()
        self._port = Port(host, port)
        self._site: web.SockSite | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
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
        """Where to reach it from here, without a slash at the end: ``http://127.0.0.1:54321``."""
        host = EVERYWHERE.get(self._options.host, self._options.host)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self._port.number}"

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
    def is_running(self) -> bool:
        """Whether it was started and neither killed nor closed since."""
        return self._life is not None

    @property
    def life(self) -> PromptServer:
        """What a restart would lose: queue, history, sockets. For tests that must look inside."""
        if self._life is None:
            raise RuntimeError("the server is not running: use 'async with Server() as server'")
        return self._life

    async def start(self) -> None:
        """Listen; after :meth:`kill`, on the same port, with nothing of before but the files and the log.

        Raises:
            OSError: The port is taken.
            RuntimeError: It is running.

        """
        if self._life is not None:
            raise RuntimeError("the server is running already")
        options = self._options
        if self._folders is None:
            self._folders = Folders(options.folder)
        self._loop = asyncio.get_running_loop()
        life = PromptServer(
            options,
            self._folders,
            _classes(options),
            runs=self.log,
            faults=self.faults,
            changed=self._look,
        )
        app = make_app(life, self.requests, changed=self._look)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self._life = life
        life.start()
        try:
            await self.accept()
        except OSError:
            await self.close()
            raise

    async def accept(self) -> None:
        """Listen, if nobody does."""
        if self._site is None and self._runner is not None:
            listener = self._port.listen()
            self._site = web.SockSite(self._runner, listener)
            await self._site.start()
            self._port.is_listened_to()

    async def refuse(self, *, drop_existing: bool) -> None:
        """Stop listening, so that the system refuses connections; prompts go on."""
        site, self._site = self._site, None
        if site is not None:
            self._port.reserve()
            await site.stop()
            self._port.must_be_reserved()
        if drop_existing:
            self._reset_connections()

    async def kill(self) -> None:
        """End as a killed process does: connections are reset, and only the log knows what ran."""
        await self.refuse(drop_existing=True)
        life, self._life = self._life, None
        runner, self._runner = self._runner, None
        if life is not None:
            await life.close()
        if runner is not None:
            await runner.cleanup()

    async def reset(self) -> None:
        """Begin a new life on the same port: nothing queued, cached, remembered, counted or failing."""
        self.faults.clear()
        await self.kill()
        self.log.clear()
        self.requests.clear()
        if self._folders is not None:
            self._folders.empty()
        await self.start()

    async def close(self) -> None:
        """Close every connection, end the worker, and remove a temporary folder. Safe to call twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.faults.clear()
        await self.kill()
        self._port.release()
        if self._folders is not None:
            self._folders.close()
            self._folders = None

    def later(self, seconds: float, action: Callable[[], Awaitable[object]]) -> None:
        """Do something after a while, unless the server is closed before."""

        async def wait_and_act() -> None:
            await asyncio.sleep(seconds)
            await action()

        task = asyncio.get_running_loop().create_task(wait_and_act(), name="comfywire server: later")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _reset_connections(self) -> None:
        server = None if self._runner is None else self._runner.server
        for connection in [] if server is None else server.connections:
            reset(connection.transport)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition()`` is true: looked at when messages were sent, at requests, and anyway."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = (condition, future)
        self._waiting.append(waiter)
        try:
            while not condition() and not future.done():
                # What the worker's thread does, and what fails on purpose, wakes nobody.
                await asyncio.wait({future}, timeout=LOOK_INTERVAL)
        finally:
            self._waiting.remove(waiter)
            future.cancel()

    async def until_running(self, prompt_id: str) -> None:
        """Wait until this prompt is the running one."""
        await self.until(lambda: self.is_running and self.life.queue.is_running(prompt_id))

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
        await self.until(lambda: self.is_running and self.life.is_idle)

    def runs(self, prompt_id: str) -> list[Run]:
        """Return every run of one prompt; more than one means that it ran twice."""
        return [run for run in self.log if run.prompt_id == prompt_id]

    def wait(self, coroutine: Coroutine[Any, Any, Result], timeout: float | None = 10) -> Result:
        """Run one of this server's coroutines from another thread, such as ``server.until_idle()``.

        Raises:
            TimeoutError: It took longer than ``timeout`` seconds.

        """
        assert self._loop is not None, "the server was not started"
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def call(self, function: Callable[..., Result], *arguments: Any, **more: Any) -> Result:
        """Call a function in this server's loop from another thread, and return what it returns."""

        async def call() -> Result:
            return function(*arguments, **more)

        return self.wait(call())

    def _is_quiet(self, prompt_id: str) -> bool:
        return not self.life.queue.is_running(prompt_id) and self.life.publisher.is_idle

    def _look(self) -> None:
        for condition, future in self._waiting:
            if not future.done() and condition():
                future.set_result(None)
