"""Custom Scripts: its presets of texts are kept in the browser, so that no file has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfywire.workflow.conversion.packs.pack import Pack

if TYPE_CHECKING:
    from comfywire.workflow.conversion.graph import Graph

__all__ = ["PACK"]

_PRESET = "PresetText|pysssss"


def name_presets(graph: Graph, _warnings: list[str]) -> None:
    """Say which inputs keep their own value, since a preset's text is not in the file."""
    for preset in (node for node in graph.nodes.values() if node.type == _PRESET):
        values = preset.saved.get("widgets_values")
        called = repr(values[0]) if isinstance(values, list) and values else "its preset"
        for carrier in filter(None, map(graph.carrier, graph.links_from(preset.id))):
            node, name = carrier
            node.say(
                f"its {name!r} keeps its own value, since the text of preset {called} of node {preset.id} is "
                f"kept in the browser of who saved the file; write it into {name!r}"
            )


PACK = Pack(
    "comfyui-custom-scripts", virtual={_PRESET: "note"}, shows={"ShowText|pysssss"}, passes=(name_presets,)
)
