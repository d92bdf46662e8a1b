"""What one ComfyUI offers: its catalogue, read now and then, and the needs of jobs that it meets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from comfywire.client import Client
from comfywire.errors import ComfywireError
from comfywire.service.database.outage import AWAY
from comfywire.service.database.storable import as_storable
from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.placement import refusals
from comfywire.service.worker.pace import Pace
from comfywire.workflow.object_info import ObjectInfo

__all__ = ["Offer"]

MOST_FOLDERS = 100
"""Kinds of models; a ComfyUI has some twenty."""
TOOLING = "ETN_LoadImageCache"
"""A node of the pack comfyui-tooling-nodes, which also says what models are made for."""
DESCRIBED = ("checkpoints", "diffusion_models", "unet_gguf")
"""The folders of which krita-ai-diffusion asks that."""


class Offer:
    """Reads a ComfyUI's catalogue, compares needs with it, and records what the ComfyUI lacks for each need.

    Args:
        client: The client of the ComfyUI; the caller has opened it before anything is read.
        tags: The tags that the operator gave the ComfyUI.
        registry: Keeps catalogues, and what each ComfyUI lacks.
        pace: How long to wait between reads.

    Attributes:
        digest: The digest under which the registry keeps the catalogue; None before the first read.

    """

    def __init__(self, client: Client, tags: tuple[str, ...], registry: Registry, pace: Pace) -> None:
        self.digest: str | None = None
        self._client = client
        self._tags = tags
        self._registry = registry
        self._pace = pace
        self._catalogue: ObjectInfo | None = None
        self._lacks: dict[str, list[str]] = {}
        self._untold: dict[str, list[str]] = {}
        self._facts: dict[str, Any] | None = None
        self._read_at = self._asked_at = -inf

    @property
    def meets(self) -> frozenset[str]:
        """The needs for which the ComfyUI lacks nothing."""
        return frozenset(need for need, lacking in self._lacks.items() if not lacking)

    async def read(self, now: float) -> None:
        """Read the catalogue, and compare all needs with it if the catalogue has changed.

        Raises:
            ComfywireError: The ComfyUI does not send its catalogue.

        """
        object_info = await self._client.object_info()
        digest = await self._registry.keep_catalogue(object_info)
        if digest != self.digest:
            self._catalogue, self.digest, self._lacks = ObjectInfo(object_info), digest, {}
            self.learn(await self._registry.needs())
            self._facts = await _facts_of(self._client, has_tooling=TOOLING in object_info)
        self._read_at = self._asked_at = now

    async def read_if_due(self, now: float) -> None:
        """Read the catalogue when the last read is old, or when a job waits for what was lacking then."""
        if now >= self._read_at + self._pace.catalogue or await self._is_waited_for(now):
            await self.read(now)

    async def _is_waited_for(self, now: float) -> bool:
        wanting = [need for need, lacking in self._lacks.items() if any(map(_is_of_the_catalogue, lacking))]
        if not wanting or now < self._asked_at + self._pace.catalogue_wanted:
            return False
        self._asked_at = now
        return await self._registry.are_waited_for(wanting)

    def learn(self, needs: Mapping[str, Mapping[str, Any]]) -> bool:
        """Find out which of ``needs`` the ComfyUI meets; return whether one of them is new here."""
        if self._catalogue is None:
            return False
        new = {
            need: refusals(requirement, self._catalogue, self._tags)
            for need, requirement in needs.items()
            if need not in self._lacks
        }
        self._lacks |= new
        self._untold |= new
        return bool(new)

    def forget(self, needs: Iterable[str]) -> None:
        """Drop the needs that no job has any more."""
        for need in needs:
            self._lacks.pop(need, None)
            self._untold.pop(need, None)

    async def tell(self, url: str) -> None:
        """Record what was learnt since the last call; while the database is away, the next call does so."""
        if self._facts is not None:
            with contextlib.suppress(*AWAY):
                await self._registry.keep_facts(url, self._facts)
                self._facts = None
        if not (learnt := dict(self._untold)):
            return
        with contextlib.suppress(*AWAY):
            if await self._registry.refuse(url, learnt):
                # While the database was written, `learn` may have found more, or other reasons: those stay.
                self._untold = {need: why for need, why in self._untold.items() if learnt.get(need) != why}


async def _kinds_of(client: Client, folder: str) -> dict[str, Any]:
    with contextlib.suppress(ComfywireError):
        return await client.tooling.models(folder)
    return {}


async def _facts_of(client: Client, *, has_tooling: bool) -> dict[str, Any]:
    """Return what a ComfyUI says beside its catalogue; what an older one does not know is left out."""
    facts: dict[str, Any] = {"models": {}}
    with contextlib.suppress(ComfywireError):
        facts["system"] = (await client.system_stats()).get("system")
        facts["embeddings"] = await client.embeddings()
        for folder in (await client.models())[:MOST_FOLDERS]:
            facts["models"][folder] = await client.models(folder)
    if has_tooling:
        facts["model_info"] = {folder: await _kinds_of(client, folder) for folder in DESCRIBED}
    kept: dict[str, Any] = as_storable(facts)
    return kept


def _is_of_the_catalogue(lacking: str) -> bool:
    """Whether a node type or a model file is lacking, which a later read of the catalogue may have.

    Somebody may be installing it. A tag comes only with the worker's options, and so with a new process.
    """
    return not lacking.startswith("tag ")
