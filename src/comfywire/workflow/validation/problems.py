"""What is wrong with a workflow, in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Effect", "Problem"]


class Effect(StrEnum):
    """What the server does about a problem."""

    REFUSED = "refused"
    """Nothing is queued."""
    DROPPED = "dropped"
    """The rest is queued, without the outputs that depend on it; only ``node_errors`` tells."""
    FAILS = "fails"
    """It is queued, and the node raises when its turn comes."""
    IGNORED = "ignored"
    """Everything runs, without what the problem is about; nobody tells."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that the server would refuse, or silently leave out.

    Attributes:
        type: The server's own word where it has one (``required_input_missing``, ``value_not_in_list``, ...);
            else ``invalid_prompt``, ``unknown_input`` or ``unused_node``.
        sentence: What is wrong and what to do, for people.
        node_id: Where; None when it is about the whole workflow.
        class_type: The node's type.
        title: The node's title.
        input: The input that it is about, or None.
        value: What the input has.
        allowed: What it may have: the choices, (smallest, largest), the types that may be linked; or nothing.
        nearest: The allowed names that come nearest, the best first.
        outputs: The output nodes that do not run because of it.
        effect: What the server does about it.
        is_reported: Whether the server's answer would name it. Its own code stops at some mistakes and
            loses sight of others beside them; those are found here all the same.

    """

    type: str
    sentence: str
    node_id: str | None = None
    class_type: str | None = None
    title: str | None = None
    input: str | None = None
    value: Any = None
    allowed: tuple[Any, ...] = ()
    nearest: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    effect: Effect = Effect.REFUSED
    is_reported: bool = True

    def __str__(self) -> str:
        return self.sentence
