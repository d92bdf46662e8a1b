"""What stands between a client and the face: it passes everything on, and fails on purpose.

Its faults are the test server's own, so that :mod:`tests.faults` can strike here as well: replies that are
lost, late or errors; sockets that are cut, go half-open or deaf; connections that are refused.
"""

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any, Self, cast
from uuid import UUID

import aiohttp
from aiohttp import web

from comfywire.server.faults import LifeFaults, ReplyFaults, SocketFaults
from comfywire.server.faults.attachment import Attachment
from comfywire.server.faults.tcp import reset
from comfywire.server.messages.sockets import ClientSocket
from comfywire.server.port import Port

NAMES = {"history": "prompt_id", "jobs": "job_id"}
OF_THE_CONNECTION = {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "upgrade"}


class Gate:
    """A server in front of another one.

    Attributes:
        faults: ``replies``, ``sockets`` and ``life``: what goes wrong here.
        requests: How often each route was asked, named as the test server names them.
        opened: The sockets that are open.

    """

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self._port = Port("127.0.0.1", 0)
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self._later: set[asyncio.Task[None]] = set()
        self.opened: list[ClientSocket] = []
        self.requests: Counter[str] = Counter()
        attachment = Attachment()
        attachment.server = cast("Any", self)  # as much of a server as these faults ask for
        self.faults = SimpleNamespace(
            replies=ReplyFaults(), sockets=SocketFaults(attachment), life=LifeFaults(attachment)
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port.number}"

    @property
    def life(self) -> Any:
        """What the faults of sockets look at."""
        return SimpleNamespace(sockets=SimpleNamespace(opened=self.opened))

    @property
    def is_running(self) -> bool:
        return self._runner is not None

    async def __aenter__(self) -> Self:
        # A connection for each request: one that ends while it is idle is no fault of ours.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(auto_decompress=False, connector=connector)
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        self.faults.replies.clear()
        self.faults.sockets.clear()
        await self.kill()
        self._port.release()
        assert self._session is not None
        await self._session.close()

    # What the faults of its life do

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 30, middlewares=[self._count_and_fail])
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/api/ws", self._socket)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.accept()

    async def kill(self) -> None:
        await self.refuse(drop_existing=True)
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def accept(self) -> None:
        if self._site is None and self._runner is not None:
            self._site = web.SockSite(self._runner, self._port.listen())
            await self._site.start()
            self._port.is_listened_to()

    async def refuse(self, *, drop_existing: bool) -> None:
        site, self._site = self._site, None
        if site is not None:
            self._port.reserve()
            await site.stop()
            self._port.must_be_reserved()
        server = None if self._runner is None or not drop_existing else self._runner.server
        for connection in [] if server is None else server.connections:
            reset(connection.transport)

    def later(self, seconds: float, action: Any) -> None:
        async def wait_and_act() -> None:
            await asyncio.sleep(seconds)
            await action()

        task = asyncio.create_task(wait_and_act())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    # What passes

    @web.middleware
    async def _count_and_fail(self, request: web.Request, handler: Any) -> web.StreamResponse:
        route = route_of(request)
        self.requests[route] += 1
        return await self.faults.replies.answer(route, request, handler)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        url, content = self._behind + request.path_qs, await request.read()
        asked = self._session.request(
            request.method, url, headers=passing(request.headers), data=content or None
        )
        async with asked as answer:
            body = await answer.read()
            return web.Response(status=answer.status, headers=passing(answer.headers), body=body)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        near = web.WebSocketResponse(max_msg_size=0)
        await near.prepare(request)
        socket = ClientSocket(near, request, request.query.get("clientId", ""))
        self.opened.append(socket)
        self.faults.sockets.on_open(socket)
        try:
            async with self._session.ws_connect(self._behind + request.path_qs, max_msg_size=0) as far:
                listening = asyncio.create_task(_told(far, socket))
                async for frame in near:
                    await far.send_str(frame.data)
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        finally:
            self.opened.remove(socket)
        return near


async def _told(far: aiohttp.ClientWebSocketResponse, socket: ClientSocket) -> None:
    """Pass on what is said; a deaf socket is greeted, and hears nothing after that."""
    is_greeted = False
    async for frame in far:
        if not (is_greeted and socket.is_deaf):
            await socket.send(frame.data)
        is_greeted = True
    await socket.ws.close()


def passing(headers: Any) -> dict[str, str]:
    """Return the headers that are not about one connection."""
    return {name: value for name, value in headers.items() if name.lower() not in OF_THE_CONNECTION}


def route_of(request: web.Request) -> str:
    """Return what the test server calls a route: its method and path, with names for the ids."""
    parts = request.path.removeprefix("/api").split("/")
    named = [
        f"{{{NAMES[before]}}}" if before in NAMES and _is_id(part) else part
        for before, part in zip(["", *parts], parts, strict=False)
    ]
    return f"{request.method} {'/'.join(named)}"


def _is_id(part: str) -> bool:
    try:
        UUID(part)
    except ValueError:
        return False
    return True
