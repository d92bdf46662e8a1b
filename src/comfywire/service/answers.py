"""The answers that one process is giving, so that it can wait for those which somebody waits for."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Answers"]

SAFE = ("GET", "HEAD")


class Answers:
    """Counts the answers of an application that would be missed if they were cut off.

    Those are of requests that do something, from their beginning, and downloads, once they have begun. A
    stream of events has no end, and is opened again by who reads it, as a question that waits for news is
    asked again.

    Args:
        app: Answers.

    Attributes:
        are_last: Whether the connection ends with each answer: the next request of its client is another
            process's.
        open: How many there are.

    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.are_last = False
        self.open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; sockets are not counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counted = scope["method"] not in SAFE
        self.open += counted

        async def told(message: Message) -> None:
            nonlocal counted
            if message["type"] == "http.response.start":
                if self.are_last:
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
                if not counted and not _is_of_events(message):
                    counted = True
                    self.open += 1
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            self.open -= counted


def _is_of_events(start: Message) -> bool:
    return any(
        name.lower() == b"content-type" and text.startswith(b"text/event-stream")
        for name, text in start.get("headers", ())
    )
