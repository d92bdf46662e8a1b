"""Somebody who receives webhooks, or answers hooks: a real HTTP server that does as it is told."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers with the statuses of ``answers``, the last one for ever; ``hold`` keeps it from answering."""

    answers: list[int] = field(default_factory=lambda: [204])
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    port: int = 0
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def until(self, count: int) -> list[Received]:
        async with self.news:
            await self.news.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def answer(self, request: web.Request) -> web.Response:
        async with self.news:
            self.received.append(Received(request.path, dict(request.headers), await request.read()))
            self.news.notify_all()
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await self.hold.wait()
        return web.Response(status=status, body=self.body, headers=self.headers)


@contextlib.asynccontextmanager
async def receiver(tls: ssl.SSLContext | None = None, **fields: object) -> AsyncIterator[Receiver]:
    own = Receiver(**fields)  # type: ignore[arg-type]
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", own.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    own.port = runner.addresses[0][1]
    try:
        yield own
    finally:
        own.hold.set()
        await runner.cleanup()
