"""The book of needs: what the jobs of the service need of a ComfyUI, as one worker last read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.placement import models_of

__all__ = ["Needs"]


class Needs:
    """Every need that a job of the service has; jobs that require the same have the same need.

    Attributes:
        requirements: The node types, model files and tags of each need, by the need's name.
        models: The model files of each need, by the need's name.
        proven: The needs of which a job has succeeded on any server; this worker's servers add to the set.

    """

    def __init__(self) -> None:
        self.requirements: dict[str, Mapping[str, Any]] = {}
        self.models: dict[str, frozenset[str]] = {}
        self.proven: set[str] = set()

    async def read(self, registry: Registry) -> list[str]:
        """Read the needs that are new; forget those that no job has any more, and return their names."""
        new = await registry.needs(self.requirements)
        self.proven |= await registry.proven(new) if new else set()
        self.requirements |= new
        self.models |= {need: models_of(requirement) for need, requirement in new.items()}
        gone = await registry.forgotten(self.requirements)
        for need in gone:
            del self.requirements[need], self.models[need]
        self.proven.difference_update(gone)
        return gone
