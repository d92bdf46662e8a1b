"""Node classes from a Python file, in the form in which custom nodes come."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfywire.server.graph import NodeClass

__all__ = ["load_nodes"]


def load_nodes(path: Path | str) -> dict[str, NodeClass]:
    """Run a Python file and return its node classes by class_type.

    These are its ``NODE_CLASS_MAPPINGS``, or without one every class in it that has a ``FUNCTION``. A class
    that declares ``host: ClassVar[NodeHost]`` gets the server's folders and progress bar there.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no Python file, or has no node classes.

    """
    path = Path(path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file: give one that defines NODE_CLASS_MAPPINGS")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, NodeClass] = getattr(module, "NODE_CLASS_MAPPINGS", None) or {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and hasattr(value, "FUNCTION")
    }
    if not found:
        raise ValueError(
            f"{path} has no node classes: define NODE_CLASS_MAPPINGS, or classes with a FUNCTION"
        )
    return found
