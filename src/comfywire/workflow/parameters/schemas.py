"""The JSON schema (2020-12) of a workflow's ``inputs``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from comfywire.workflow.parameters.parameters import Parameter, Parameters
from comfywire.workflow.parameters.values import RANDOM

__all__ = ["ASSET", "schema_of", "schema_of_file"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
LARGEST_SEED = 2**64 - 1
ASSET: Mapping[str, Any] = {
    "type": "object",
    "description": "An asset: upload it with POST /api/v2/assets, or take an output of another job.",
    "properties": {
        "__type": {"const": "core/ASSET"},
        "info": {
            "type": "object",
            "properties": {"id": {"type": "string", "format": "uuid"}},
            "required": ["id"],
        },
    },
    "required": ["__type", "info"],
}
"""An asset where a file goes, as the Comfy API v2 writes it."""
FILE: Sequence[Mapping[str, Any]] = [
    dict(ASSET),
    {"type": "string", "format": "uuid", "description": "The id of an asset."},
    {"type": "string", "pattern": "^https?://", "description": "A URL; the service fetches it."},
    {
        "type": "string",
        "pattern": "^data:",
        "contentEncoding": "base64",
        "description": "The bytes themselves: data:image/png;base64,...",
    },
]
MEDIA = {"image": "image/*", "mask": "image/*", "video": "video/*", "audio": "audio/*"}


def schema_of(
    parameters: Parameters,
    *,
    title: str,
    description: str = "",
    file: Sequence[Mapping[str, Any]] = FILE,
) -> dict[str, Any]:
    """Return the schema of ``inputs``; values that the schema allows are taken, and numbers as texts, too.

    Args:
        parameters: What can be set.
        title: The workflow's name.
        description: What it does.
        file: The schemas of what may stand for a file; by default what a job service takes.

    """
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "properties": {parameter.name: _property(parameter, file) for parameter in parameters},
        "required": [
            parameter.name for parameter in parameters if parameter.is_required and parameter.default is None
        ],
        "additionalProperties": False,
    }
    if description:
        schema["description"] = description
    return schema


def _property(parameter: Parameter, file: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    schema = _typed(parameter, file)
    if parameter.label:
        schema["title"] = parameter.label
    if parameter.help:
        schema["description"] = parameter.help
    if parameter.default is not None:
        schema["default"] = parameter.default
    if parameter.group:
        schema["x-group"] = parameter.group
    if parameter.role:
        schema["x-role"] = parameter.role
    return schema


def _typed(parameter: Parameter, file: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if parameter.is_file:
        return schema_of_file(parameter.type, file)
    match parameter.type:
        case "text":
            words: dict[str, Any] = {"type": "string", "x-multiline": parameter.is_multiline}
            return words | _choices(parameter)
        case "bool":
            return {"type": "boolean"}
        case "int":
            return {"type": "integer"} | _range(parameter, int) | _choices(parameter)
        case "float":
            return {"type": "number"} | _range(parameter, float) | _choices(parameter)
        case "seed":
            limits = {"minimum": 0, "maximum": LARGEST_SEED} | _range(parameter, int)
            return {"anyOf": [{"type": "integer"} | limits, {"const": RANDOM}]}
        case _:
            return _choices(parameter)


def schema_of_file(kind: str, file: Sequence[Mapping[str, Any]] = FILE) -> dict[str, Any]:
    """Return the schema of a file: by default an asset, its id, a URL, or the bytes in base64."""
    schema: dict[str, Any] = {"anyOf": [dict(each) for each in file], "x-file": kind}
    if kind in MEDIA:
        schema["contentMediaType"] = MEDIA[kind]
    return schema


def _range(parameter: Parameter, number: type[int | float]) -> dict[str, Any]:
    limits = {"minimum": parameter.minimum, "maximum": parameter.maximum, "x-step": parameter.step}
    return {name: number(limit) for name, limit in limits.items() if limit is not None}


def _choices(parameter: Parameter) -> dict[str, Any]:
    return {"enum": list(parameter.choices)} if parameter.choices else {}
