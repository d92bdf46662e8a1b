"""A database whose answers to some questions are on their way until a test lets them go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from comfywire.service.database.pool import Database, Row

__all__ = ["Held"]


class Held(Database):
    """Holds what it answers to the questions for one row whose values are ``held``."""

    def __init__(self, url: str, held: Callable[[Mapping[str, Any]], bool]) -> None:
        super().__init__(url)
        self._is_held = held
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def one(self, query: str, /, **values: Any) -> Row | None:
        found = await super().one(query, **values)
        if self._is_held(values):
            self.asked.set()
            await self.go_on.wait()
        return found
