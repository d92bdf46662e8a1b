"""AlekPet's nodes: the Painter's picture is named after the node that it is drawn on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.packs.pack import Pack

if TYPE_CHECKING:
    from comfywire.workflow.conversion.packs.saved import SavedNode

__all__ = ["PACK"]


def painter(node: SavedNode) -> Mapping[str, Any]:
    """Return the name under which the browser uploads the drawing."""
    return {"image": f"Paint_{node.id}.png"}


PACK = Pack("comfyui_custom_nodes_alekpet", widget_types={"PYCODE"}, nodes={"PainterNode": painter})
