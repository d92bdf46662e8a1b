"""Files that a prompt names with a text: the caller's own uploads, and outputs of the caller's jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any
from uuid import UUID

from comfywire.service.assets.cached_pictures import ids_in, place_of_id, upload_of_id
from comfywire.service.assets.file_names import FileName, replaced, texts_in
from comfywire.service.assets.references import reference
from comfywire.service.database.pool import Database
from comfywire.service.fleet.input_kinds import InputKind, InputKinds
from comfywire.service.sql import queries

__all__ = ["Values", "assets_by_name", "resolve_names"]

SQL = queries("assets")
Values = dict[str, dict[str, Any]]
"""Values of inputs, by node and input."""


async def resolve_names(
    database: Database, key_id: UUID, prompt: Mapping[str, Any], kinds: InputKinds
) -> Values:
    """Return the inputs of ``prompt`` that name files of the caller's, with ``core/ASSET`` objects instead.

    ``name`` and ``name [input]`` mean the newest upload that was given this name, with its folders, and that
    has not expired; ``job-id/name [output]`` an output of that job. What another key has is not found.
    """
    named = _file_inputs(prompt, kinds)
    cached = await _cached(database, key_id, prompt)
    texts = {text for inputs in named.values() for value in inputs.values() for text in texts_in(value)}
    answer = await assets_by_name(database, key_id, texts)

    def instead(text: str) -> Any:
        return reference(answer[text]) if text in answer else text

    return cached | {
        node_id: changed
        for node_id, inputs in named.items()
        if (
            changed := {
                name: replaced(value, instead)
                for name, value in inputs.items()
                if not answer.keys().isdisjoint(texts_in(value))
            }
        )
    }


async def assets_by_name(database: Database, key_id: UUID, texts: Iterable[str]) -> dict[str, UUID]:
    """Return the caller's assets that texts name, by text; what names none is left out."""
    names = {text: FileName.of(text) for text in texts}
    uploads = await _uploads(database, key_id, names)
    outputs = await _outputs(database, key_id, names)
    answer = {}
    for text, name in names.items():
        meant = [uploads[each] for each in (text, *name.uploads) if each in uploads]
        if (place := name.of_job) is not None and place in outputs:
            meant.append(outputs[place])
        if meant:
            answer[text] = meant[0]
    return answer


async def _cached(database: Database, key_id: UUID, prompt: Mapping[str, Any]) -> Values:
    """Return the inputs that name pictures of the caller's by the ids of a node pack's memory."""
    named = list(ids_in(prompt))
    uploads = {upload_of_id(value): value for _, _, value in named if place_of_id(value) is None}
    answer = {uploads[path]: asset for path, asset in (await _newest(database, key_id, uploads)).items()}
    places = {value: place for _, _, value in named if (place := place_of_id(value)) is not None}
    outputs = await _outputs_of(database, key_id, {job_id for job_id, _ in places.values()})
    answer |= {value: outputs[place] for value, place in places.items() if place in outputs}
    return {node: {name: reference(answer[value])} for node, name, value in named if value in answer}


async def _uploads(database: Database, key_id: UUID, names: Mapping[str, FileName]) -> dict[str, UUID]:
    wanted = sorted({each for text, name in names.items() for each in (text, *name.uploads)})
    return await _newest(database, key_id, wanted)


async def _newest(database: Database, key_id: UUID, paths: Iterable[str]) -> dict[str, UUID]:
    if not (wanted := list(paths)):
        return {}
    rows = await database.all(SQL["uploads_by_name"], key_id=key_id, names=wanted)
    return {row["file_path"]: row["id"] for row in rows}


async def _outputs(
    database: Database, key_id: UUID, names: Mapping[str, FileName]
) -> dict[tuple[UUID, str], UUID]:
    return await _outputs_of(
        database, key_id, {name.of_job[0] for name in names.values() if name.of_job is not None}
    )


async def _outputs_of(
    database: Database, key_id: UUID, jobs: AbstractSet[UUID]
) -> dict[tuple[UUID, str], UUID]:
    if not jobs:
        return {}
    rows = await database.all(SQL["outputs_of_jobs"], key_id=key_id, jobs=sorted(jobs))
    # A name without its subfolder does where no other output is called so.
    bare = {(row["job_id"], row["name"]): row["id"] for row in rows}
    whole = {(row["job_id"], row["file_path"]): row["id"] for row in rows}
    return bare | whole


def _file_inputs(prompt: Mapping[str, Any], kinds: InputKinds) -> Values:
    answer: Values = {}
    for node_id, node in prompt.items():
        for name, value in node.get("inputs", {}).items():
            if any(texts_in(value)) and kinds.kind(node["class_type"], name) is InputKind.FILE:
                answer.setdefault(node_id, {})[name] = value
    return answer
