"""Faults of the whole server: killed, restarted, out of reach."""

from __future__ import annotations

from dataclasses import dataclass

from comfywire.server.faults.attachment import Attachment

__all__ = ["LifeFaults"]


@dataclass(slots=True)
class LifeFaults:
    """``server.faults.life``."""

    attachment: Attachment

    async def kill(self, *, restart_after: float | None = None) -> None:
        """End the server as SIGKILL does: connections are reset, queue, history and ids are lost.

        Args:
            restart_after: Seconds until it is back on the same port; None until :meth:`restart`.

        """
        server = self.attachment.server
        await server.kill()
        if restart_after is not None:
            server.later(restart_after, server.start)

    async def restart(self) -> None:
        """Start a killed server again on its old port; kill it first if it runs."""
        server = self.attachment.server
        if server.is_running:
            await server.kill()
        await server.start()

    async def refuse_connections(self, seconds: float | None = None, *, drop_existing: bool = True) -> None:
        """Refuse every new connection; prompts go on meanwhile.

        Args:
            seconds: For how long; None until :meth:`accept_connections`.
            drop_existing: Whether the connections that are open are reset as well.

        """
        server = self.attachment.server
        await server.refuse(drop_existing=drop_existing)
        if seconds is not None:
            server.later(seconds, server.accept)

    async def accept_connections(self) -> None:
        """Listen again."""
        await self.attachment.server.accept()
