"""Faults of messages on their way: lost, late, twice, out of order, foreign, huge, nonsense."""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from comfywire.server.faults.attachment import Attachment
from comfywire.server.faults.rules import PromptRule, RuleList
from comfywire.server.messages.publisher import Message

if TYPE_CHECKING:
    from comfywire.server.faults.sockets import Cut, SocketFaults

__all__ = ["JUNK", "MessageFaults", "MessageRule"]

Action = Literal["drop", "delay", "delay_alone", "repeat", "reorder", "cut_before", "cut_after"]

# A client may meet all of these; none may be fatal to it (comfyui-protocol.md, section 10).
JUNK: tuple[str | bytes, ...] = (
    "",
    "not json",
    "[1, 2, 3]",
    "null",
    '"text"',
    "{}",
    '{"type": null, "data": null}',
    '{"type": "status", "data": {"status": "full"}}',
    '{"type": "executing", "data": {"node": "1"}}',
    '{"type": "progress", "data": {"value": NaN, "max": Infinity, "node": null}}',
    '{"type": "crystools.monitor", "data": {"cpu_utilization": 3.1}}',
    '{"type": "executed", "data": {"node": "9", "output": {"text": 5}}}',
    b"",
    b"\x00",
    b"\x00\x00\x00\x01",
    struct.pack(">II", 4, 2**31) + b"{",
    struct.pack(">II", 4, 2) + b"[]\xff\xd8",
    struct.pack(">I", 99) + b"what is this",
)


@dataclass(eq=False, slots=True, kw_only=True)
class MessageRule(PromptRule):
    """What happens to messages of a type.

    Attributes:
        action: What.
        type: ComfyUI's word, ``binary`` for previews, None for all.
        client_id: Only messages addressed to this client, None for all.
        amount: Seconds of a delay, copies of a repetition, messages that go first in a reordering.
        how: How a socket is cut.

    """

    action: Action
    type: str | None = None
    client_id: str | None = None
    amount: float = 1
    how: Cut = "rst"

    def matches(self, message: Message) -> bool:
        """Tell whether this message is meant; one that names no prompt is not about any."""
        return (
            self.type in (None, message.type)
            and self.is_about(message.prompt_id)
            and self.client_id in (None, message.sid)
        )


