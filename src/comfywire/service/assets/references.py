"""Assets inside a prompt: objects where ComfyUI wants the name of a file. Pure.

The Comfy API v2 writes ``{"__type": "core/ASSET", "info": {"id": "<uuid>"}}``; other members of ``info`` are
hints, which the id outweighs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from comfywire.errors import ComfywireError

__all__ = ["ASSET", "MalformedReference", "asset_ids", "reference", "with_files", "with_values"]

ASSET = "core/ASSET"


class MalformedReference(ComfywireError):
    """An object of type ``core/ASSET`` does not say which asset it means.

    Attributes:
        node_id: The node whose input it is.

    """

    code = "missing_asset"
    http_status = 422

    def __init__(self, node_id: str) -> None:
        self.node_id = node_id
        super().__init__(
            f"node {node_id} has a {ASSET} object without info.id: put the UUID of an asset there, as text"
        )


def reference(asset_id: UUID) -> dict[str, Any]:
    """Return the object that means an asset."""
    return {"__type": ASSET, "info": {"id": str(asset_id)}}


def asset_ids(prompt: Mapping[str, Any]) -> list[UUID]:
    """Return the assets that the inputs of ``prompt`` name, each once, in the order of the nodes.

    Raises:
        MalformedReference: One has no id, or one that is no UUID.

    """
    found: dict[UUID, None] = {}

    def note(asset_id: UUID) -> None:
        found[asset_id] = None

    _replaced(prompt, note)
    return list(found)


def with_files(prompt: Mapping[str, Any], names: Mapping[UUID, str]) -> dict[str, Any]:
    """Return ``prompt`` with each asset replaced by its name in ``names``; the argument stays as it is.

    Raises:
        MalformedReference: One has no id, or one that is no UUID.
        KeyError: ``names`` lacks one.

    """
    return _replaced(prompt, names.__getitem__)


def with_values(
    prompt: Mapping[str, Any], values: Mapping[str, Mapping[str, Any]] | None
) -> Mapping[str, Any]:
    """Return ``prompt`` with other values, by node and input; the argument stays as it is."""
    if not values:
        return prompt
    changed = {
        node_id: {**prompt[node_id], "inputs": {**prompt[node_id]["inputs"], **inputs}}
        for node_id, inputs in values.items()
    }
    return {**prompt, **changed}


def _replaced(prompt: Mapping[str, Any], value_of: Callable[[UUID], Any]) -> dict[str, Any]:
    return {node_id: _in_node(node_id, node, value_of) for node_id, node in prompt.items()}


def _in_node(node_id: str, node: Any, value_of: Callable[[UUID], Any]) -> Any:
    if not isinstance(node, Mapping) or "inputs" not in node:
        return node
    return {**node, "inputs": _in_value(node_id, node["inputs"], value_of)}


def _in_value(node_id: str, value: Any, value_of: Callable[[UUID], Any]) -> Any:
    match value:
        case {"__type": "core/ASSET"}:
            return value_of(_id_of(node_id, value))
        case dict():
            return {key: _in_value(node_id, inner, value_of) for key, inner in value.items()}
        case list():
            return [_in_value(node_id, inner, value_of) for inner in value]
        case _:
            return value


def _id_of(node_id: str, reference: Mapping[str, Any]) -> UUID:
    match reference:
        case {"info": {"id": str(text)}}:
            try:
                return UUID(text)
            except ValueError:
                raise MalformedReference(node_id) from None
        case _:
            raise MalformedReference(node_id)
