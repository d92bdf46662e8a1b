"""Other people at the same server: they delete, clear, interrupt, and submit prompts of their own."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfywire.server.faults.attachment import Attachment
from comfywire.server.validation.validator import validate_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PromptFaults"]


@dataclass(slots=True)
class PromptFaults:
    """``server.faults.prompts``."""

    attachment: Attachment

    def delete(self, prompt_id: str) -> bool:
        """Delete a pending prompt, as another client's POST /queue does; no message will name it."""
        return self.attachment.life.queue.delete(prompt_id)

    def clear(self) -> None:
        """Delete every pending prompt."""
        self.attachment.life.queue.wipe()

    def interrupt(self) -> None:
        """Interrupt whatever runs, as another client's POST /interrupt without a body does."""
        self.attachment.life.interruption.interrupt()

    async def submit(self, prompt: Mapping[str, Any], *, client_id: str | None = None) -> str:
        """Queue somebody else's prompt and return its id.

        Without ``client_id`` its progress and its previews are broadcast to every socket.

        Raises:
            ValueError: It does not validate.

        """
        life = self.attachment.life
        graph = dict(prompt)
        validation = await validate_prompt(graph, life.classes)
        if validation.error is not None:
            raise ValueError(f"the foreign prompt does not validate: {validation.error['message']}")
        prompt_id = str(uuid.uuid4())
        extra_data = {} if client_id is None else {"client_id": client_id}
        number = life.number
        life.number += 1
        life.queue.put((number, prompt_id, graph, extra_data, validation.outputs))
        return prompt_id
