"""Where the worker is: what ComfyUI keeps as ``client_id``, ``last_node_id`` and ``last_prompt_id``."""

from __future__ import annotations

from dataclasses import dataclass

from comfywire.server.messages.progress import ProgressRegistry

__all__ = ["Current"]


@dataclass(slots=True)
class Current:
    """The prompt that runs, or ran last; the worker's thread writes it, the event loop reads it.

    Attributes:
        progress: How far its nodes are.
        client_id: Who submitted it, None if it did not say, so that everybody hears of it.
        prompt_id: Which prompt.
        node_id: The node that began last, None between prompts.

    """

    progress: ProgressRegistry
    client_id: str | None = None
    prompt_id: str | None = None
    node_id: str | None = None
