"""KJNodes: SetNode and GetNode, the file names of its nodes that save, and older splines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.packs.pack import Pack

if TYPE_CHECKING:
    from comfywire.workflow.conversion.packs.saved import SavedNode

__all__ = ["PACK"]

_SAVING = (
    "DecodeAndSaveVideo",
    "LoraExtractKJ",
    "ModelSaveKJ",
    "SaveImageKJ",
    "SaveImageWithAlpha",
    "SaveStringKJ",
)


def spline_editor(node: SavedNode) -> Mapping[str, Any] | None:
    """Return one spline as a list of splines, which the editor has made of it since it can hold several."""
    values = node.values
    points, coordinates = values.get("points_store"), values.get("coordinates")
    if not (isinstance(points, str) and points.startswith('[{"x"')):
        return None
    changed = {"points_store": f'[{{"points":{points},"color":"#1f77b4","name":"Spline 1"}}]'}
    if isinstance(coordinates, str) and coordinates.startswith("[{"):
        changed["coordinates"] = f"[{coordinates}]"
    node.warn(
        "its 'coordinates' are as the file saved them; the editor draws older splines anew, with others"
    )
    return changed


PACK = Pack(
    "comfyui-kjnodes",
    virtual={"SetNode": "setter", "GetNode": "getter"},
    nodes={"SplineEditor": spline_editor},
    texts={class_type: {"filename_prefix"} for class_type in _SAVING},
)
