"""What a node shows, entry by entry, as its author meant it: files, texts and values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from comfywire.client.files.tooling import CACHE

__all__ = ["MODEL_SUFFIXES", "Shown", "cached_picture", "read_shown", "whole_texts"]

MODEL_SUFFIXES = ("glb", "gltf", "obj", "stl", "ply", "fbx", "splat", "ksplat", "spz", "usdz", "3mf", "dae")
"""Files of 3D models and of what is seen with them."""
FLAGS = frozenset({"animated"})
"""Keys that describe their siblings and are no outputs themselves."""
ROOTS = ("output", "temp", "input")
# These save into the temporary folder and show a bare name all the same (nodes_load_3d.py, 0.33.0).
SHOW_TEMPORARY = frozenset({"Preview3DAdvanced", "PreviewGaussianSplat", "PreviewPointCloud"})
NAME = re.compile(r"(?P<path>[^\x00-\x1f:]+?)(?: \[(?P<root>output|temp|input)\])?")
"""A name below one of the server's folders: no URL, no drive letter."""
CACHE_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
CACHE_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One thing that a node shows.

    Attributes:
        key: The key under which it stands.
        value: The text or the value; of a file, what the server says of it.
        filename: Of a file, its name; else None.
        subfolder: The folder below the root.
        roots: Where the file is: ``output``, ``temp`` or ``input``. A bare name leaves that open: the
            likeliest comes first.
        is_moving: Whether the node says that the picture is an animation.

    """

    key: str
    value: Any
    filename: str | None = None
    subfolder: str = ""
    roots: Sequence[str] = field(default=("output",))
    is_moving: bool = False

    @property
    def is_bare(self) -> bool:
        """Whether it is a file of which the node gave the name alone."""
        return self.filename is not None and isinstance(self.value, str)

    @property
    def path(self) -> tuple[str, str | None]:
        """Folder and name of a file, whichever root it is in."""
        return self.subfolder, self.filename


def read_shown(shown: Mapping[str, Any], class_type: str | None) -> list[Shown]:
    """Return what a node shows; a file that it lists twice comes once."""
    found = [
        one
        for key, entries in shown.items()
        if key not in FLAGS
        for one in _of_key(key, entries, shown.get("animated"), class_type)
    ]
    # Versions after 0.33.0 describe a model under `3d` as well as naming it under `result`.
    listed = {one.path for one in found if one.filename is not None and not one.is_bare}
    kept: list[Shown] = []
    for one in found:
        if one.is_bare and one.path in listed:
            continue
        if one.is_bare:
            listed.add(one.path)
        kept.append(one)
    return kept


def whole_texts(entries: Any) -> list[Any]:
    """Return the entries of one key as a list, and a text that came letter by letter as one.

    A node may show a bare text where a list is due; ComfyUI then lists its letters (execution.py,
    ``get_output_from_returns``, 0.3.64 and 0.33.0). Texts of one letter each cannot be told from that.
    """
    if not isinstance(entries, list):
        return [entries]
    if len(entries) > 1 and all(isinstance(entry, str) and len(entry) == 1 for entry in entries):
        return ["".join(entries)]
    return entries


def cached_picture(entry: object) -> str | None:
    """Return a name for a picture that a node of comfyui-tooling-nodes 3.3.0 keeps in the server's memory.

    ``ETN_SaveImageCache`` tells ``{"source": "http", "id": ..., "content-type": ...}`` of it (nodes.py); the
    name is that id with the suffix of its type. None for anything else.
    """
    match entry:
        case {"source": "http", "id": str(name), "content-type": str(kind)} if kind in CACHE_SUFFIXES:
            return f"{name}.{CACHE_SUFFIXES[kind]}" if CACHE_ID.fullmatch(name) else None
        case _:
            return None


def _of_key(key: str, entries: Any, moves: object, class_type: str | None) -> Iterator[Shown]:
    listed = whole_texts(entries)
    is_model = key == "result" and any(_named(entry, class_type) is not None for entry in listed)
    for place, entry in enumerate(listed):
        if isinstance(entry, dict) and isinstance(entry.get("filename"), str):
            root = str(entry.get("type") or "output")
            subfolder = str(entry.get("subfolder") or "")
            yield Shown(key, entry, entry["filename"], subfolder, (root,), is_moving=_flag(moves, place))
        elif (cached := cached_picture(entry)) is not None:
            yield Shown(key, entry, cached, roots=(CACHE,))
        elif is_model and (file := _named(entry, class_type)) is not None:
            yield file
        elif entry is not None and not (is_model and entry in ([], {})):
            yield Shown(key, entry)


def _named(entry: object, class_type: str | None) -> Shown | None:
    """Return the file that a bare text of `result` names: a 3D model, or the picture behind it.

    The lists are ``[model, camera, background or the model's place]`` (comfy_api/latest/_ui.py,
    ``PreviewUI3D`` and ``PreviewUI3DAdvanced``, 0.33.0); the background is ``temp/bg_….png``.
    """
    match = NAME.fullmatch(entry.replace("\\", "/")) if isinstance(entry, str) else None
    if match is None or match["path"].startswith("/") or ".." in match["path"].split("/"):
        return None
    path, root = PurePosixPath(match["path"]), match["root"]
    if path.parts[0] == "temp" and path.name.startswith("bg_") and path.suffix == ".png":
        return Shown("result", entry, path.name, roots=("temp",))
    if path.suffix.lstrip(".").lower() not in MODEL_SUFFIXES:
        return None
    first = root or ("temp" if class_type in SHOW_TEMPORARY else "output")
    others = () if root else tuple(other for other in ROOTS if other != first)
    subfolder = "" if str(path.parent) == "." else str(path.parent)
    return Shown("result", entry, path.name, subfolder, (first, *others))


def _flag(flags: object, place: int) -> bool:
    """``animated`` is one flag for all, or one for each."""
    if not isinstance(flags, Sequence) or not flags:
        return False
    return flags[min(place, len(flags) - 1)] is True
