"""The server's node types, asked for once: all of them are megabytes, and stall the server."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from comfywire.errors import ServerError, UnexpectedReply
from comfywire.transport.http import Http

if TYPE_CHECKING:
    from comfywire.workflow.object_info import ObjectInfo

__all__ = ["Catalogue"]

MOST_SINGLE_TYPES = 16
"""Up to so many node types are asked for one by one."""


class Catalogue:
    """``/object_info`` of one server, kept for as long as the client is open."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._types: dict[str, Any] = {}
        self._asked: set[str] = set()
        self._is_whole = False
        self._described: ObjectInfo | None = None
        self._reading = asyncio.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked for yet: what it says next will be what the server has now."""
        return not self._types

    async def whole(self, *, anew: bool = False) -> dict[str, Any]:
        """Return every node type; ``anew`` as the server has them now, not as it had them once."""
        async with self._reading:
            if anew or not self._is_whole:
                self.keep(await self._http.get_object("/object_info"), is_whole=True)
            return self._types

    async def described(self, *, anew: bool = False) -> ObjectInfo:
        """Return every node type with the server's version: the editor's documents are converted by both."""
        from comfywire.workflow.object_info import ObjectInfo  # noqa: PLC0415 - for documents alone

        types = await self.whole(anew=anew)
        if self._described is None or self._described.raw is not types:
            self._described = ObjectInfo(types, version=await self._version())
        return self._described

    async def _version(self) -> str | None:
        try:
            stats = await self._http.get_object("/system_stats")
        except (ServerError, UnexpectedReply):
            return None  # its node types tell its age roughly
        system = stats.get("system")
        version = system.get("comfyui_version") if isinstance(system, dict) else None
        return version if isinstance(version, str) else None

    async def of(self, class_types: Collection[str], *, anew: bool = False) -> dict[str, Any]:
        """Return what the server says of ``class_types``; those that it lacks are left out.

        What was asked for before is believed, files and models that it lists included, until somebody asks
        ``anew``.
        """
        missing = set(class_types) if anew else set(class_types) - self._asked
        if missing and (anew or not self._is_whole):
            if len(missing) > MOST_SINGLE_TYPES:
                return await self.whole(anew=anew)
            routes = [f"/object_info/{quote(class_type, safe='')}" for class_type in sorted(missing)]
            for found in await asyncio.gather(*(self._http.get_object(route) for route in routes)):
                self.keep(found)
            self._asked |= missing
        return self._types

    def keep(self, types: dict[str, Any], *, is_whole: bool = False) -> None:
        """Remember what the server has just said."""
        self._types = types if is_whole else {**self._types, **types}
        self._is_whole |= is_whole
