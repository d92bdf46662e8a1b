"""A node class's own say in validation: VALIDATE_INPUTS."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from comfywire.server.execution.node_call import call_node, finished, gather_inputs
from comfywire.server.graph import ExecutionBlocker
from comfywire.server.validation.inputs import InputError

if TYPE_CHECKING:
    from comfywire.server.graph import NodeClass

__all__ = ["OwnValidation"]


class OwnValidation:
    """A class's VALIDATE_INPUTS: which inputs it takes over, and what it says."""

    def __init__(self, node_class: NodeClass) -> None:
        self._class = node_class
        self._names: list[str] = []
        self._takes_all = False
        function = getattr(node_class, "VALIDATE_INPUTS", None)
        if function is not None:
            spec = inspect.getfullargspec(function)
            self._names = spec.args
            self._takes_all = spec.varkw is not None

    @property
    def takes_input_types(self) -> bool:
        """Whether it checks the types of links itself."""
        return "input_types" in self._names

    def covers(self, name: str) -> bool:
        """Tell whether it checks this input itself, so that min, max and the list are not looked at."""
        return self._takes_all or name in self._names

    async def errors(
        self, node_id: str, inputs: dict[str, Any], received: dict[str, Any]
    ) -> list[InputError]:
        """Ask it; every input that it was given is blamed for each complaint."""
        if not self._names and not self._takes_all:
            return []
        gathered = gather_inputs(self._class, (node_id, inputs)).values
        arguments = {name: values for name, values in gathered.items() if self.covers(name)}
        if self.takes_input_types:
            arguments["input_types"] = [received]
        calls = await call_node(self._class, "VALIDATE_INPUTS", arguments, node_id=node_id)
        answers = await finished(calls)
        return [
            InputError.of(
                "custom_validation_failed",
                "Custom validation failed for node",
                name if answer is False else f"{name} - {answer}",
                input_name=name,
            )
            for name in arguments
            for answer in answers
            if answer is not True and not isinstance(answer, ExecutionBlocker)
        ]
