"""Workflows without I/O: the graph and everything known about it. Reads bytes and dicts, never paths."""

from comfywire.workflow.conversion.convert import Conversion, convert

from .binding import Bound, FileInput
from .node import Node
from .object_info import ObjectInfo
from .parameters import Parameter, Parameters
from .problems import Effect, Problem
from .prompt import Workflow
from .setting import Setting, parse_setting

__all__ = [
    "Bound",
    "Conversion",
    "Effect",
    "FileInput",
    "Node",
    "ObjectInfo",
    "Parameter",
    "Parameters",
    "Problem",
    "Setting",
    "Workflow",
    "convert",
    "parse_setting",
]
