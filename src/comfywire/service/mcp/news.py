"""Tells agents that listen when workflows were registered or retired; nobody listens for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ResourcesListChanged,
    ServerEvent,
    ToolsListChanged,
)

from comfywire.service.database.pool import Database

__all__ = ["WorkflowNews"]

CHANNEL = "comfywire_workflows"


class WorkflowNews:
    """A bus of MCP's events, fed by PostgreSQL from the first listener to the last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bus = InMemorySubscriptionBus()
        self._listeners = 0
        self._listening: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def publish(self, event: ServerEvent) -> None:
        """Tell everybody who listens."""
        await self._bus.publish(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Tell ``listener`` from now on; return what ends that."""
        unsubscribe = self._bus.subscribe(listener)
        self._listeners += 1
        if self._listening is None:
            listening = self._database.listen([CHANNEL], lambda *_: self._heard(), self._heard)
            self._listening = asyncio.create_task(listening, name="comfywire workflow news")

        def leave() -> None:
            unsubscribe()
            self._listeners -= 1
            if not self._listeners and self._listening is not None:
                self._listening.cancel()
                self._listening = None

        return leave

    def _heard(self) -> None:
        for event in (ToolsListChanged(), ResourcesListChanged()):
            telling = asyncio.create_task(self.publish(event), name="comfywire workflow news told")
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
