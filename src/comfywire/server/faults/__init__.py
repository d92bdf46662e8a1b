"""Scripted faults: all that goes wrong between a client and a ComfyUI, on real sockets, when you say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfywire.server.faults.attachment import Attachment
from comfywire.server.faults.files import HOSTILE_NAMES, FileFaults
from comfywire.server.faults.history import HistoryFaults
from comfywire.server.faults.life import LifeFaults
from comfywire.server.faults.messages import JUNK, MessageFaults, MessageRule
from comfywire.server.faults.nodes import NodeFaults, NodeRuleOf
from comfywire.server.faults.prompts import PromptFaults
from comfywire.server.faults.replies import ReplyFaults, ReplyRule
from comfywire.server.faults.rules import NodeRule, PromptRule, Rule
from comfywire.server.faults.sockets import HalfOpen, SocketFaults, StalledReader

if TYPE_CHECKING:
    from comfywire.server.faults.attachment import FaultyServer

__all__ = [
    "HOSTILE_NAMES",
    "JUNK",
    "Faults",
    "FileFaults",
    "HalfOpen",
    "HistoryFaults",
    "LifeFaults",
    "MessageFaults",
    "MessageRule",
    "NodeFaults",
    "NodeRule",
    "NodeRuleOf",
    "PromptFaults",
    "PromptRule",
    "ReplyFaults",
    "ReplyRule",
    "Rule",
    "SocketFaults",
    "StalledReader",
]


class Faults:
    """The faults of one server, as ``server.faults``.

    A fault is either done at once (``await faults.sockets.cut("rst")``) or is a rule that waits for its
    occasion (``faults.messages.drop("executed")``). A rule strikes once unless ``times`` says otherwise;
    what is returned counts its ``hits`` and can be removed.

    Attributes:
        sockets: /ws connections: cut, half-open, deaf, stalled.
        messages: On their way: dropped, delayed, repeated, reordered; foreign, huge, nonsense.
        replies: HTTP: dropped, delayed, failing, cut, without Range.
        history: Late, hidden, evicted, untruthful.
        prompts: Other clients delete, interrupt and submit.
        nodes: Slow, silent, held, raising, deadly.
        files: Hostile names, vanished files.
        life: Killed, restarted, out of reach.

    """

    def __init__(self) -> None:
        self._attachment = Attachment()
        self.sockets = SocketFaults(self._attachment)
        self.messages = MessageFaults(self._attachment, self.sockets)
        self.replies = ReplyFaults()
        self.history = HistoryFaults(self._attachment)
        self.prompts = PromptFaults(self._attachment)
        self.nodes = NodeFaults(self._attachment)
        self.files = FileFaults(self._attachment)
        self.life = LifeFaults(self._attachment)

    def attach(self, server: FaultyServer) -> None:
        """Belong to a server; it does this itself.

        Raises:
            RuntimeError: They belong to another one.

        """
        self._attachment.server = server

    @property
    def attached(self) -> FaultyServer:
        """The server they belong to."""
        return self._attachment.server

    def clear(self) -> None:
        """Remove every rule and release everything that is held; what was cut or lost stays so."""
        self.sockets.clear()
        self.messages.clear()
        self.replies.clear()
        self.history.clear()
        self.nodes.clear()
        self.files.clear()
