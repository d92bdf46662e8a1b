"""The server that faults act on, as far as they need to know it: it stands above them, and knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from comfywire.server.execution.interruption import Interruption
    from comfywire.server.execution.prompt_queue import PromptQueue
    from comfywire.server.folders import Folders
    from comfywire.server.graph import NodeClass
    from comfywire.server.messages.publisher import Publisher
    from comfywire.server.messages.sockets import ClientSockets

__all__ = ["Attachment", "FaultyLife", "FaultyServer"]


class FaultyLife(Protocol):
    """What a restart would lose: :class:`~comfywire.server.prompt_server.PromptServer`."""

    classes: Mapping[str, NodeClass]
    folders: Folders
    interruption: Interruption
    number: int
    publisher: Publisher
    queue: PromptQueue
    sockets: ClientSockets


class FaultyServer(Protocol):
    """The whole: :class:`~comfywire.server.Server`."""

    @property
    def life(self) -> FaultyLife:
        """What a restart would lose."""

    @property
    def address(self) -> str:
        """Host and port."""

    @property
    def is_running(self) -> bool:
        """Whether it was started and neither killed nor closed since."""

    async def start(self) -> None:
        """Begin a life."""

    async def kill(self) -> None:
        """End it."""

    async def accept(self) -> None:
        """Listen, if nobody does."""

    async def refuse(self, *, drop_existing: bool) -> None:
        """Stop listening."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition()`` is true."""

    def later(self, seconds: float, action: Callable[[], Awaitable[object]]) -> None:
        """Do something after a while."""


class Attachment:
    """The server that faults act on, once there is one."""

    def __init__(self) -> None:
        self._server: FaultyServer | None = None

    @property
    def server(self) -> FaultyServer:
        """The server.

        Raises:
            RuntimeError: The faults were not given to a server yet.

        """
        if self._server is None:
            raise RuntimeError("these faults belong to no server: use server.faults, or Server(faults=...)")
        return self._server

    @server.setter
    def server(self, server: FaultyServer) -> None:
        if self._server not in (None, server):
            raise RuntimeError("these faults belong to another server; make new ones")
        self._server = server

    @property
    def life(self) -> FaultyLife:
        """What a restart would lose."""
        return self.server.life