@dataclass(slots=True)
class MessageFaults:
    """``server.faults.messages``."""

    attachment: Attachment
    sockets: SocketFaults
    rules: RuleList = field(default_factory=RuleList)
    held: list[tuple[int, Message]] = field(default_factory=list)

    def drop(
        self,
        type: str | None = None,  # noqa: A002 - ComfyUI's word for it
        *,
        prompt_id: str | None = None,
        client_id: str | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> MessageRule:
        """Do not send the next ``times`` such messages (None: none of them, ever)."""
        return self.rules.add(
            MessageRule(
                action="drop", type=type, prompt_id=prompt_id, client_id=client_id, times=times, skip=skip
            )
        )

    def delay(
        self,
        seconds: float,
        type: str | None = None,  # noqa: A002 - ComfyUI's word for it
        *,
        prompt_id: str | None = None,
        holds_up_others: bool = True,
        times: int | None = 1,
        skip: int = 0,
    ) -> MessageRule:
        """Send such messages later.

        Args:
            seconds: How much later.
            type: Which, None for all.
            prompt_id: Of which prompt, None for all.
            holds_up_others: Whether what follows waits as well, so that the order is kept.
            times: How many, None for all.
            skip: How many pass first.

        """
        action: Action = "delay" if holds_up_others else "delay_alone"
        return self.rules.add(
            MessageRule(action=action, type=type, prompt_id=prompt_id, amount=seconds, times=times, skip=skip)
        )

    def repeat(
        self,
        type: str | None = None,  # noqa: A002 - ComfyUI's word for it
        *,
        copies: int = 1,
        prompt_id: str | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> MessageRule:
        """Send such messages ``copies`` times more, at once."""
        return self.rules.add(
            MessageRule(
                action="repeat", type=type, prompt_id=prompt_id, amount=copies, times=times, skip=skip
            )
        )

    def reorder(
        self,
        type: str | None = None,  # noqa: A002 - ComfyUI's word for it
        *,
        behind: int = 1,
        prompt_id: str | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> MessageRule:
        """Send such messages after the next ``behind`` others (if no more come: never)."""
        return self.rules.add(
            MessageRule(
                action="reorder", type=type, prompt_id=prompt_id, amount=behind, times=times, skip=skip
            )
        )

    def cut_sockets_at(
        self,
        type: str,  # noqa: A002 - ComfyUI's word for it
        *,
        how: Cut = "rst",
        when: Literal["before", "after"] = "before",
        prompt_id: str | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> MessageRule:
        """Cut every socket when such a message is due, before or after it is sent."""
        action: Action = "cut_before" if when == "before" else "cut_after"
        return self.rules.add(
            MessageRule(action=action, type=type, prompt_id=prompt_id, how=how, times=times, skip=skip)
        )

    async def send(self, frame: str | bytes, *, client_id: str | None = None) -> None:
        """Send a frame as it is, past the queue, to one client or to all."""
        for socket in self.attachment.life.sockets.receivers(client_id):
            await socket.send(frame)

    async def junk(self, *, client_id: str | None = None) -> None:
        """Send every frame of :data:`JUNK`."""
        for frame in JUNK:
            await self.send(frame, client_id=client_id)

    async def oversized(
        self, size_bytes: int = 5 * 1024 * 1024, *, client_id: str | None = None, binary: bool = False
    ) -> None:
        """Send one frame of at least ``size_bytes``: a preview, or an unknown JSON message."""
        if binary:
            await self.send(struct.pack(">II", 1, 2) + b"\x89PNG" + bytes(size_bytes), client_id=client_id)
        else:
            frame = {"type": "comfywire_oversized", "data": {"padding": "x" * size_bytes}}
            await self.send(json.dumps(frame), client_id=client_id)

    async def foreign(self, *, prompt_id: str = "foreign-prompt", client_id: str | None = None) -> None:
        """Broadcast what a prompt without client_id makes everybody hear: progress, previews, text."""
        node = {"value": 3, "max": 20, "state": "running", "node_id": "3", "prompt_id": prompt_id}
        node |= {"display_node_id": "3", "parent_node_id": None, "real_node_id": "3"}
        progress = {"value": 3, "max": 20, "prompt_id": prompt_id, "node": "3"}
        messages: list[tuple[str, object]] = [
            ("progress_state", {"prompt_id": prompt_id, "nodes": {"3": node}}),
            ("progress", progress),
            ("execution_interrupted", {"prompt_id": prompt_id, "node_id": "3", "executed": []}),
            ("executing", {"node": None, "prompt_id": prompt_id}),
        ]
        for kind, payload in messages:
            await self.send(json.dumps({"type": kind, "data": payload}), client_id=client_id)
        await self.send(struct.pack(">II", 1, 1) + b"\xff\xd8\xff\xe0foreign", client_id=client_id)
        await self.send(struct.pack(">II", 3, 1) + b"3" + b"3/20", client_id=client_id)

    async def passes(self, message: Message) -> bool:
        """Do what the rules say, and tell whether the message is to be sent now."""
        if not self.rules.rules and not self.held:
            return True
        is_due = True
        for rule in self.rules.rules:
            if isinstance(rule, MessageRule) and rule.matches(message) and rule.strike():
                is_due = await self._apply(rule, message) and is_due
        if is_due and self.held:
            await self._send(message)
            await self._let_go()
            return False
        return is_due

    async def _apply(self, rule: MessageRule, message: Message) -> bool:
        """Do what one rule says; False when the message is not to be sent after that."""
        match rule.action:
            case "delay":
                await asyncio.sleep(rule.amount)
            case "repeat":
                for _ in range(int(rule.amount)):
                    await self._send(message)
            case "cut_before":
                await self.sockets.cut(rule.how)
            case "cut_after":
                await self._send(message)
                await self.sockets.cut(rule.how)
                return False
            case "delay_alone":
                self.attachment.server.later(rule.amount, lambda: self._send(message))
                return False
            case "reorder":
                self.held.append((int(rule.amount), message))
                return False
            case "drop":
                return False
        return True

    async def _let_go(self) -> None:
        """Send what enough others have gone before."""
        waiting, self.held = self.held, []
        for left, message in waiting:
            if left <= 1:
                await self._send(message)
            else:
                self.held.append((left - 1, message))

    async def _send(self, message: Message) -> None:
        await self.attachment.life.publisher.send(message)

    def clear(self) -> None:
        """Remove every rule; what was held back is sent."""
        self.rules.clear()
        held, self.held = self.held, []
        for _, message in held:
            self.attachment.life.publisher.put(message)
