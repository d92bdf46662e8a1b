"""How a server is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from comfywire.server.graph import NodeClass

__all__ = ["MAX_UPLOAD_BYTES", "Profile", "ServerOptions"]

MAX_UPLOAD_BYTES = 104_857_600
"""ComfyUI's own limit (cli_args.py, --max-upload-size, 0.3.64)."""

Profile = Literal["0.3.64", "0.33.0"]


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What :class:`~comfywire.server.Server` was given; it outlives a restart."""

    host: str = "127.0.0.1"
    port: int = 0
    step_time: float = 0.0
    folder: Path | None = None
    profile: Profile = "0.3.64"
    previews: bool = True
    nodes: Mapping[str, NodeClass] = field(default_factory=dict)
    object_info: Mapping[str, Any] = field(default_factory=dict)
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    faults_over_http: bool = False
    tooling: bool = False
    token: str | None = field(default=None, repr=False)
    join_timeout: float = 5.0
    """Seconds for a node that does not let go, when the server stops: then its thread is left behind."""

    @property
    def is_new(self) -> bool:
        """Whether the server answers as 0.33.0 does."""
        return self.profile == "0.33.0"
