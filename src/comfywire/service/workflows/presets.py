"""What keys keep beside registered workflows: sets of values under names, and a picture that shows one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from comfywire.errors import ComfywireError
from comfywire.service.database.pool import Database, execute, row
from comfywire.service.sql import queries
from comfywire.service.workflows.registered import is_name

__all__ = [
    "LARGEST_PRESET",
    "MOST_PRESETS",
    "Preset",
    "PresetTooLarge",
    "Presets",
    "TooManyPresets",
    "UnknownPreset",
]

SQL = queries("presets")
MOST_PRESETS = 200
"""Presets that one key may have of one workflow."""
LARGEST_PRESET = 64 << 10
"""Bytes of a preset's values as JSON: a list has those of all presets."""


class UnknownPreset(ComfywireError):
    """The key has no preset of this name."""

    code = "not_found"
    http_status = 404


class TooManyPresets(ComfywireError):
    """The key has as many presets of a workflow as it may."""

    code = "too_many_presets"
    http_status = 409


class PresetTooLarge(ComfywireError):
    """The values of a preset are larger than any list of presets should have them."""

    code = "payload_too_large"
    http_status = 413


@dataclass(frozen=True, slots=True)
class Preset:
    """Values of inputs under a name."""

    name: str
    inputs: dict[str, Any]
    changed_at: datetime


class Presets:
    """The presets, and the examples of workflows, in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, key_id: UUID, workflow: str) -> list[Preset]:
        """Return a key's presets of a workflow, by name."""
        found = await self._database.all(SQL["list"], key_id=key_id, workflow=workflow)
        return [Preset(**one) for one in found]

    async def keep(self, key_id: UUID, workflow: str, name: str, inputs: Mapping[str, Any]) -> Preset:
        """Keep values under a name, in place of what had it.

        Raises:
            TooManyPresets: The key has as many as it may.
            PresetTooLarge: The values take more than ``LARGEST_PRESET`` bytes.

        """
        size = len(json.dumps(dict(inputs), ensure_ascii=False).encode("utf-8", "surrogatepass"))
        if size > LARGEST_PRESET:
            raise PresetTooLarge(
                f"the values of the preset {name!r} take {size} bytes, at most {LARGEST_PRESET} may be: "
                "keep long texts and lists elsewhere, and a file as an asset"
            )
        about = {"key_id": key_id, "workflow": workflow, "name": name}
        async with self._database.transaction() as connection:
            others = await row(connection, SQL["count_others"], **about)
            if others is not None and others["count"] >= MOST_PRESETS:
                raise TooManyPresets(
                    f"this key has {MOST_PRESETS} presets of {workflow!r}, the most that it may: delete one"
                )
            kept = await row(connection, SQL["keep"], **about, inputs=Jsonb(dict(inputs)))
        assert kept is not None
        return Preset(**kept)

    async def delete(self, key_id: UUID, workflow: str, name: str) -> None:
        """Forget a preset.

        Raises:
            UnknownPreset: There is none of this name.

        """
        about = {"key_id": key_id, "workflow": workflow, "name": name}
        if not is_name(workflow) or not await self._database.do(SQL["delete"], **about):
            raise UnknownPreset(
                f"this key has no preset {name!r} of {workflow!r}: list them to see which it has"
            )

    async def examples(self) -> dict[str, UUID]:
        """Return the asset that shows each workflow which has one, by the workflow's name."""
        return {one["workflow"]: one["asset_id"] for one in await self._database.all(SQL["examples"])}

    async def example(self, workflow: str) -> UUID | None:
        """Return the asset that shows a workflow; None where nobody chose one."""
        found = await self._database.one(SQL["example"], workflow=workflow)
        return None if found is None else found["asset_id"]

    async def set_example(self, key_id: UUID, workflow: str, asset_id: UUID | None, *, owner: UUID) -> bool:
        """Show a workflow by a copy of a key's asset, which is kept; None shows it by nothing.

        False if the key has no such asset.

        Args:
            key_id: Who chooses.
            workflow: What is shown.
            asset_id: The picture.
            owner: The key to which the copy belongs; links to assets of a revoked key open nothing.

        """
        async with self._database.transaction() as connection:
            copy = None
            if asset_id is not None:
                copy = await row(connection, SQL["keep_asset"], asset_id=asset_id, key_id=key_id, owner=owner)
                if copy is None:
                    return False
            await execute(connection, SQL["forget_example"], workflow=workflow)
            if copy is not None:
                await execute(connection, SQL["set_example"], workflow=workflow, asset_id=copy["id"])
        return True
