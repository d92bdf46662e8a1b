"""Efficiency Nodes: a seed of -1 is drawn when the prompt is made, since the server's least is 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.packs.pack import Pack

if TYPE_CHECKING:
    from comfywire.workflow.conversion.packs.saved import SavedNode

__all__ = ["PACK"]

_SEEDS = range(2**50)
# Not Noise Control Script, which does without.
_NODES = (
    "HighRes-Fix Script",
    "KSampler (Efficient)",
    "KSampler Adv. (Efficient)",
    "KSampler SDXL (Eff.)",
    "Tiled Upscaler Script",
)


def draw_seed(node: SavedNode) -> Mapping[str, Any] | None:
    """Return a seed for each that is -1."""
    values = node.values
    drawn = [name for name in ("seed", "noise_seed") if values.get(name) == -1]
    return {name: node.choose(_SEEDS) for name in drawn}


PACK = Pack("efficiency-nodes-comfyui", nodes=dict.fromkeys(_NODES, draw_seed))
