"""The folder that a job has for itself on a ComfyUI: before all that it saves, and shown nowhere. Pure.

Who shares a ComfyUI with others can name its files: `x_00001_.png [output]`. A folder that nobody can guess
keeps the outputs of a key from the others, wherever a node reads files by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["prefixed", "without_folder"]

PREFIX = "filename_prefix"
"""What nodes call the beginning of a file's name, folders included (folder_paths.py, get_save_image_path)."""
DRIVE = re.compile(r"[A-Za-z]:")


def prefixed(prompt: Mapping[str, Any], folder: str | None) -> Mapping[str, Any]:
    """Return ``prompt`` with ``folder`` before all that its nodes save; the argument stays as it is."""
    if folder is None:
        return prompt
    return {node_id: _in_node(node, folder) for node_id, node in prompt.items()}


def without_folder(value: Any, folder: str | None) -> Any:
    """Return what a ComfyUI says, JSON or text, as it would say it without ``folder``."""
    match value:
        case str() if folder is not None:
            return re.sub(rf"{folder}(?:/|\\+)?", "", value)
        case dict() if folder is not None:
            return {
                without_folder(name, folder): without_folder(inner, folder) for name, inner in value.items()
            }
        case list() if folder is not None:
            return [without_folder(inner, folder) for inner in value]
        case _:
            return value


def _in_node(node: Any, folder: str) -> Any:
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    if not isinstance(inputs, Mapping):
        return node
    changed = {
        name: f"{folder}/{value}"
        for name, value in inputs.items()
        # In dynamic combos an input has the name of the combo before its own, with a dot.
        if name.rpartition(".")[2] == PREFIX and isinstance(value, str) and _stays_below(value)
    }
    return {**node, "inputs": {**inputs, **changed}} if changed else node


def _stays_below(prefix: str) -> bool:
    """Whether a file of this prefix is below the folder before it; ComfyUI refuses most of the others."""
    depth = 0
    for part in re.split(r"[/\\]", prefix):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return False
    return not prefix.startswith(("/", "\\")) and not DRIVE.match(prefix)
