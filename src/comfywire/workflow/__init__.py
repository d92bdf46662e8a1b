"""Workflows without I/O: the graph and everything known about it. Reads bytes and dicts, never paths."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comfywire.workflow.conversion.convert import Conversion, convert
    from comfywire.workflow.conversion.packs.pack import Pack
    from comfywire.workflow.conversion.packs.saved import SavedNode
    from comfywire.workflow.node import Node
    from comfywire.workflow.object_info import ObjectInfo
    from comfywire.workflow.parameters.bind import FileInput
    from comfywire.workflow.parameters.parameters import Parameter, Parameters
    from comfywire.workflow.parameters.setting import Setting, parse_setting
    from comfywire.workflow.validation.problems import Effect, Problem
    from comfywire.workflow.workflow import Bound, Workflow

__all__ = [
    "Bound",
    "Conversion",
    "Effect",
    "FileInput",
    "Node",
    "ObjectInfo",
    "Pack",
    "Parameter",
    "Parameters",
    "Problem",
    "SavedNode",
    "Setting",
    "Workflow",
    "convert",
    "parse_setting",
]

# Loaded on first use: who runs workflows in API format needs nothing that converts, checks or describes them,
# which is most of it.
_HOMES = {
    "Bound": "workflow",
    "Conversion": "conversion.convert",
    "convert": "conversion.convert",
    "Effect": "validation.problems",
    "FileInput": "parameters.bind",
    "Node": "node",
    "ObjectInfo": "object_info",
    "Pack": "conversion.packs.pack",
    "Parameter": "parameters.parameters",
    "Parameters": "parameters.parameters",
    "parse_setting": "parameters.setting",
    "Problem": "validation.problems",
    "SavedNode": "conversion.packs.saved",
    "Setting": "parameters.setting",
    "Workflow": "workflow",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
