"""What a running prompt finds around it: the parts of the server that the worker's thread reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from comfywire.server.execution.interruption import Interruption
    from comfywire.server.execution.node_host import NodeHost
    from comfywire.server.graph import NodeClass
    from comfywire.server.messages.current import Current
    from comfywire.server.messages.publisher import Message

__all__ = ["PromptSurroundings", "Tricks"]


@dataclass(frozen=True, slots=True)
class Tricks:
    """What goes wrong on purpose in the worker's thread.

    Attributes:
        before_node: Called with the host, the prompt_id, the node_id and the class_type; it may take its
            time, and raise in the node's place.
        renamed: Returns what a node of a prompt shows, under the names that clients are told.
        lateness: Returns how many seconds late a prompt's history entry is written.

    """

    before_node: Callable[[NodeHost, str, str, str], None]
    renamed: Callable[[dict[str, list[Any]], str], dict[str, list[Any]]]
    lateness: Callable[[str], float]


@dataclass(frozen=True, slots=True)
class PromptSurroundings:
    """What a running prompt finds around it.

    Attributes:
        is_new: Whether it runs as in 0.33.0.
        classes: The node classes, bound to the server.
        host: What they see of it.
        current: Where the worker is; the prompt writes itself down here.
        interruption: Whether to go on.
        send: Queues a message; callable from any thread.
        tricks: What goes wrong on purpose.

    """

    is_new: bool
    classes: Mapping[str, NodeClass]
    host: NodeHost
    current: Current
    interruption: Interruption
    send: Callable[[Message], None]
    tricks: Tricks
