"""Files for the inputs of a registered workflow: in each form that callers give, they become assets."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from comfywire.errors import InvalidParameter
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.by_name import assets_by_name
from comfywire.service.assets.by_url import RemoteFile, UnusableInput, fetch_input, from_base64
from comfywire.service.assets.references import reference
from comfywire.service.settings import Settings
from comfywire.service.workflows.records import WorkflowRecord
from comfywire.workflow import Parameter

__all__ = ["FileInputs"]

LONGEST_NAME = 1100
"""Characters: no upload's name has as many, and base64 often has more."""


class FileInputs:
    """Makes assets of the files among inputs.

    Args:
        assets: The service's assets.
        settings: The largest size, and which addresses may be reached.

    """

    def __init__(self, assets: Assets, settings: Settings) -> None:
        self._assets = assets
        self._settings = settings

    async def kept(self, record: WorkflowRecord, inputs: Mapping[str, Any], key_id: UUID) -> dict[str, Any]:
        """Return ``inputs`` with an asset's object for every file: fetched, decoded, or an asset already.

        Files are fetched after all other inputs were checked. Cancelling this may leave new assets, which
        the sweep removes when they expire.

        Raises:
            InvalidParameter: A name is unknown, a value not allowed, or one that is required is missing.
            UnusableInput: A file could not be fetched or decoded, or may not be used.
            TooLarge: A file is larger than an asset may be.

        """
        files = {name for name in inputs if record.parameters[name].is_file}
        record.bind({name: reference(uuid4()) if name in files else value for name, value in inputs.items()})
        return {
            name: await self._named(record.parameters[name], value, key_id) if name in files else value
            for name, value in inputs.items()
        }

    async def _named(self, parameter: Parameter, value: Any, key_id: UUID) -> dict[str, Any]:
        """Return the asset's object; an error says for which parameter there is none."""
        try:
            return await self._asset(parameter, value, key_id)
        except UnusableInput as error:
            raise UnusableInput(f"parameter {parameter.name!r}: {error}") from error

    async def _asset(self, parameter: Parameter, value: Any, key_id: UUID) -> dict[str, Any]:
        match value:
            case {"__type": "core/ASSET"}:
                return dict(value)
            case str() if (asset_id := _uuid(value)) is not None:
                return reference(asset_id)
            case str() if value.partition(":")[0].lower() in ("http", "https", "data"):
                async with fetch_input(value, settings=self._settings, owner=key_id) as file:
                    return await self._keep(parameter, file, key_id)
            case str() if value:
                named = await assets_by_name(self._assets.database, key_id, [value[:LONGEST_NAME]])
                if value in named:
                    return reference(named[value])
                file = from_base64(value, most=self._settings.max_upload_bytes)
                return await self._keep(parameter, file, key_id)
        raise InvalidParameter(
            f"parameter {parameter.name!r} is a file: give the id or the name of an asset, a URL, or base64"
        )

    async def _keep(self, parameter: Parameter, file: RemoteFile, key_id: UUID) -> dict[str, Any]:
        suffix = mimetypes.guess_extension(file.content_type) or ""
        # Some loaders tell formats by the end of the name.
        name = file.name if file.name and "." in file.name else f"{file.name or parameter.name}{suffix}"
        asset, _ = await self._assets.create(
            key_id,
            file.chunks,
            content_type=file.content_type,
            file_path=name,
            tags=("input",),
            is_named=False,
        )
        return reference(asset.id)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
