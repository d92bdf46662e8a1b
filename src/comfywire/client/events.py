"""What ``job.events()`` yields: the server's messages, as their readers want to import them."""

from comfywire.protocol.messages import (
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    NodeProgress,
    PreviewImage,
    Progress,
    ProgressState,
    ProgressText,
    Unknown,
)
from comfywire.protocol.session import Event
from comfywire.protocol.snapshots import QueueSnapshot
from comfywire.protocol.tracked import SocketImage

__all__ = [
    "Event",
    "Executed",
    "Executing",
    "ExecutionCached",
    "ExecutionError",
    "ExecutionInterrupted",
    "ExecutionStart",
    "ExecutionSuccess",
    "NodeProgress",
    "PreviewImage",
    "Progress",
    "ProgressState",
    "ProgressText",
    "QueueSnapshot",
    "SocketImage",
    "Unknown",
]
