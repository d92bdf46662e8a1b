"""What a node says of itself: the real one's entry in /object_info, as recorded from both versions.

A class here has the behaviour; its inputs, outputs, tooltips and category are data in entries_0_3_64.json
and, where they differ, entries_0_33_0.json (written by tests/server/fidelity/renew_entries.py). A list of
files stands there as ``{"$files": [...], "also": [...]}``: it is read anew each time it is asked for.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from comfywire.server.execution.node_host import NodeHost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfywire.server.graph import ClassInputs, NodeClass

__all__ = ["BUT_FOR_TIES", "EXACT", "ONE_LEVEL", "SIMULATED", "DeclaredNode", "declared", "plain_hidden"]

EXACT = "exact"
ONE_LEVEL = "within one level of 255"
BUT_FOR_TIES = "exact but for ties"
SIMULATED = "simulated"

# What newer servers say of every node, if only as "no".
NEWER_DEFAULTS = {"is_input_list": False, "has_intermediate_output": False}
ATTRIBUTES = {"output_node": "OUTPUT_NODE", "category": "CATEGORY", "is_input_list": "INPUT_IS_LIST"}


class DeclaredNode:
    """A node in ComfyUI's form, but for its declaration: :func:`declared` adds that.

    Attributes:
        FIDELITY: How near the results are to the real node's.

    """

    FUNCTION = "execute"
    FIDELITY: ClassVar[str] = EXACT
    ENTRY: ClassVar[dict[str, Any]]
    INPUTS: ClassVar[ClassInputs]
    HAS_LISTS: ClassVar[bool]
    host: ClassVar[NodeHost]

    @classmethod
    def INPUT_TYPES(cls) -> ClassInputs:  # noqa: N802 - ComfyUI's name
        """Return the inputs, with the files that are there now."""
        if not cls.HAS_LISTS:
            return cls.INPUTS
        return {
            section: {name: cls._listed(name, spec) for name, spec in specs.items()}
            for section, specs in cls.INPUTS.items()
        }

    @classmethod
    def entry(cls) -> dict[str, Any]:
        """Return the entry in /object_info."""
        shown = {name: specs for name, specs in cls.INPUT_TYPES().items() if name != "hidden"}
        return {**cls.ENTRY, "input": {**cls.ENTRY["input"], **shown}}

    @classmethod
    def _listed(cls, name: str, spec: Any) -> Any:
        if _is_list_of_files(spec[0]):
            return [cls._files(name, spec[0]), *spec[1:]]
        if len(spec) > 1 and _is_list_of_files(spec[1].get("options")):
            return [spec[0], {**spec[1], "options": cls._files(name, spec[1]["options"])}]
        return spec

    @classmethod
    def _files(cls, name: str, mark: dict[str, Any]) -> list[str]:
        """List what is there, and models that the real server has whose object_info was given."""
        kinds = mark["$files"]
        known = cls.host.object_info.get(cls.__name__, {}) if kinds[0].startswith("model:") else {}
        found = cls.host.folders.listed(kinds, mark.get("also", []))
        return list(dict.fromkeys([*_choices(known, name), *found]))


def declared(name: str, node_class: NodeClass, *, is_new: bool) -> NodeClass | None:
    """Return the class with the declaration of one version, or None where that version lacks the node."""
    entry = _entries(is_new=is_new).get(name)
    if entry is None:
        return None
    attributes = {
        "ENTRY": entry,
        "INPUTS": {**entry["input"], "hidden": plain_hidden(entry)},
        "HAS_LISTS": "$files" in json.dumps(entry["input"]),
        # Classes of the newer schema (they say whether they are API nodes) have lists, and errors show it.
        "RETURN_TYPES": list(entry["output"]) if "api_node" in entry else tuple(entry["output"]),
        "OUTPUT_IS_LIST": tuple(entry["output_is_list"]),
        "__module__": node_class.__module__,
        "__doc__": node_class.__doc__,
    }
    attributes |= {ATTRIBUTES[key]: entry[key] for key in ATTRIBUTES if key in entry}
    return type(name, (node_class,), attributes)


def plain_hidden(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the hidden inputs as older nodes declare them; those of the newer schema list even these."""
    hidden = entry["input"].get("hidden", {})
    return {key: kind[0] if isinstance(kind, list) else kind for key, kind in hidden.items()}


def _is_list_of_files(value: Any) -> bool:
    return isinstance(value, dict) and "$files" in value


def _choices(entry: Mapping[str, Any], name: str) -> list[str]:
    """Return what an entry of /object_info offers for an input."""
    for specs in entry.get("input", {}).values():
        kind, *options = specs.get(name, [None])
        if isinstance(kind, list):
            return kind
        if kind == "COMBO":
            return list(options[0].get("options", []))
    return []


@cache
def _entries(*, is_new: bool) -> dict[str, dict[str, Any]]:
    older = _read("entries_0_3_64.json")
    if not is_new:
        return older
    newer = {name: entry | NEWER_DEFAULTS for name, entry in older.items()}
    for name, changes in _read("entries_0_33_0.json").items():
        if changes is None:
            del newer[name]
        else:
            newer[name] = newer.get(name, {}) | changes
    return newer


def _read(name: str) -> dict[str, Any]:
    entries: dict[str, Any] = json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return entries
