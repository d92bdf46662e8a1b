"""Workflows without I/O: the graph and everything known about it. Reads bytes and dicts, never paths."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from comfywire.workflow.parameters.bind import FileInput
from comfywire.workflow.parameters.parameters import Parameter, Parameters
from comfywire.workflow.parameters.setting import Setting, parse_setting
from comfywire.workflow.validation.problems import Effect, Problem
from comfywire.workflow.workflow import Bound, Workflow

from .node import Node
from .object_info import ObjectInfo

if TYPE_CHECKING:
    from comfywire.workflow.conversion.convert import Conversion, convert
    from comfywire.workflow.conversion.packs.pack import Pack
    from comfywire.workflow.conversion.packs.saved import SavedNode

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

# Loaded on first use: who runs workflows in API format needs nothing that converts, which is half of it all.
_HOMES = {
    "Conversion": "conversion.convert",
    "convert": "conversion.convert",
    "Pack": "conversion.packs.pack",
    "SavedNode": "conversion.packs.saved",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
