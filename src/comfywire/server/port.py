"""One TCP port that a server keeps, also while it does not listen."""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ["Port"]


class Port:
    """A port on one address; 0 becomes whatever the system chose, for good.

    While nobody listens, a bound socket that does not listen either holds the port: connections are
    refused, and the system gives the port to nobody else.
    """

    def __init__(self, host: str, number: int) -> None:
        self._host = host
        self.number = number
        self._reserved: socket.socket | None = None
        self._listener: socket.socket | None = None

    def listen(self) -> socket.socket:
        """Return a bound socket to listen on.

        Raises:
            OSError: The port is taken.

        """
        listener = self._bind()
        self.number = listener.getsockname()[1]
        listener.setblocking(False)
        self._listener = listener
        return listener

    def is_listened_to(self) -> None:
        """Give up the reservation, which listening makes superfluous."""
        self.release()

    def reserve(self) -> None:
        """Keep the port while nobody listens, from now on: whoever listened may stop behind this.

        Were it let go of first, the system could give it to any connection that begins in between. Only
        sockets that both say SO_REUSEPORT may have a port while one of them listens; the one that listens
        says so now, since until now nobody else should get in.
        """
        if self._reserved is None and self._listener is not None and hasattr(socket, "SO_REUSEPORT"):
            with contextlib.suppress(OSError):  # the system is another one: it is reserved behind the end
                self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                self._reserved = self._bind(socket.SO_REUSEPORT)
        self._listener = None

    def must_be_reserved(self) -> None:
        """Reserve the port now that nobody listens, where that was not possible before."""
        if self._reserved is None:
            self._reserved = self._bind()

    def release(self) -> None:
        """Let the port go."""
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    def _bind(self, *options: int) -> socket.socket:
        bound = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        try:
            for option in options:
                bound.setsockopt(socket.SOL_SOCKET, option, 1)
            # So that a restart, and a reservation, may follow at once on connections that are being closed.
            if os.name == "posix":  # elsewhere it would let others take the port while we listen
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self._host, self.number))
        except OSError:
            bound.close()
            raise
        return bound
