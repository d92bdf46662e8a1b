"""Faults of HTTP replies: lost, late, failing, cut; before or after the request had its effect."""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aiohttp import web

from comfywire.server.faults.rules import Rule, RuleList
from comfywire.server.faults.tcp import reset

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

__all__ = ["ReplyFaults", "ReplyRule"]

When = Literal["before", "after"]
FOREVER = 10**9


@dataclass(eq=False, slots=True, kw_only=True)
class ReplyRule(Rule):
    """What happens to the replies of a route.

    Attributes:
        route: ``METHOD /route`` without ``/api``, such as ``POST /prompt``, ``GET /history/{prompt_id}``;
            ``*`` for all.
        action: What.
        when: Before the request had its effect, or after.
        seconds: How long a delayed reply takes more.
        status: What a failing reply says.
        body: Its text.
        at_bytes: How much of a body is sent before it is cut.

    """

    route: str
    action: Literal["drop", "delay", "fail", "cut_body", "no_range"]
    when: When = "before"
    seconds: float = 0
    status: int = 503
    body: str = ""
    at_bytes: int = 0


@dataclass(slots=True)
class ReplyFaults:
    """``server.faults.replies``."""

    rules: RuleList = field(default_factory=RuleList)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def drop(self, route: str, *, when: When = "after", times: int | None = 1, skip: int = 0) -> ReplyRule:
        """Reset the connection instead of replying."""
        return self._add(ReplyRule(route=route, action="drop", when=when, times=times, skip=skip))

    def delay(
        self, route: str, seconds: float, *, when: When = "before", times: int | None = 1, skip: int = 0
    ) -> ReplyRule:
        """Take ``seconds`` longer."""
        rule = ReplyRule(route=route, action="delay", seconds=seconds, when=when, times=times, skip=skip)
        return self._add(rule)

    def stall(self, route: str, *, when: When = "before", times: int | None = 1, skip: int = 0) -> ReplyRule:
        """Do not reply until :meth:`release`, or until the client gives up."""
        return self.delay(route, FOREVER, when=when, times=times, skip=skip)

    def fail(
        self,
        route: str,
        status: int = 503,
        *,
        when: When = "before",
        body: str = "",
        times: int | None = 1,
        skip: int = 0,
    ) -> ReplyRule:
        """Answer with an error status; ``after``: the 500 of a prompt that was queued all the same."""
        return self._add(
            ReplyRule(route=route, action="fail", status=status, when=when, body=body, times=times, skip=skip)
        )

    def cut_body(self, route: str, at_bytes: int, *, times: int | None = 1, skip: int = 0) -> ReplyRule:
        """Announce the whole body, send ``at_bytes`` of it, and reset the connection."""
        rule = ReplyRule(route=route, action="cut_body", at_bytes=at_bytes, times=times, skip=skip)
        return self._add(rule)

    def ignore_range(self, route: str = "GET /view", *, times: int | None = None) -> ReplyRule:
        """Answer 200 and the whole file although a part was asked for, and promise no parts."""
        return self._add(ReplyRule(route=route, action="no_range", times=times))

    def release(self) -> None:
        """Let every delayed reply go."""
        self.released.set()
        self.released = asyncio.Event()

    def clear(self) -> None:
        """Remove every rule, and let delayed replies go."""
        self.rules.clear()
        self.release()

    def _add(self, rule: ReplyRule) -> ReplyRule:
        return self.rules.add(rule)

    async def answer(self, route: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request as the rules say."""
        struck = [
            rule
            for rule in self.rules.rules
            if isinstance(rule, ReplyRule) and rule.route in ("*", route) and rule.strike()
        ]
        for rule in struck:
            replacement = await self._apply(rule, request, "before")
            if replacement is not None:
                return replacement
        has_range = not any(rule.action == "no_range" for rule in struck)
        cut = next((rule.at_bytes for rule in struck if rule.action == "cut_body"), None)
        reply = await handler(request)
        for rule in struck:
            replacement = await self._apply(rule, request, "after")
            if replacement is not None:
                return replacement
        if cut is not None or not has_range:
            return await _send_part(request, reply, cut, has_range=has_range)
        return reply

    async def _apply(self, rule: ReplyRule, request: web.Request, when: When) -> web.Response | None:
        if rule.when != when:
            return None
        match rule.action:
            case "delay":
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.released.wait(), rule.seconds)
            case "fail":
                return web.Response(status=rule.status, text=rule.body)
            case "drop":
                reset(request.transport)
                return web.Response()
        return None


async def _send_part(
    request: web.Request, reply: web.StreamResponse, cut: int | None, *, has_range: bool
) -> web.StreamResponse:
    """Send a reply by hand: whole or cut, with or without regard to Range."""
    content, headers = _content(reply)
    part = request.http_range if has_range and isinstance(reply, web.FileResponse) else slice(None)
    start, stop, _ = part.indices(len(content))
    is_part = (start, stop) != (0, len(content))
    if has_range and isinstance(reply, web.FileResponse):
        headers["Accept-Ranges"] = "bytes"
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    sent = web.StreamResponse(status=206 if is_part else reply.status, headers=headers)
    sent.content_length = stop - start
    await sent.prepare(request)
    if cut is None:
        await sent.write(content[start:stop])
        await sent.write_eof()
        return sent
    await sent.write(content[start : min(stop, start + cut)])
    await _flushed(request)
    reset(request.transport)
    return sent


async def _flushed(request: web.Request) -> None:
    """Wait until the part has left, since RST throws away what has not."""
    transport = request.transport
    while transport is not None and not transport.is_closing() and transport.get_write_buffer_size() > 0:  # noqa: ASYNC110 - a transport tells nobody
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)  # for the client to read it: an RST also discards what it has not read yet


def _content(reply: web.StreamResponse) -> tuple[bytes, dict[str, str]]:
    """Return a reply's body, and the headers that say what it is."""
    if isinstance(reply, web.FileResponse):
        path = Path(reply._path)  # noqa: SLF001 - aiohttp has no other way to ask which file it is
        found = path.stat()
        return path.read_bytes(), {
            "Content-Type": mimetypes.guess_type(path)[0] or "application/octet-stream",
            "Content-Disposition": reply.headers.get("Content-Disposition", ""),
            "ETag": f'"{found.st_mtime_ns:x}-{found.st_size:x}"',
        }
    body = reply.body if isinstance(reply, web.Response) else b""
    content = bytes(body) if isinstance(body, bytes | bytearray) else b""
    return content, {"Content-Type": reply.headers.get("Content-Type", "application/octet-stream")}
