"""Faults of nodes: slow, silent, held, raising, and one that kills the worker."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from comfywire.server.execution.interruption import WorkerDied
from comfywire.server.faults.attachment import Attachment
from comfywire.server.faults.rules import NodeRule, RuleList

if TYPE_CHECKING:
    from comfywire.server.execution.node_host import NodeHost

__all__ = ["NodeFaults", "NodeRuleOf"]

LOOK_INTERVAL = 0.01


@dataclass(eq=False, slots=True, kw_only=True)
class NodeRuleOf(NodeRule):
    """What happens before a node runs.

    Attributes:
        action: What.
        seconds: How long it takes.
        steps: In how many steps of progress.
        error: What it raises.
        opened: Set when a held node may go on.

    """

    action: Literal["slow", "hold", "fail", "kill_worker"]
    seconds: float = 0
    steps: int = 0
    error: Exception | None = None
    opened: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let a held node go on, and hold no more."""
        self.remove()
        self.opened.set()


@dataclass(slots=True)
class NodeFaults:
    """``server.faults.nodes``: ``node_id``, ``class_type`` and ``prompt_id`` say which node; none: any."""

    attachment: Attachment
    rules: RuleList = field(default_factory=RuleList)

    def slow(
        self,
        seconds: float,
        *,
        steps: int = 10,
        node_id: str | None = None,
        class_type: str | None = None,
        prompt_id: str | None = None,
        times: int | None = 1,
    ) -> NodeRuleOf:
        """Take ``seconds`` more before the node runs, with ``steps`` progress messages on the way."""
        return self._add(
            NodeRuleOf(
                action="slow",
                seconds=seconds,
                steps=steps,
                node_id=node_id,
                class_type=class_type,
                prompt_id=prompt_id,
                times=times,
            )
        )

    def silent(
        self,
        seconds: float,
        *,
        node_id: str | None = None,
        class_type: str | None = None,
        prompt_id: str | None = None,
        times: int | None = 1,
    ) -> NodeRuleOf:
        """Take ``seconds`` more without a word, like a model that is being loaded."""
        return self.slow(
            seconds, steps=0, node_id=node_id, class_type=class_type, prompt_id=prompt_id, times=times
        )

    def hold(
        self,
        *,
        node_id: str | None = None,
        class_type: str | None = None,
        prompt_id: str | None = None,
        times: int | None = 1,
    ) -> NodeRuleOf:
        """Stop before the node until ``release()`` of what is returned: a test's way to own the moment."""
        return self._add(
            NodeRuleOf(
                action="hold", node_id=node_id, class_type=class_type, prompt_id=prompt_id, times=times
            )
        )

    def fail(
        self,
        message: str = "a scripted failure",
        *,
        exception_type: str = "RuntimeError",
        node_id: str | None = None,
        class_type: str | None = None,
        prompt_id: str | None = None,
        times: int | None = 1,
    ) -> NodeRuleOf:
        """Raise in the node; ``exception_type`` may be dotted, such as ``torch.OutOfMemoryError``."""
        return self._add(
            NodeRuleOf(
                action="fail",
                error=_exception(exception_type)(message),
                node_id=node_id,
                class_type=class_type,
                prompt_id=prompt_id,
                times=times,
            )
        )

    def kill_worker(
        self,
        *,
        node_id: str | None = None,
        class_type: str | None = None,
        prompt_id: str | None = None,
    ) -> NodeRuleOf:
        """Let the node take the only worker thread along: the zombie server of comfyui-protocol.md, 3.10.

        HTTP goes on answering, the prompt stays in ``queue_running`` for ever, and nothing runs any more.
        """
        return self._add(
            NodeRuleOf(action="kill_worker", node_id=node_id, class_type=class_type, prompt_id=prompt_id)
        )

    def clear(self) -> None:
        """Remove every rule, and release what is held."""
        for rule in self.rules.rules:
            if isinstance(rule, NodeRuleOf):
                rule.opened.set()
        self.rules.clear()

    def _add(self, rule: NodeRuleOf) -> NodeRuleOf:
        return self.rules.add(rule)

    def before_node(self, host: NodeHost, prompt_id: str, node_id: str, class_type: str) -> None:
        """Do what the rules say, in the worker's thread."""
        for rule in self.rules.rules:
            if not isinstance(rule, NodeRuleOf) or not rule.matches(prompt_id, node_id, class_type):
                continue
            if rule.strike():
                _apply(rule, host, node_id)


def _apply(rule: NodeRuleOf, host: NodeHost, node_id: str) -> None:
    if rule.error is not None:
        raise rule.error
    if rule.action == "kill_worker":
        raise WorkerDied
    if rule.action == "hold":
        while not rule.opened.wait(LOOK_INTERVAL):
            host.sleep(0)  # raises if the prompt was interrupted, or the server goes away
        return
    for step in range(max(1, rule.steps)):
        host.sleep(rule.seconds / max(1, rule.steps))
        if rule.steps:
            host.progress(step + 1, rule.steps, node_id=node_id)


def _exception(name: str) -> type[Exception]:
    """Return a class that clients see under this name."""
    module, _, qualified = name.rpartition(".")
    return type(qualified, (Exception,), {"__module__": module or "builtins", "__qualname__": qualified})
