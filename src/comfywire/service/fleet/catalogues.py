"""What the fleet would say about a prompt, before it is queued: by the catalogues that workers have kept."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from comfywire.service.database.pool import Database, Row
from comfywire.service.fleet.input_kinds import InputKinds
from comfywire.service.fleet.verdicts import Verdict
from comfywire.service.sql import queries
from comfywire.workflow import ObjectInfo
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
        self._look: asyncio.Task[None] | None = None

    async def verdict(
        self,
        prompt: Mapping[str, Any],
        *,
        targets: Sequence[str] | None = None,
        models_may_come: bool = True,
    ) -> Verdict | None:
        """Return what the server that comes nearest would say about ``prompt``; None if none is known.

        Args:
            prompt: The graph.
            targets: The output nodes to run; None for all.
            models_may_come: Whether a model file that is not there is no reason to refuse: it may come, and
                the job waits for it. Any name of an input file is believed then, too.

        """
        best: Verdict | None = None
        for digest, catalogue in (await self._known()).items():
            version = self._versions.get(digest)
            has_file = _has_any if models_may_come else None
            problems = validate(prompt, catalogue, version=version, targets=targets, has_file=has_file)
            verdict = Verdict(catalogue, problems, models_may_come)
            if best is None or verdict.weight < best.weight:
                best = verdict
            if best.weight == (0, 0):
                break
        return best

    async def input_kinds(self) -> InputKinds:
        """Return which inputs take files on the servers that are known."""
        await self._known()
        return self._kinds

    async def newest_first(self) -> Mapping[str, ObjectInfo]:
        """Return the catalogues that are known by digest, that of the newest version first."""
        return await self._known()

    async def by_server(self) -> dict[str, ObjectInfo]:
        """Return the catalogue of each server of which one is known, by the server's URL."""
        known = await self._known()
        found = await self._database.all(SQL["catalogues_by_server"])
        return {row["url"]: known[row["digest"]] for row in found if row["digest"] in known}

    async def covering(self, class_types: Collection[str]) -> ObjectInfo | None:
        """Return the catalogue that has the most of these node types; None if no server is known."""
        known = (await self._known()).values()
        return max(known, key=lambda catalogue: sum(map(catalogue.__contains__, class_types)), default=None)

    async def _known(self) -> Mapping[str, ObjectInfo]:
        """Return the catalogues by digest, as they were seconds ago at the most.

        One look serves all who ask meanwhile, also when it fails: one after the other, each would wait for a
        database that is slow to answer, and the last of many submissions for minutes.
        """
        if self._clock() - self._looked_at > KEPT:
            if self._look is None:
                self._look = asyncio.create_task(self._read(), name="comfywire catalogues")
                self._look.add_done_callback(self._looked)
            await asyncio.shield(self._look)
        return self._parsed

    def _looked(self, look: asyncio.Task[None]) -> None:
        self._look = None
        if not look.cancelled():
            look.exception()  # who asked has heard of it, or waits no more

    async def _read(self) -> None:
        rows = sorted(await self._database.all(SQL["catalogues"]), key=_release, reverse=True)
        self._versions = {row["digest"]: row["version"] for row in rows}
        parsed = {digest: await self._get(digest, version) for digest, version in self._versions.items()}
        before = self._parsed
        if parsed.keys() != before.keys() or any(parsed[digest] is not before[digest] for digest in parsed):
            self._parsed, self._kinds = parsed, InputKinds(parsed.values())
        self._looked_at = self._clock()

    async def _get(self, digest: str, version: str | None) -> ObjectInfo:
        known = self._parsed.get(digest)
        if known is not None:
            return known if known.version == version else ObjectInfo(known.raw, version=version)
        answer = await self._database.one(SQL["object_info"], digest=digest)
        return await asyncio.to_thread(
            _parse, b"" if answer is None else bytes(answer["object_info"]), version
        )


def _parse(packed: bytes, version: str | None) -> ObjectInfo:
    return ObjectInfo(json.loads(gzip.decompress(packed)) if packed else {}, version=version)


def _has_any(name: str) -> bool:
    del name
    return True


def _release(row: Row) -> list[int]:
    """Return a server's version as numbers, so that the newest says what all say alike."""
    return [int(part) for part in re.findall(r"\d+", row["version"] or "")]
