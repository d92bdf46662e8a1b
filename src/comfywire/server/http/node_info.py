"""/object_info: what a node class says of itself (server.py, node_info, 0.3.64)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfywire.server.graph import NodeClass

__all__ = ["node_info", "object_info"]

log = logging.getLogger("comfywire.server")


def node_info(name: str, node_class: NodeClass, *, is_new: bool = False) -> dict[str, Any]:
    """Return one class's entry; a class attribute that is not there leaves its key out, or its default."""
    if hasattr(node_class, "entry"):
        recorded: dict[str, Any] = node_class.entry()
        return recorded
    inputs = node_class.INPUT_TYPES()
    types = list(node_class.RETURN_TYPES)
    entry: dict[str, Any] = {
        "input": inputs,
        "input_order": {section: list(specs) for section, specs in inputs.items()},
        "output": types,
        "output_is_list": list(getattr(node_class, "OUTPUT_IS_LIST", [False] * len(types))),
        "output_name": list(getattr(node_class, "RETURN_NAMES", types)),
        "name": name,
        "display_name": getattr(node_class, "DISPLAY_NAME", name),
        "description": getattr(node_class, "DESCRIPTION", ""),
        "python_module": getattr(node_class, "RELATIVE_PYTHON_MODULE", "nodes"),
        "category": getattr(node_class, "CATEGORY", "sd"),
        "output_node": getattr(node_class, "OUTPUT_NODE", False) is True,
    }
    for key, attribute in (
        ("output_tooltips", "OUTPUT_TOOLTIPS"),
        ("deprecated", "DEPRECATED"),
        ("experimental", "EXPERIMENTAL"),
        ("api_node", "API_NODE"),
    ):
        if hasattr(node_class, attribute):
            entry[key] = getattr(node_class, attribute)
    if is_new:
        entry |= {
            "is_input_list": getattr(node_class, "INPUT_IS_LIST", False),
            "has_intermediate_output": False,
        }
    return entry


def object_info(classes: Mapping[str, NodeClass], *, is_new: bool = False) -> dict[str, Any]:
    """Return all entries; a class whose INPUT_TYPES raises is left out, as on a real server."""
    entries: dict[str, Any] = {}
    for name, node_class in classes.items():
        try:
            entries[name] = node_info(name, node_class, is_new=is_new)
        except Exception:
            log.exception("node class %s has no usable INPUT_TYPES", name)
    return entries
