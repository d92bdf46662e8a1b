"""How a prompt that ended well came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .outputs import Output

__all__ = ["Result"]


@dataclass(frozen=True, slots=True)
class Result:
    """How a prompt that ended well came out.

    Attributes:
        prompt_id: Which prompt.
        outputs: Every output of every output node, in the order of the graph's nodes.
        warnings: What the caller should know: outputs that the server's validator dropped, pictures that
            were lost with the socket. One sentence each.

    """

    prompt_id: str
    outputs: list[Output]
    warnings: list[str] = field(default_factory=list)

    def of(self, node_id: str) -> list[Output]:
        """Return the outputs of one node."""
        return [output for output in self.outputs if output.node_id == node_id]

    @property
    def files(self) -> list[Output]:
        """The outputs that are files, or pictures that came over the socket."""
        return [output for output in self.outputs if output.filename is not None]

    async def save(self, folder: str | Path) -> list[Path]:
        """Save every file, picture and text below ``folder``; return the paths, in the order of the outputs.

        Raises like :meth:`Output.read`; what was saved before stays.
        """
        return [await output.save_in(Path(folder)) for output in self.outputs if output.has_bytes]
