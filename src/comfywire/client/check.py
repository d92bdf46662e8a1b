"""Is a server ready? Both halves are tried: that its events arrive, and that its state can be read."""

from __future__ import annotations

import asyncio
import secrets
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

from comfywire.errors import (
    ComfywireError,
    ConnectionFailed,
    ConnectionLost,
    JobError,
    ServerError,
    UnexpectedReply,
    WorkflowRejected,
)

from .job import Job
from .results.result import Result
from .routes import Routes

__all__ = ["Finding", "check"]

EVENT_TIMEOUT = 2.0
"""Seconds for the first message of our prompt; an idle server sends it within milliseconds."""
RESULT_TIMEOUT = 30.0
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
UPLOAD_NAME = "comfywire-check.png"
Submit: TypeAlias = Callable[[dict[str, Any]], Awaitable[Job]]
"""Queues a prompt, as the client does."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried.

    Attributes:
        name: ``reach``, ``version``, ``features``, ``authentication``, ``state``, ``upload``, ``event``,
            ``view``.
        ok: Whether it works; None when it was not tried.
        sentence: What was found.
        next_step: What to do about it, empty when there is nothing to do.

    """

    name: str
    ok: bool | None
    sentence: str
    next_step: str = ""


async def check(server: Routes, submit: Submit, *, no_prompt: bool = False, greeting: float) -> list[Finding]:
    """Return what works and what does not; the server is ready when no finding's ``ok`` is False.

    It leaves one small picture in the server's temporary folder, and a prompt of two core nodes in its
    history. Cancelling takes the prompt back.

    Args:
        server: The routes of an open client.
        submit: Of the same client.
        no_prompt: Whether to queue nothing; whether events arrive is not found out then.
        greeting: Seconds for the socket to be greeted, and for the prompt to be accepted.

    """
    return [finding async for finding in _findings(server, submit, no_prompt=no_prompt, greeting=greeting)]


async def _findings(
    server: Routes, submit: Submit, *, no_prompt: bool, greeting: float
) -> AsyncIterator[Finding]:
    try:
        stats = await server.system_stats()
    except ComfywireError as error:
        yield _unreachable(server, error)
        return
    yield Finding("reach", True, f"{server.url} answers")
    yield Finding("authentication", True, "this client is let in")
    yield _version(stats)
    yield await _try("features", lambda: _features(server), FEATURES_HINT)
    yield await _try("state", lambda: _state(server), STATE_HINT)
    yield await _try("upload", lambda: _upload(server), UPLOAD_HINT)
    if no_prompt:
        yield Finding("event", None, "no prompt was queued, so nothing is known about events")
        return
    async for finding in _prompt(server, submit, greeting):
        yield finding


FEATURES_HINT = "look whether a proxy answers for the server"
STATE_HINT = "let the proxy in front of it pass GET /queue and GET /history/{id}"
UPLOAD_HINT = "look whether its folders are writable, and whether a proxy limits the size of requests"
VIEW_HINT = "let the proxy in front of it pass GET /view"
EVENT_HINT = (
    "let the proxy in front of it pass WebSockets on /ws, with their query; reads alone still find every end"
)
VALIDATION_HINT = "see the server's log: EmptyImage and PreviewImage are nodes of every ComfyUI"


async def _try(name: str, work: Callable[[], Awaitable[str]], hint: str) -> Finding:
    try:
        return Finding(name, True, await work())
    except ComfywireError as error:
        return Finding(name, False, str(error), hint)


def _unreachable(server: Routes, error: ComfywireError) -> Finding:
    match error:
        case ServerError(status=401 | 403):
            hint = "give a token, headers, or user:password@ in the address"
            return Finding(
                "authentication", False, f"{server.url} does not let this client in: {error}", hint
            )
        case ServerError(status=404) | UnexpectedReply():
            words = f"something answers at {server.url}, but it is not ComfyUI: {error}"
            return Finding("reach", False, words, "check the port and the path prefix of the address")
        case ConnectionFailed() | ConnectionLost():
            hint = (
                "start ComfyUI there, or give its address; `--listen` makes it reachable from other machines"
            )
            return Finding("reach", False, str(error), hint)
    return Finding("reach", False, str(error), "see the server's log")


