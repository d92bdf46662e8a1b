"""Node packs for which data suffices: the widget types that they register, their nodes that no server has."""

from __future__ import annotations

from comfywire.workflow.conversion.packs.pack import Pack

__all__ = ["PACKS"]

PACKS = (
    Pack(
        "comfyui-crystools",
        virtual={"Show Metadata [Crystools]": "note"},
        shows={"Show any [Crystools]", "Show any to JSON [Crystools]"},
    ),
    Pack("comfyui-mxtoolkit", virtual={"mxReroute": "reroute"}),
    Pack("comfyui-rmbg", widget_types={"COLORCODE"}),
    Pack("comfy-mtb", widget_types={"MTB_COLOR", "FLOAT_CURVE"}, virtual={"Note Plus (mtb)": "note"}),
)
