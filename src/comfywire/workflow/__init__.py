"""Workflows without I/O: the graph and everything known about it. Reads bytes and dicts, never paths."""

from comfywire.workflow.conversion.convert import Conversion, convert
from comfywire.workflow.conversion.packs.pack import Pack
from comfywire.workflow.conversion.packs.saved import SavedNode
from comfywire.workflow.parameters.bind import FileInput
from comfywire.workflow.parameters.parameters import Parameter, Parameters
from comfywire.workflow.parameters.setting import Setting, parse_setting
from comfywire.workflow.validation.problems import Effect, Problem
from comfywire.workflow.workflow import Bound, Workflow

from .node import Node
from .object_info import ObjectInfo

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
