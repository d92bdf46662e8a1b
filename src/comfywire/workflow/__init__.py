"""Workflows without I/O: the graph and everything known about it. Reads bytes and dicts, never paths."""
