"""What a pack's rule is given: a node as it was saved, with its definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from comfywire.workflow.object_info import NodeType

__all__ = ["SavedNode"]


class SavedNode:
    """A node as the file has it, and what the generic rules make of its values.

    Attributes:
        id: Its id.
        type: Its class_type.
        definition: What the server, or the packaged catalogue, says of this type.
        saved: The node's own JSON, untouched.
        widgets_values: Its values as they are saved: a list, or a mapping by name; an empty list for none.
        choose: Picks one of several, as ``random.choice`` does.

    """

    def __init__(
        self,
        saved: Mapping[str, Any],
        node_id: str,
        definition: NodeType,
        *,
        pour: Callable[[Any], dict[str, Any]],
        choose: Callable[[Sequence[Any]], Any],
        say: Callable[[str], None],
    ) -> None:
        self.saved = saved
        self.id = node_id
        self.type = definition.class_type
        self.definition = definition
        self.choose = choose
        self._pour = pour
        self._say = say
        values = saved.get("widgets_values")
        self.widgets_values: list[Any] | Mapping[str, Any] = (
            values if isinstance(values, list | Mapping) else []
        )

    @property
    def properties(self) -> Mapping[str, Any]:
        """The node's ``properties``, where packs keep settings of their own."""
        said = self.saved.get("properties")
        return said if isinstance(said, Mapping) else {}

    @property
    def values(self) -> dict[str, Any]:
        """Return what the generic rules make of the saved values, by input."""
        return self._pour(self.saved.get("widgets_values"))

    def pour(self, values: list[Any] | Mapping[str, Any]) -> dict[str, Any]:
        """Return what the generic rules would make of other values than the saved ones, by input."""
        return self._pour(values)

    def warn(self, what: str) -> None:
        """Say something about this node when it is sent: the end of a sentence that begins with its name."""
        self._say(what)
