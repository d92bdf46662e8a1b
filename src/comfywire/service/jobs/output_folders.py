"""The folder that a job has for itself on a ComfyUI: before all that it saves, and shown nowhere.

Who shares a ComfyUI with others can name its files: `x_00001_.png [output]`. A folder that nobody can guess
keeps the outputs of a key from the others, wherever a node reads files by name.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

__all__ = ["FOLDER", "MENTIONED", "new_output_folder", "prefixed", "without_folders"]

FOLDER = "cw[0-9a-f]{30}"
"""What every such folder looks like: what a ComfyUI has cached tells of the folder of an earlier job."""
PREFIX = "filename_prefix"
"""What nodes call the beginning of a file's name, folders included (folder_paths.py, get_save_image_path)."""
DRIVE = re.compile(r"[A-Za-z]:")
MENTIONED = re.compile(rf"{FOLDER}(?:/|\\{{1,8}})?")


def new_output_folder() -> str:
    """Return a folder for a job."""
    return f"cw{secrets.token_hex(15)}"


def prefixed(prompt: Mapping[str, Any], folder: str | None) -> Mapping[str, Any]:
    """Return ``prompt`` with ``folder`` before all that its nodes save; the argument stays as it is."""
    if folder is None:
        return prompt
    return {node_id: _in_node(node, folder) for node_id, node in prompt.items()}


def without_folders(value: Any) -> Any:
    """Return what a ComfyUI says, JSON or text, as it would say it of jobs without folders."""
    match value:
        case str():
            return MENTIONED.sub("", value)
        case dict():
            return {without_folders(name): without_folders(inner) for name, inner in value.items()}
        case list():
            return [without_folders(inner) for inner in value]
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
