"""What faults share: rules that wait for their occasion, and count."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

__all__ = ["NodeRule", "PromptRule", "Rule", "RuleList"]


@dataclass(eq=False, slots=True)
class Rule:
    """A fault that waits for its occasion; also the handle by which it is watched and removed.

    Attributes:
        times: How often it strikes, None for always.
        skip: How many occasions it lets pass first.
        hits: How often it has struck.

    """

    times: int | None = 1
    skip: int = 0
    hits: int = 0
    is_removed: bool = False

    def remove(self) -> None:
        """Let it strike no more."""
        self.is_removed = True

    @property
    def is_spent(self) -> bool:
        """Whether it will never strike again."""
        return self.is_removed or (self.times is not None and self.hits >= self.times)

    def strike(self) -> bool:
        """Count an occasion, and tell whether this one counts."""
        if self.is_spent:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.hits += 1
        return True


@dataclass(eq=False, slots=True, kw_only=True)
class PromptRule(Rule):
    """A rule about one prompt, or about any."""

    prompt_id: str | None = None

    def is_about(self, prompt_id: str | None) -> bool:
        """Tell whether this prompt is meant."""
        return self.prompt_id in (None, prompt_id)


@dataclass(eq=False, slots=True, kw_only=True)
class NodeRule(PromptRule):
    """A rule about one node, a class of nodes, or any node."""

    node_id: str | None = None
    class_type: str | None = None

    def matches(self, prompt_id: str, node_id: str, class_type: str) -> bool:
        """Tell whether this node is meant."""
        return (
            self.is_about(prompt_id)
            and self.node_id in (None, node_id)
            and self.class_type in (None, class_type)
        )


AnyRule = TypeVar("AnyRule", bound=Rule)


@dataclass(slots=True)
class RuleList:
    """The rules of one kind of fault, in the order in which they were made."""

    rules: list[Rule] = field(default_factory=list)

    def add(self, rule: AnyRule) -> AnyRule:
        """Add a rule, and forget those that are spent."""
        self.rules = [*(old for old in self.rules if not old.is_spent), rule]
        return rule

    def clear(self) -> None:
        """Remove all."""
        for rule in self.rules:
            rule.remove()
        self.rules = []
