"""Names of files as ComfyUI's own API tells them for a fleet: the subfolder begins with the job's id. Pure.

Two ComfyUIs have each a ``ComfyUI_00001_.png``. Programs hand ``filename``, ``subfolder`` and ``type`` back
to ``/view`` as they were told, and write ``subfolder/filename [type]`` where an output becomes an input.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from comfywire.client.results.shown import MODEL_SUFFIXES, cached_picture
from comfywire.service.jobs.output_folders import without_folders

__all__ = ["place_of", "shown_output"]


def shown_output(job_id: UUID, shown: Mapping[str, Any], *, has_folder: bool = False) -> dict[str, Any]:
    """Return what a node shows, with the job's id before the folder of every file.

    Args:
        job_id: Whose node it is.
        shown: As its ComfyUI says it, by key.
        has_folder: Whether the job has a folder for itself on the ComfyUI's disk, which shows nowhere.

    """
    told = without_folders(dict(shown)) if has_folder else dict(shown)
    return {key: _told(job_id, key, entries) for key, entries in told.items()}


def place_of(subfolder: str, filename: str) -> tuple[UUID, str] | None:
    """Return the job and the path of an output that :func:`shown_output` told; None for another name."""
    job, _, folder = subfolder.replace("\\", "/").strip("/").partition("/")
    try:
        return UUID(job), str(PurePosixPath(folder, filename))
    except ValueError:
        return None


def _told(job_id: UUID, key: str, entries: Any) -> Any:
    if not isinstance(entries, list):
        return entries
    return [_entry(job_id, key, entry) for entry in entries]


def _entry(job_id: UUID, key: str, entry: Any) -> Any:
    if isinstance(entry, dict) and isinstance(entry.get("filename"), str):
        folder = str(entry.get("subfolder") or "").replace("\\", "/").strip("/")
        return {**entry, "subfolder": f"{job_id}/{folder}" if folder else str(job_id)}
    if (cached := cached_picture(entry)) is not None:
        return {**entry, "id": f"{job_id}.{cached}"}
    if key == "result" and isinstance(entry, str) and _is_model(entry):
        return f"{job_id}/{entry}"  # 3D models are named by a bare text (nodes_load_3d.py, 0.33.0)
    return entry


def _is_model(name: str) -> bool:
    bare = name.partition(" [")[0]
    suffix = PurePosixPath(bare).suffix.lstrip(".").lower()
    return suffix in MODEL_SUFFIXES and not bare.startswith(("/", "\\"))
