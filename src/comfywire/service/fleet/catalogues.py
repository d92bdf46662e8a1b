"""What the fleet would say about a prompt, before it is queued: by the catalogues that workers have kept."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from comfywire.service.database.pool import Database
from comfywire.service.fleet.input_kinds import InputKinds
from comfywire.service.fleet.needs import MODEL_SUFFIXES
from comfywire.service.sql import queries
from comfywire.workflow import Effect, ObjectInfo, Problem
from comfywire.workflow.validation.validate import validate

__all__ = ["Catalogues"]

SQL = queries("operating")
KEPT = 5.0
"""Seconds for which the list of catalogues is believed."""


class Catalogues:
    """The catalogues of one database, parsed once each.

    Args:
        database: Where they are.
        clock: Seconds, for what is remembered.

    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._parsed: dict[str, ObjectInfo] = {}
        self._kinds = InputKinds()
        self._versions: dict[str, str | None] = {}
        self._looked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def objections(
        self, prompt: Mapping[str, Any], *, targets: Sequence[str] | None = None
    ) -> list[Problem]:
        """Return why every server would refuse ``prompt``; nothing if one might run it, or none is known.

        A model file that is not there is no reason: it may come, and the job waits for it. The fewest
        problems are told, as the server that comes nearest has them.
        """
        objections = []
        for digest, catalogue in (await self._known()).items():
            version = self._versions.get(digest)
            problems = [
                problem
                for problem in validate(
                    prompt, catalogue, version=version, targets=targets, has_file=lambda _: True
                )
                if problem.effect is Effect.REFUSED and not _is_about_a_model(problem)
            ]
            if not problems:
                return []
            objections.append(problems)
        return min(objections, key=len, default=[])

    async def input_kinds(self) -> InputKinds:
        """Return which inputs take files on the servers that are known."""
        await self._known()
        return self._kinds

    async def covering(self, class_types: Collection[str]) -> ObjectInfo | None:
        """Return the catalogue that has the most of these node types; None if no server is known."""
        known = (await self._known()).values()
        return max(known, key=lambda catalogue: sum(map(catalogue.__contains__, class_types)), default=None)

    async def _known(self) -> Mapping[str, ObjectInfo]:
        async with self._lock:
            if self._clock() - self._looked_at > KEPT:
                rows = await self._database.all(SQL["catalogues"])
                self._versions = {row["digest"]: row["version"] for row in rows}
                parsed = {digest: await self._get(digest) for digest in self._versions}
                if parsed.keys() != self._parsed.keys():
                    self._parsed, self._kinds = parsed, InputKinds(parsed.values())
                self._looked_at = self._clock()
            return self._parsed

    async def _get(self, digest: str) -> ObjectInfo:
        if (known := self._parsed.get(digest)) is not None:
            return known
        answer = await self._database.one(SQL["object_info"], digest=digest)
        return await asyncio.to_thread(_parse, b"" if answer is None else bytes(answer["object_info"]))


def _parse(packed: bytes) -> ObjectInfo:
    return ObjectInfo(json.loads(gzip.decompress(packed)) if packed else {})


def _is_about_a_model(problem: Problem) -> bool:
    value = problem.value
    return isinstance(value, str) and value.lower().endswith(MODEL_SUFFIXES)
