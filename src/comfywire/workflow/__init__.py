"""Workflows without I/O: the graph and everything known about it. Reads bytes and dicts, never paths."""

from .node import Node
from .prompt import Workflow

__all__ = ["Node", "Workflow"]
