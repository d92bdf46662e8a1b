"""Faults of history: late, hidden, evicted, untruthful."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from comfywire.server.faults.attachment import Attachment
from comfywire.server.faults.rules import PromptRule, RuleList

__all__ = ["HistoryFaults"]


@dataclass(eq=False, slots=True, kw_only=True)
class _Hold(PromptRule):
    seconds: float | None
    until: dict[str, float] = field(default_factory=dict)

    def hides(self, prompt_id: str) -> bool:
        """Tell whether an entry is hidden still; its time begins when it is first asked for."""
        if not self.is_about(prompt_id) or self.is_removed:
            return False
        if prompt_id not in self.until:
            if not self.strike():
                return False
            self.until[prompt_id] = time.monotonic() + (1e9 if self.seconds is None else self.seconds)
        return time.monotonic() < self.until[prompt_id]


@dataclass(eq=False, slots=True, kw_only=True)
class _Late(PromptRule):
    seconds: float


@dataclass(slots=True)
class HistoryFaults:
    """``server.faults.history``."""

    attachment: Attachment
    holds: RuleList = field(default_factory=RuleList)
    lates: RuleList = field(default_factory=RuleList)

    def hold(
        self, seconds: float | None = None, *, prompt_id: str | None = None, times: int | None = 1
    ) -> PromptRule:
        """Answer ``{}`` for a prompt that has ended and left the queue.

        Args:
            seconds: For how long after it was first asked for; None until the rule is removed.
            prompt_id: Which prompt, None for any.
            times: For how many prompts.

        """
        return self.holds.add(_Hold(seconds=seconds, prompt_id=prompt_id, times=times))

    def late(self, seconds: float, *, prompt_id: str | None = None, times: int | None = 1) -> PromptRule:
        """Write the entry ``seconds`` after ``execution_success``; until then the prompt is running."""
        return self.lates.add(_Late(seconds=seconds, prompt_id=prompt_id, times=times))

    def evict(self, *, prompt_id: str | None = None) -> None:
        """Forget one entry, or all, as if 10,000 others had come, or somebody had cleared the list."""
        self.attachment.life.queue.forget(prompt_id)

    def alter(self, prompt_id: str, **changes: Any) -> None:
        """Change an entry, such as ``status=None`` or ``status={"status_str": "success", ...}``.

        Raises:
            KeyError: There is no such entry.

        """
        self.attachment.life.queue.history[prompt_id].update(changes)

    def is_hidden(self, prompt_id: str) -> bool:
        """Tell whether an entry that is there is not to be shown."""
        return any(isinstance(rule, _Hold) and rule.hides(prompt_id) for rule in self.holds.rules)

    def lateness(self, prompt_id: str) -> float:
        """Return how many seconds the worker waits before it writes this entry."""
        return sum(
            rule.seconds
            for rule in self.lates.rules
            if isinstance(rule, _Late) and rule.is_about(prompt_id) and rule.strike()
        )

    def clear(self) -> None:
        """Remove every rule; evicted and changed entries stay as they are."""
        self.holds.clear()
        self.lates.clear()
