"""VideoHelperSuite: values saved by name, and two older forms of what its nodes saved.

What a format of Video Combine brings is in its definition, and generic: `conversion/widgets.py` reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.packs.pack import Pack

if TYPE_CHECKING:
    from comfywire.workflow.conversion.packs.saved import SavedNode

__all__ = ["PACK"]

_COMBINE = ("frame_rate", "loop_count", "filename_prefix", "format", "pingpong", "save_output")
_VIDEO = (
    "video",
    "force_rate",
    "force_size",
    "frame_load_cap",
    "skip_first_frames",
    "select_every_nth",
)
_IMAGES = ("directory", "image_load_cap", "skip_first_images", "select_every_nth")
_BUTTON = ""
# What lists of before mid-2024 hold, which are saved by name since.
_LISTS = {
    "VHS_LoadVideo": _VIDEO,
    "VHS_LoadVideoPath": _VIDEO,
    "VHS_LoadImages": (_IMAGES[0], _BUTTON, *_IMAGES[1:]),
    "VHS_LoadImagesPath": _IMAGES,
    "VHS_VideoCombine": _COMBINE,
}
_SIZE = re.compile(r"\s*(\d+|\?)\s*x\s*(\d+|\?)\s*")


def load(node: SavedNode) -> Mapping[str, Any] | None:
    """Return the values of a node that loads pictures or a video; ``force_size`` became two numbers."""
    named = _by_name(node)
    return None if named is None else {**node.pour(named), **_sizes(named.get("force_size"))}


def combine(node: SavedNode) -> Mapping[str, Any] | None:
    """Return the values of Video Combine; ``save_output`` was called ``save_image``."""
    named = _by_name(node)
    if named is None:
        return None
    if "save_output" not in named and "save_image" in named:
        named = {**named, "save_output": named["save_image"]}
    return node.pour(named)


def _by_name(node: SavedNode) -> Mapping[str, Any] | None:
    """Return the saved values by name, or None where they are not saved at all."""
    values = node.widgets_values
    if isinstance(values, list):
        values = dict(zip(_LISTS.get(node.type, ()), values, strict=False))
    return values or None


def _sizes(said: Any) -> Mapping[str, int]:
    """Return what ``force_size`` says of width and height; 0 leaves one to the video."""
    match said:
        case "Disabled":
            return {"custom_width": 0, "custom_height": 0}
        case "Custom Height":
            return {"custom_width": 0}
        case "Custom Width":
            return {"custom_height": 0}
    size = _SIZE.fullmatch(said) if isinstance(said, str) else None
    if size is None:
        return {}
    width, height = (0 if side == "?" else int(side) for side in size.groups())
    return {"custom_width": width, "custom_height": height}


PACK = Pack(
    "comfyui-videohelpersuite",
    widget_types={"VHSPATH", "VHSTIMESTAMP", "VHSFLOAT", "VHSINT"},
    nodes={
        "VHS_LoadImages": load,
        "VHS_LoadImagesPath": load,
        "VHS_LoadVideo": load,
        "VHS_LoadVideoFFmpeg": load,
        "VHS_LoadVideoFFmpegPath": load,
        "VHS_LoadVideoPath": load,
        "VHS_VideoCombine": combine,
    },
    texts={"VHS_VideoCombine": {"filename_prefix"}},
)
