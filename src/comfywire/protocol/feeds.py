"""Which sockets should be open, and which of the open ones is deaf.

The facts (server.py, ``websocket_handler`` and ``send``, 0.3.64 and 0.33.0):

* One socket is registered per client_id; a prompt's messages go to the client_id that submitted it.
* When a handler ends, it removes the registration **of its client_id**, even if a newer socket holds it by
  then. The newer socket stays open, answers pings, and never hears a word again. A half-open connection
  makes the old handler end minutes or hours later.
* ``status`` is broadcast to every registered socket whenever the queue changes.

What follows, and why:

* *The same id only* keeps the progress of running prompts, but can go deaf at any later moment; during one
  long node nothing is due on it, so nothing would show.
* *A fresh id only* can never be removed by an old handler, but the prompts that were submitted under the
  old id go on in silence.
* So we do **both**. After every loss the main feed gets a fresh id, under which all later prompts are
  submitted: it hears every ``status``. The lost id is reopened beside it for as long as prompts of that id
  are open (an *echo*): it brings their progress back. An echo is never trusted to bring an end; reads look
  for that each second, and the echo is reopened at growing intervals while it is silent, old socket closed
  first, so that it registers again whatever an old handler did in the meantime.
* A socket that owes us a word (our own prompt was just accepted, or an end was learned by reading) and
  stays silent is deaf and is replaced. Pings prove nothing: a deaf socket answers them.
* While a prompt runs and the main feed is silent, nothing is owed. A second socket, the *witness*, is then
  opened under an id of its own: it hears the ``status`` that every queue change brings, and main should
  hear it at the same moment. So a feed that went deaf in mid-prompt is found out when the prompt ends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

__all__ = ["FeedKey", "FeedWatch"]

WITNESS_AFTER, SAME_MOMENT = 3.0, 1.0
"""Seconds of silence after which a witness is opened; how far apart two sockets may hear a status."""
OWED_WORD = 2.0
"""Seconds in which a socket must speak once something was sent to it."""
FIRST_REOPENING, SLOWEST_REOPENING = 3.0, 60.0
"""Seconds of silence after which an echo, or a deaf main feed again, is reopened: first, and at the most."""
ECHOES = 2
"""Lost ids that are reopened at the same time; prompts of older ones are followed by reads alone."""


class FeedKey(NamedTuple):
    """One socket: the shell opens each key that is wanted, and closes each that is not (closing first)."""

    client_id: str
    generation: int
    """Counts the sockets of one client_id; a new one means: close the old one, then open again."""


@dataclass(slots=True)
class _Feed:
    key: FeedKey
    is_open: bool = False
    last_heard: float = -inf
    speaks_by: float = inf
    """When it is deaf unless it speaks."""
    patience: float = FIRST_REOPENING
    reopen_at: float = inf

    def reopened(self) -> _Feed:
        key = FeedKey(self.key.client_id, self.key.generation + 1)
        return _Feed(key, patience=min(self.patience * 2, SLOWEST_REOPENING))


class FeedWatch:
    """Decides on values and ``now``; the shell opens and closes what :meth:`wanted` says."""

    def __init__(self, new_client_id: Callable[[], str], *, owed_word: float = OWED_WORD) -> None:
        self._new_client_id = new_client_id
        self._owed_word = owed_word
        self._main = _Feed(FeedKey(new_client_id(), 0))
        self._echoes: dict[str, _Feed] = {}
        self._witness: _Feed | None = None
        self._replaced_until = -inf
        self._patience = FIRST_REOPENING

    @property
    def client_id(self) -> str:
        """Under which prompts are submitted from now on."""
        return self._main.key.client_id

    @property
    def is_open(self) -> bool:
        """Whether the main feed is open."""
        return self._main.is_open

    @property
    def last_heard(self) -> float:
        """When the main feed last spoke, or opened."""
        return self._main.last_heard

    @property
    def has_company(self) -> bool:
        """Whether other sockets are open beside the main feed."""
        return bool(self._echoes) or self._witness is not None

    def is_trusted(self, client_id: str | None, now: float) -> bool:
        """Whether the messages of prompts submitted under ``client_id`` can be relied on."""
        main = self._main
        return main.is_open and client_id == main.key.client_id and main.speaks_by > now

    def is_main(self, key: FeedKey) -> bool:
        """Whether ``key`` is the feed on which new prompts are heard."""
        return key == self._main.key

    def wanted(self) -> tuple[FeedKey, ...]:
        """Every socket that should be open, the main one first."""
        if not self.has_company:
            return (self._main.key,)
        beside = [*self._echoes.values(), *([self._witness] if self._witness else [])]
        return (self._main.key, *(feed.key for feed in beside))

    def take_over(self, client_id: str) -> None:
        """Hear what is told to a client_id that was somebody else's: the newest socket of one is told."""
        if client_id != self._main.key.client_id and client_id not in self._echoes:
            self._add_echo(FeedKey(client_id, 0))

    def opened(self, key: FeedKey, now: float) -> None:
        """The socket was opened and greeted."""
        for feed in self._find(key):
            feed.is_open, feed.last_heard, feed.speaks_by = True, now, inf
            if feed is not self._main:
                feed.reopen_at = now + feed.patience

    def heard(self, key: FeedKey, now: float) -> None:
        """A frame came."""
        main = self._main
        if key == main.key:
            main.last_heard, main.speaks_by = now, inf
            self._patience = FIRST_REOPENING
            return
        for echo in self._find(key):
            echo.last_heard, echo.patience, echo.reopen_at = now, FIRST_REOPENING, now + FIRST_REOPENING

    def broadcast(self, key: FeedKey, now: float) -> None:
        """A status was heard on ``key``: if that is the witness, main has just heard it, or soon will."""
        main = self._main
        heard_alone = main.is_open and main.last_heard < now - SAME_MOMENT
        if heard_alone and self._witness is not None and self._witness.is_open and key == self._witness.key:
            main.speaks_by = min(main.speaks_by, now + SAME_MOMENT)

    def owes(self, client_id: str | None, since: float, now: float) -> None:
        """The server has sent something to ``client_id`` after ``since``: it should be heard soon."""
        main = self._main
        if main.is_open and main.key.client_id == client_id and main.last_heard < since:
            main.speaks_by = min(main.speaks_by, now + self._owed_word)

    def lost(self, key: FeedKey, open_ids: Collection[str], *, has_open: bool = False) -> None:
        """The socket closed, or could not be opened; ``open_ids`` are the client_ids of open prompts."""
        if key == self._main.key and self._main.is_open:
            self._replace_main(open_ids)
        elif self._witness is not None and key == self._witness.key:
            self._witness = self._witness.reopened()
        else:
            for echo in self._find(key):
                if echo.is_open:
                    self._echoes[key.client_id] = echo.reopened()
        self.retire(open_ids, has_open=has_open)

    def review(self, now: float, open_ids: Collection[str], *, has_open: bool = False) -> None:
        """Replace what has been silent for too long, and drop what nobody needs."""
        if self._main.speaks_by <= now and self._replaced_until <= now:
            # If another reader has stalled the server's publish loop, the next socket will be as deaf
            # (server.py, publish_loop, 0.3.64): do not open one each two seconds.
            self._replaced_until = now + self._patience
            self._patience = min(self._patience * 2, SLOWEST_REOPENING)
            self._replace_main(open_ids)
        for client_id, echo in list(self._echoes.items()):
            if echo.is_open and echo.reopen_at <= now:
                self._echoes[client_id] = echo.reopened()
        if self._witness_due(has_open=has_open) <= now:
            self._witness = _Feed(FeedKey(self._new_client_id(), 0))
        self.retire(open_ids, has_open=has_open)

    def next_review(self, *, has_open: bool = False) -> float:
        """When :meth:`review` may have something to do, given whether prompts of ours are open."""
        deaf = max(self._main.speaks_by, self._replaced_until)
        soonest = min(deaf, self._witness_due(has_open=has_open))
        return (
            min([soonest, *(echo.reopen_at for echo in self._echoes.values())]) if self._echoes else soonest
        )

    def _witness_due(self, *, has_open: bool) -> float:
        if not has_open or self._witness is not None or not self._main.is_open:
            return inf
        return self._main.last_heard + WITNESS_AFTER

    def retire(self, open_ids: Collection[str], *, has_open: bool = False) -> None:
        """Drop the echoes of ids that have no open prompts, and the witness where there are none at all."""
        if not has_open:
            self._witness = None
        for client_id in [known for known in self._echoes if known not in open_ids]:
            del self._echoes[client_id]

    def _replace_main(self, open_ids: Collection[str]) -> None:
        old = self._main
        self._main = _Feed(FeedKey(self._new_client_id(), 0))
        if old.key.client_id in open_ids:
            self._add_echo(FeedKey(old.key.client_id, old.key.generation + 1))

    def _add_echo(self, key: FeedKey) -> None:
        self._echoes[key.client_id] = _Feed(key)
        while len(self._echoes) > ECHOES:
            del self._echoes[next(iter(self._echoes))]

    def _find(self, key: FeedKey) -> Iterator[_Feed]:
        if key == self._main.key:
            yield self._main
        elif self._witness is not None and key == self._witness.key:
            yield self._witness
        elif (echo := self._echoes.get(key.client_id)) is not None and echo.key == key:
            yield echo
