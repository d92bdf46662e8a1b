"""What really ran: the server's own record, for tests that must prove that nothing ran twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["MAXIMUM_LOG_SIZE", "Run"]

MAXIMUM_LOG_SIZE = 100_000
"""More runs than any test makes; a server that runs for weeks forgets the first ones."""


@dataclass(slots=True)
class Run:
    """One time that the worker took a prompt from the queue.

    Attributes:
        prompt_id: Which prompt.
        client_id: Who submitted it, if it said so.
        number: Its place in the order of the queue.
        start: When the worker took it, seconds since the epoch.
        end: When it was done with it, or None while it runs or if the worker died over it.
        how: ``running``, ``success``, ``error``, ``interrupted``, ``stopped`` (the server was killed or
            closed) or ``died`` (the worker did; the prompt stays in the queue).
        nodes: The node ids that were executed, in order; cached ones are not among them.
        cached: The node ids that ``execution_cached`` named.
        prompt: The graph, as it was submitted.

    """

    prompt_id: str
    client_id: str | None
    number: float
    start: float
    end: float | None = None
    how: str = "running"
    nodes: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    prompt: dict[str, Any] = field(default_factory=dict, repr=False)
