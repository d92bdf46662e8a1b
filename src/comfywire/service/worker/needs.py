"""The book of needs: what the jobs of the service want of a ComfyUI, as one worker has read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.placement import models_of

__all__ = ["Needs"]


class Needs:
    """All needs that jobs have, with what is known of each.

    Attributes:
        requirements: What each need consists of, by its name.
        models: The model files among that.
        proven: The needs of which a job has ended well, here or elsewhere. Servers add to them.

    """

    def __init__(self) -> None:
        self.requirements: dict[str, Mapping[str, Any]] = {}
        self.models: dict[str, frozenset[str]] = {}
        self.proven: set[str] = set()

    async def read(self, registry: Registry) -> list[str]:
        """Read what is new, and return the needs that no job has any more, which are forgotten here."""
        new = await registry.needs(self.requirements)
        self.proven |= await registry.proven(new) if new else set()
        self.requirements |= new
        self.models |= {need: models_of(requirement) for need, requirement in new.items()}
        gone = await registry.forgotten(self.requirements)
        for need in gone:
            del self.requirements[need], self.models[need]
        self.proven.difference_update(gone)
        return gone
