"""Custom Scripts: its presets of texts are kept in the browser, so that no file has them.

There is one that every browser begins with (web/js/presetText.js, getPresets); people may have changed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfywire.workflow.conversion.packs.pack import Pack

if TYPE_CHECKING:
    from comfywire.workflow.conversion.graph import Graph

__all__ = ["PACK"]

_PRESET = "PresetText|pysssss"
_EVERYWHERE = {"default negative": "worst quality"}


def put_presets(graph: Graph, _warnings: list[str]) -> None:
    """Put the preset that every browser has where it is used, and say of each that it is not in the file."""
    for preset in (node for node in graph.nodes.values() if node.type == _PRESET):
        values = preset.saved.get("widgets_values")
        called = values[0] if isinstance(values, list) and values and isinstance(values[0], str) else ""
        for carrier in filter(None, map(graph.carrier, graph.links_from(preset.id))):
            node, name = carrier
            index = node.widget_index(name)
            kept = "keeps its own value"
            if index is not None and called in _EVERYWHERE:
                node.values[index] = _EVERYWHERE[called]
                kept = f"is {_EVERYWHERE[called]!r}, as in every new browser"
            node.say(
                f"its {name!r} {kept}, since the text of preset {called!r} of node {preset.id} is kept in "
                f"the browser of who saved the file; write it into {name!r}"
            )


PACK = Pack(
    "comfyui-custom-scripts", virtual={_PRESET: "note"}, shows={"ShowText|pysssss"}, passes=(put_presets,)
)
