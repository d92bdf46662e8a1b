"""A ComfyUI-compatible server for first runs and for tests.

Importing this package costs nothing; using a name of it needs Pillow and NumPy.

Raises:
    MissingExtra: On the first use of a name, when the extra ``server`` is not installed.

"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from comfywire.errors import MissingExtra

if TYPE_CHECKING:
    from comfywire.server.embedded import Server
    from comfywire.server.faults import Faults
    from comfywire.server.own_nodes import load_nodes
    from comfywire.server.running import run, serve_forever, server_in_thread

__all__ = ["Faults", "Server", "load_nodes", "run", "serve_forever", "server_in_thread"]

HOMES = {
    "Faults": "faults",
    "Server": "embedded",
    "load_nodes": "own_nodes",
    "run": "running",
    "serve_forever": "running",
    "server_in_thread": "running",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("PIL", "numpy"):
            raise MissingExtra("the test server", "server") from error
        raise
