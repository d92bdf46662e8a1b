"""ComfyUI-Easy-Use: its own Set/Get pair, widget types, file names, and a size that was saved in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.packs.pack import Pack

if TYPE_CHECKING:
    from comfywire.workflow.conversion.packs.saved import SavedNode

__all__ = ["PACK"]

_LOADERS = (
    "a1111",
    "cascade",
    "comfy",
    "dynamiCrafter",
    "flux",
    "full",
    "hunyuanDiT",
    "kolors",
    "mochi",
    "pixArt",
    "sv3d",
    "svd",
    "zero123",
)
_SAVING = (
    "detailerFix",
    "fullkSampler",
    "kSampler",
    "kSamplerDownscaleUnet",
    "kSamplerInpainting",
    "kSamplerSDTurbo",
    "kSamplerTiled",
)


def loader(node: SavedNode) -> Mapping[str, Any] | None:
    """Older versions said in Chinese that the size is a custom one."""
    is_old = node.values.get("resolution") == "自定义 x 自定义"
    return {"resolution": "width x height (custom)"} if is_old else None


PACK = Pack(
    "comfyui-easy-use",
    widget_types={
        "EASY_COMBO",
        "EASY_MULTI_ANGLE",
        "EASY_PROMPT_AWAIT_BAR",
        "EASY_PROMPT_STYLES",
        "EASY_TABLE_EDITOR",
    },
    virtual={"easy setNode": "setter", "easy getNode": "getter", "easy bookmark": "note"},
    shows={"easy showAnything", "easy showLoaderSettingsNames", "easy showTensorShape"},
    nodes={f"easy {name}Loader": loader for name in _LOADERS},
    texts={
        "easy imageSave": {"filename_prefix"},
        **{f"easy {name}": {"save_prefix"} for name in _SAVING},
    },
)
