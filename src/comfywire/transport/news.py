"""Whether a server answers: who waits for one is told when it falls silent, and when it speaks again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

__all__ = ["News"]

log = logging.getLogger("comfywire")

UNANSWERED = 2.5
"""Seconds after which a request without an answer, or a socket that closed, is worth a word."""
FAILED = 1.0
"""Seconds after a failure in which an answer makes it not worth one: a connection may break at any time."""
LATE = 0.1
"""Seconds too late at which we were the silent ones: the loop was held up, or the machine asleep. What came
meanwhile is read in as long, before anything is told."""
Listener = Callable[[str, bool | None], None]
"""Given a sentence, and whether the server answers now; None where it is about something else."""


class News:
    """Listens to the exchanges with one server, and tells the listeners what people should know.

    A server that answers anything, or says anything on a socket, is there: that one node takes an hour is no
    silence. Needs a running loop.
    """

    def __init__(self, url: str, *, unanswered: float = UNANSWERED, failed: float = FAILED) -> None:
        self._url = url
        self._unanswered, self._failed = unanswered, failed
        self._loop = asyncio.get_running_loop()
        self.listeners: list[Listener] = []
        self._asked: dict[int, tuple[str, float]] = {}
        self._count = 0
        self._heard_at = -inf
        self._doubt: tuple[str, float] | None = None
        self._silent_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._was_late = False
        self._said: set[str] = set()

    @property
    def unheard_for(self) -> float:
        """Seconds since the server last said anything."""
        return self._loop.time() - self._heard_at

    @contextmanager
    def told_to(self, listener: Listener | None) -> Iterator[None]:
        """Tell ``listener`` inside the context, once; None listens to nothing."""
        if listener is None or listener in self.listeners:
            yield
            return
        self.listeners.append(listener)
        try:
            yield
        finally:
            if listener in self.listeners:
                self.listeners.remove(listener)

    def asked(self, what: str) -> Asked:
        """Something is asked of the server, and its answer is due inside the context."""
        return Asked(self, what)

    def ask(self, what: str) -> int:
        """Begin to wait for an answer, and return the number of the question; see :meth:`asked`."""
        self._count += 1
        now = self._loop.time()
        self._asked[self._count] = (what, now)
        self._look_at(now + self._unanswered)
        return self._count

    def answered(self, number: int) -> None:
        """The answer to a question is there, or will not come."""
        del self._asked[number]

    def heard(self) -> None:
        """The server has answered, or said something by itself."""
        self._heard_at = self._loop.time()
        self._doubt = None
        if self._silent_since is not None:
            seconds = self._heard_at - self._silent_since
            self._silent_since = None
            self._tell(f"{self._url} answers again, after {seconds:.0f} s", answers=True)
            self._look_in(self._unanswered)  # what was asked meanwhile may stay without an answer

    def failed(self, why: str) -> None:
        """A request came to nothing: the server was not reached, or broke off."""
        self._suspect(why, self._failed)

    def closed(self) -> None:
        """A socket closed: the server has gone, or somebody in between has cut the line."""
        self._suspect(f"the socket of {self._url} closed, and nothing was heard since", self._unanswered)

    def say_once(self, sentence: str) -> None:
        """Tell something that holds for good; nobody listening, it is logged."""
        if sentence in self._said:
            return
        self._said.add(sentence)
        if self.listeners:
            self._tell(sentence, answers=None)
        else:
            log.warning("%s", sentence)

    def must_be_in_its_loop(self) -> None:
        """Raise where nothing would ever be heard.

        Raises:
            RuntimeError: This is not the event loop in which the client was opened.

        """
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(
                "this client was opened in another event loop: open it in the one that uses it (asyncio.run "
                "makes a new one each time), or use comfywire.sync.Client"
            )

    @property
    def is_of_a_closed_loop(self) -> bool:
        """Whether nothing will ever be heard again."""
        return self._loop.is_closed()

    def close(self) -> None:
        """Nothing is told any more."""
        self.listeners.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _suspect(self, why: str, patience: float) -> None:
        if self._silent_since is None and self._doubt is None:
            self._doubt = (why, self._loop.time() + patience)
            self._look_in(patience)

    def _look_in(self, seconds: float) -> None:
        self._look_at(self._loop.time() + seconds)

    def _look_at(self, at: float) -> None:
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(at, self._look), at

    def _look(self) -> None:
        """Tell what is due, and look again when something next may be."""
        self._timer = None
        now = self._loop.time()
        if self._silent_since is not None:
            return  # told; the next word of the server's ends it
        if now - self._timer_at > LATE and not self._was_late:
            self._was_late = True
            self._look_in(LATE)
            return
        self._was_late = False
        why, due = self._oldest()
        if due <= now:
            self._silent_since = max(self._heard_at, now - self._unanswered)
            self._tell(why, answers=False)
        elif due < inf:
            self._look_in(due - now)

    def _oldest(self) -> tuple[str, float]:
        """What is wrong, and when that is worth a word."""
        reasons = [
            (
                f"{self._url} does not answer: {what} has had no reply for {self._unanswered:g} s",
                max(since, self._heard_at) + self._unanswered,
            )
            for what, since in self._asked.values()
        ]
        if self._doubt is not None:
            reasons.append(self._doubt)
        return min(reasons, key=lambda reason: reason[1], default=("", inf))

    def _tell(self, sentence: str, *, answers: bool | None) -> None:
        for listener in list(self.listeners):
            listener(sentence, answers)


class Asked:
    """A question to the server, open inside the context."""

    __slots__ = ("_news", "_number", "_what")

    def __init__(self, news: News, what: str) -> None:
        self._news, self._what, self._number = news, what, 0

    def __enter__(self) -> None:
        """Ask."""
        self._number = self._news.ask(self._what)

    def __exit__(self, *_: object) -> None:
        """Wait no more."""
        self._news.answered(self._number)
