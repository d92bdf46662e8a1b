"""rgthree-comfy: the Power Lora Loader's rows, and its nodes that only switch others on and off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.packs.pack import Pack

if TYPE_CHECKING:
    from comfywire.workflow.conversion.packs.saved import SavedNode

__all__ = ["PACK"]

_TWO_STRENGTHS = "Separate Model & Clip"
# What extends RgthreeBaseVirtualNode; their switching is in the modes of the nodes, as they were saved.
_VIRTUAL = (
    "Bookmark (rgthree)",
    "Fast Actions Button (rgthree)",
    "Fast Bypasser (rgthree)",
    "Fast Groups Bypasser (rgthree)",
    "Fast Groups Muter (rgthree)",
    "Fast Muter (rgthree)",
    "Label (rgthree)",
    "Mute / Bypass Relay (rgthree)",
    "Mute / Bypass Repeater (rgthree)",
    "Node Collector (rgthree)",
    "Node Combiner (rgthree)",
    "Random Unmuter (rgthree)",
)


def power_lora_loader(node: SavedNode) -> Mapping[str, Any]:
    """Return ``lora_1``, ``lora_2``, ...: the rows that name a LoRA, or have a place for one."""
    two = node.properties.get("Show Strengths") == _TWO_STRENGTHS
    values = node.widgets_values
    saved = values if isinstance(values, list) else values.values()
    rows = [row for row in saved if isinstance(row, Mapping) and "lora" in row]
    return {f"lora_{number}": _row(row, two=two) for number, row in enumerate(rows, 1)}


def _row(saved: Mapping[str, Any], *, two: bool) -> dict[str, Any]:
    row = {key: value for key, value in saved.items() if key != "strengthTwo"}
    if two:
        second = saved.get("strengthTwo")
        row["strengthTwo"] = 1 if second is None else second
    return row


PACK = Pack(
    "rgthree-comfy",
    virtual={**dict.fromkeys(_VIRTUAL, "note"), "Reroute (rgthree)": "reroute"},
    shows={
        "Display Any (rgthree)",
        "Display Int (rgthree)",
        "Image Comparer (rgthree)",
        "Seed (rgthree)",
    },
    nodes={"Power Lora Loader (rgthree)": power_lora_loader},
)
