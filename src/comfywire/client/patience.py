"""How long the client waits for what may never come, and what a test would else wait for as well."""

from __future__ import annotations

from dataclasses import dataclass

from comfywire.protocol.feeds import OWED_WORD

__all__ = ["Patience"]


@dataclass(frozen=True, slots=True)
class Patience:
    """Times, in seconds.

    Attributes:
        owed_word: In which a socket must speak once something was sent to it; see ``protocol/feeds.py``.
        arrival: After a lost reply, in which the prompt may still turn up in the queue.
        reply: For a reply that is not needed any more, since messages show that the prompt is queued.
        greeting: In which a socket is opened and greeted: some proxies open one and swallow every frame.
        download: Before the second try of a download; twice as long before each further one.

    """

    owed_word: float = OWED_WORD
    arrival: float = 2.0
    reply: float = 5.0
    greeting: float = 10.0
    download: float = 0.1
