"""Workflows without I/O: the graph and everything known about it. Reads bytes and dicts, never paths."""

from .binding import Bound, FileInput
from .node import Node
from .object_info import ObjectInfo
from .parameters import Parameter, Parameters
from .problems import Effect, Problem
from .prompt import Workflow
from .setting import Setting, parse_setting
from .ui_format import Conversion, convert

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
