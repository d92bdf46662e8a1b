"""How one run ended, whatever way it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comfywire.client import Output

__all__ = ["Ending", "Saved"]


@dataclass(frozen=True, slots=True)
class Saved:
    """An output, and where it went."""

    output: Output
    path: Path


@dataclass(slots=True)
class Ending:
    """How a run ended.

    Attributes:
        status: ``success``, ``failed``, ``rejected``, ``lost``, ``interrupted`` or ``timed_out``.
        prompt_id: Which prompt, None when none was queued.
        seconds: How long it took since it was submitted.
        error: What went wrong.
        outputs: Everything that was produced, before an error too.
        saved: What of it was saved.
        unsaved: Why something could not be saved.
        doubts: What may be wrong with the workflow that was sent, one sentence each.
        warnings: What else one should know.
        inputs: What was set to what, seeds drawn.
        drawn: Which of them are seeds that were drawn.

    """

    status: str = "success"
    prompt_id: str | None = None
    seconds: float = 0.0
    error: BaseException | None = None
    outputs: list[Output] = field(default_factory=list)
    saved: list[Saved] = field(default_factory=list)
    unsaved: list[Exception] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    drawn: tuple[str, ...] = ()

    @property
    def errors(self) -> list[BaseException]:
        """Everything that went wrong, what matters most first."""
        return [*([self.error] if self.error is not None else []), *self.unsaved]
