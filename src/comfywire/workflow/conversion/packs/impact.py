"""Impact Pack and Inspire Pack: a bridge's picture, and a menu of prompts.

Their other menus begin with a caption, "Select the ...", which conversion sends whatever pack has it
(`conversion/widgets.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.packs.pack import Pack

if TYPE_CHECKING:
    from comfywire.workflow.conversion.packs.saved import SavedNode

__all__ = ["PACKS"]


def preview_bridge(node: SavedNode) -> Mapping[str, Any] | None:
    """Return the id of the node's own picture, where an older version saved which file it was."""
    said = node.values.get("image")
    return {"image": f"${node.id}-0"} if isinstance(said, Mapping) or said in ("", None) else None


def prompt_builder(_node: SavedNode) -> Mapping[str, Any]:
    """Return the caption of the menu, whose choices only fill in the text."""
    return {"preset": "#PRESET"}


PACKS = (
    Pack(
        "comfyui-impact-pack",
        nodes={"PreviewBridge": preview_bridge, "PreviewBridgeLatent": preview_bridge},
    ),
    Pack("comfyui-inspire-pack", nodes={"PromptBuilder //Inspire": prompt_builder}),
)
