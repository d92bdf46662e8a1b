"""The catalogues that ship with the package: ComfyUI 0.33.0 and 0.3.64, and the names of node packs' widgets.

``bench/make_catalogues.py`` makes them. Of node packs they have class names, and the names, order and types
of inputs and outputs: enough to say whose a file's values are, not what a missing one would be.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeAlias

from comfywire.workflow.object_info import ObjectInfo

__all__ = ["Release", "packaged", "release_of", "shipped_types"]

Release: TypeAlias = Literal["0.3.64", "0.33.0"]
_NEWEST: Release = "0.33.0"
_OLD = (0, 3, 64)
_OLD_FRONT_END = (1, 27, 10)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


@cache
def packaged(release: Release = _NEWEST) -> ObjectInfo:
    """Return a catalogue that ships with the package: that ComfyUI, without node packs and models.

    It serves where no server is known. A server's own answer is better: its combos list the models and files
    that are there, and it has the node types of its version and its node packs. Read when first asked for.
    """
    newest = _read("comfyui_0_33_0")
    raw = newest if release == _NEWEST else _older(newest, _read("comfyui_0_3_64_difference"))
    return ObjectInfo(raw, is_packaged=True)


@cache
def shipped_types(release: Release = _NEWEST) -> ObjectInfo:
    """Return all that ships with the package, to convert a file by: ComfyUI's nodes, and node packs' names.

    For a file of the older release its own definition counts where a type is gone, or its widgets stand in
    another order by now; where only new ones were added at the end, the newest serves both.
    """
    newest = packaged()
    raw = {kind: {"name": kind, "names_only": True, **entry} for kind, entry in _read("packs").items()}
    raw.update(newest.raw)
    if release != _NEWEST:
        older = packaged(release)
        raw.update({kind: older.raw[kind] for kind in older if not _serves(newest, older, kind)})
    return ObjectInfo(raw, is_packaged=True)


def release_of(document: Mapping[str, Any]) -> Release:
    """Return which release a file of the editor was made with, as far as it says so; else the newest."""
    versions = list(_core_versions(document, 0))
    if versions:
        return "0.3.64" if max(versions) <= _OLD else _NEWEST
    extra = document.get("extra")
    front_end = _numbers(extra.get("frontendVersion")) if isinstance(extra, Mapping) else None
    return "0.3.64" if front_end is not None and front_end <= _OLD_FRONT_END else _NEWEST


def _core_versions(graph: Mapping[str, Any], depth: int) -> Iterator[tuple[int, ...]]:
    """Yield what the editor wrote as the version of ComfyUI's own nodes, of subgraphs' too."""
    nodes = graph.get("nodes")
    for node in nodes if isinstance(nodes, list) else ():
        properties = node.get("properties") if isinstance(node, Mapping) else None
        if isinstance(properties, Mapping) and properties.get("cnr_id") == "comfy-core":
            numbers = _numbers(properties.get("ver"))
            if numbers is not None:
                yield numbers
    definitions = graph.get("definitions")
    inner = definitions.get("subgraphs") if isinstance(definitions, Mapping) else None
    for one in inner if isinstance(inner, list) and depth < 1 else ():
        if isinstance(one, Mapping):
            yield from _core_versions(one, depth + 1)


def _numbers(said: Any) -> tuple[int, ...] | None:
    found = _VERSION.match(said) if isinstance(said, str) else None
    return tuple(map(int, found.groups())) if found is not None else None


def _serves(newest: ObjectInfo, older: ObjectInfo, kind: str) -> bool:
    if kind not in newest:
        return False
    had, has = (
        [made.name for made in catalogue[kind].inputs.values() if made.is_widget]
        for catalogue in (older, newest)
    )
    return has[: len(had)] == had


def _older(newest: Mapping[str, Any], difference: Mapping[str, Any]) -> dict[str, Any]:
    gone, fields, changed = (difference[key] for key in ("without", "fields", "changed"))
    kept = {kind: entry for kind, entry in newest.items() if kind not in set(gone)}
    raw = {
        kind: {field: value for field, value in entry.items() if field not in fields}
        for kind, entry in kept.items()
    }
    for kind, entry in changed.items():
        raw[kind] = {**raw.get(kind, {}), **entry}
    return raw


def _read(name: str) -> dict[str, Any]:
    packed = resources.files("comfywire.workflow.catalogues").joinpath(f"{name}.json.gz").read_bytes()
    found: dict[str, Any] = json.loads(gzip.decompress(packed))
    return found