def _version(stats: dict[str, Any]) -> Finding:
    system = stats.get("system")
    version = system.get("comfyui_version") if isinstance(system, dict) else None
    if not version:
        # Old servers, and other programs that speak the API, leave it out.
        return Finding("version", True, "it does not say its version: it is old, or not ComfyUI's own")
    return Finding("version", True, f"ComfyUI {version}")


async def _features(server: Routes) -> str:
    try:
        features = await server.features()
    except ServerError as error:
        if error.status != 404:
            raise
        return "it has no feature flags (before 0.3.45): previews may be ascribed to the wrong prompt"
    limit = features.get("max_upload_size")
    return "feature flags are read" + (
        f"; uploads of up to {limit >> 20} MiB" if isinstance(limit, int) else ""
    )


async def _state(server: Routes) -> str:
    queue = await server.queue()
    await server.history(str(uuid4()))
    return f"queue and history are read; {len(queue.running)} running, {len(queue.pending)} waiting"


async def _upload(server: Routes) -> str:
    content = _tiny_png()
    upload = await server.upload(content, name=UPLOAD_NAME, type="temp", overwrite=True)
    kept = await server.view(upload.filename, subfolder=upload.subfolder, type=upload.type)
    if kept != content:
        raise UnexpectedReply(f"{upload} was uploaded, and came back changed: {len(kept)} bytes")
    return "a file was uploaded and came back unchanged"


def _tiny_png() -> bytes:
    """One grey pixel."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\x80")),
        (b"IEND", b""),
    )
    return PNG_MAGIC + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _tiny_prompt() -> dict[str, Any]:
    """Two core nodes; the colour is new each time, so that the server's cache does not answer.

    Their ids are no numbers: who looks at a server, or scripts it, tells them from those of a workflow.
    """
    colour = secrets.randbelow(0x1000000)
    empty = {"width": 8, "height": 8, "batch_size": 1, "color": colour}
    return {
        "empty": {"class_type": "EmptyImage", "inputs": empty},
        "preview": {"class_type": "PreviewImage", "inputs": {"images": ["empty", 0]}},
    }


async def _prompt(server: Routes, submit: Submit, greeting: float) -> AsyncIterator[Finding]:
    try:
        waiting = await server.queue(graphs=False)
        async with asyncio.timeout(greeting):
            job = await submit(_tiny_prompt())
    except TimeoutError:
        words = f"the socket opened, but nothing came through it within {greeting:g} seconds"
        yield Finding("event", False, words, EVENT_HINT)
        return
    except WorkflowRejected as error:
        yield Finding("event", False, str(error), VALIDATION_HINT)
        return
    except ComfywireError as error:
        yield Finding("event", False, str(error), EVENT_HINT)
        return
    try:
        heard = await _hears(job)
        ahead = len(waiting.running) + len(waiting.pending)
        if not heard and ahead:
            words = f"not found out: {ahead} prompts are ahead of ours"
            yield Finding("event", None, words, "try again when its queue is empty")
            return
        result = await job.result(RESULT_TIMEOUT)
    except JobError as error:
        yield Finding(
            "event", False, str(error), "see the server's log: its worker may have died; restart it"
        )
        return
    finally:
        if not job.is_done:
            await job.withdraw()
    yield _event(heard=heard)
    yield await _try("view", lambda: _view(result), VIEW_HINT)


async def _hears(job: Job) -> bool:
    try:
        async with asyncio.timeout(EVENT_TIMEOUT):
            async for _ in job.events():
                return True
    except TimeoutError:
        pass
    return False


def _event(*, heard: bool) -> Finding:
    if heard:
        return Finding("event", True, "events of a prompt arrive")
    words = f"a prompt ran, and no event of it arrived within {EVENT_TIMEOUT:g} seconds"
    return Finding("event", False, words, EVENT_HINT)


async def _view(result: Result) -> str:
    if not result.files:
        raise UnexpectedReply("the prompt ended well, but showed no picture")
    content = await result.files[0].read()
    if not content.startswith(PNG_MAGIC):
        raise UnexpectedReply(f"its picture is no PNG: {content[:16]!r}")
    return "its result was fetched"
