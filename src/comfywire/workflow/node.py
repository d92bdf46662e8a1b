"""One node of a workflow: a view of its entry in the prompt, for reading and for editing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfywire.errors import InvalidParameter, UnknownInput, UnknownNode

from .fit import misfit, takes_only_links
from .nearest import did_you_mean
from .node_inputs import follow, input_of

if TYPE_CHECKING:
    from .object_info import Input, NodeType

__all__ = ["Node", "is_json", "is_link", "name_node", "unknown_input"]

_READ_ONLY = frozenset(
    {"id", "class_type", "title", "inputs", "definition", "output", "knows", "places", "spec"}
)


def is_link(value: object) -> bool:
    """Whether ``value`` is ``[node_id, slot]``; the server takes every list of two for one."""
    match value:
        case [str(), bool()]:
            return False
        case [str(), int()]:
            return True
        case _:
            return False


def name_node(node_id: str, class_type: object, title: object = None) -> str:
    """Return how messages name a node: ``node 7 (KSampler)``, with its title where it has one of its own."""
    own = f" {title!r}" if isinstance(title, str) and title and title != class_type else ""
    return f"node {node_id} ({class_type or 'no class_type'}{own})"


class Node:
    """A node of a workflow; its inputs are its attributes and its items.

    ``node.seed = 42`` and ``node["seed"] = 42`` are the same; the second also reaches inputs whose names are
    not Python names, or are taken: ``id``, ``class_type``, ``title``, ``inputs``, ``definition``, ``output``,
    ``knows``, ``places``, ``spec``.
    Changes go to the workflow's prompt at once.

    Raises:
        InvalidParameter: The node has no such input, or the value is not one that JSON can carry; the
            message has the near matches.

    """

    __slots__ = ("_definition", "_id", "_prompt")

    _id: str
    _prompt: dict[str, dict[str, Any]]
    _definition: NodeType | None

    def __init__(
        self, prompt: dict[str, dict[str, Any]], node_id: str, definition: NodeType | None = None
    ) -> None:
        object.__setattr__(self, "_prompt", prompt)
        object.__setattr__(self, "_id", node_id)
        object.__setattr__(self, "_definition", definition)

    @property
    def id(self) -> str:
        """The node_id."""
        return self._id

    @property
    def class_type(self) -> str:
        """The node's type."""
        return str(self._entry.get("class_type") or "")

    @property
    def title(self) -> str:
        """The title that the editor showed; the class_type where it was not kept."""
        meta = self._entry.get("_meta")
        title = meta.get("title") if isinstance(meta, dict) else None
        return title if isinstance(title, str) and title else self.class_type

    @property
    def inputs(self) -> dict[str, Any]:
        """Values and links by input name, as they stand in the prompt; set them through the node."""
        inputs = self._entry.get("inputs")
        return inputs if isinstance(inputs, dict) else {}

    @property
    def definition(self) -> NodeType | None:
        """What /object_info says about its class, or None when it is not known."""
        return self._definition

    def output(self, slot: str | int = 0) -> list[Any]:
        """Return the link to an output: ``other.image = node.output("IMAGE")``.

        Args:
            slot: The output's position, or its name, or its type when one output has it.

        Raises:
            InvalidParameter: No output is called that, several are, or the node's type is not known
                (``object_info``), so that only positions can be used.

        """
        return [self._id, slot if isinstance(slot, int) else self._find_slot(slot)]

    def _find_slot(self, name: str) -> int:
        if self._definition is None:
            raise InvalidParameter(
                f"{self}: the outputs of {self.class_type!r} are not known without its server's object_info; "
                f"load the workflow with object_info=, or give the slot as a number"
            )
        outputs = self._definition.outputs
        names, types = [output.name for output in outputs], [output.type for output in outputs]
        for labels in (names, types):
            slots = [slot for slot, label in enumerate(labels) if label.casefold() == name.casefold()]
            if len(slots) == 1:
                return slots[0]
        known = ", ".join(f"{slot} {label!r}" for slot, label in enumerate(names)) or "none"
        raise InvalidParameter(f"{self} has no single output {name!r}; its outputs are {known}")

    def places(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return (node_id, input) of what ``node[name] = ...`` sets in the prompt."""
        return ((self._id, name),)

    def knows(self, name: str) -> bool:
        """Whether the node has this input, set or not."""
        return name in self.inputs or self.spec(name) is not None

    def spec(self, name: str) -> Input | None:
        """Return what /object_info says about an input, or None when it does not know it.

        Dynamic inputs (nodes of 0.4.0 and later) bring children with dotted names, ``parent.child``, which
        depend on the choice made: those of another choice are known, with any type.
        """
        return None if self._definition is None else input_of(self._definition, self.inputs, name)

    def __getitem__(self, name: str) -> Any:
        if name not in self.inputs:
            raise unknown_input(self, name, verb="has no value for")
        return self.inputs[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if not self.knows(name):
            raise unknown_input(self, name)
        checked = self._check(name, value)
        if not isinstance(self._entry.get("inputs"), dict):
            self._entry["inputs"] = {}
        self._entry["inputs"][name] = checked
        follow(self.class_type, self._entry["inputs"], name)

    def __delitem__(self, name: str) -> None:
        if name not in self.inputs:
            raise unknown_input(self, name, verb="has no value for")
        del self.inputs[name]

    def __contains__(self, name: object) -> bool:
        return name in self.inputs

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # Python's own questions: __deepcopy__, _repr_html_, ...
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _READ_ONLY:
            raise AttributeError(f'{name!r} of a node is read-only; an input of that name is node["{name}"]')
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __dir__(self) -> list[str]:
        return sorted({*_READ_ONLY, *(name for name in self.inputs if name.isidentifier())})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self._id == other._id and self._prompt is other._prompt

    def __hash__(self) -> int:
        return hash((self._id, id(self._prompt)))

    def __reduce__(self) -> tuple[Any, ...]:  # __setattr__ means inputs, so copying needs another way
        return Node, (self._prompt, self._id, self._definition)

    def __str__(self) -> str:
        return name_node(self._id, self.class_type, self.title)

    def __repr__(self) -> str:
        return (
            f"<{name_node(self._id, self.class_type, self.title)}: {', '.join(self.inputs) or 'no inputs'}>"
        )

    @property
    def _entry(self) -> dict[str, Any]:
        if self._id not in self._prompt:
            raise UnknownNode(f"node {self._id} is no longer in the workflow")
        return self._prompt[self._id]

    def _check(self, name: str, value: Any) -> Any:
        if isinstance(value, Node):
            raise InvalidParameter(
                f"{self}: {name!r} takes a value or a link; say which output: node.output(0)"
            )
        spec = self.spec(name)
        if spec is not None and takes_only_links(spec) and not isinstance(value, list | tuple):
            raise InvalidParameter(
                f"{self}: {name!r} takes {spec.type} from another node, not a value such as {_shown(value)}; "
                f"set an input of the node that it comes from{self._origin(name)}"
            )
        if not is_json(value):
            raise InvalidParameter(self._say_no_json(name, value, spec))
        if isinstance(value, list | tuple) and len(value) == 2:
            return self._check_link(name, value)
        if spec is not None and (words := misfit(spec, value)):
            raise InvalidParameter(f"{self}: {name!r} {words}, not {_shown(value)}")
        return value

    def _origin(self, name: str) -> str:
        link = self.inputs.get(name)
        if isinstance(link, list) and is_link(link) and isinstance(self._prompt.get(link[0]), dict):
            return f", {Node(self._prompt, link[0])}"
        return ""

    def _say_no_json(self, name: str, value: Any, spec: Input | None) -> str:
        words = (
            f"{self}: {name!r} is given {_shown(value)}, a {type(value).__name__}, which JSON cannot carry"
        )
        if spec is not None and spec.upload:
            key = f"{self._id}.{name}"
            return f"{words}; give a file to run(..., inputs={{{key!r}: ...}}), or upload it and set its name"
        return f"{words}; use a number, a text, true or false, a list or a link"

    def _check_link(self, name: str, value: list[Any] | tuple[Any, ...]) -> list[Any]:
        origin, slot = value
        # The server compares ids as strings: an integer id in a link is a KeyError there (execution.py,
        # validate_inputs, 0.3.64).
        link = [str(origin), slot]
        if not is_link(link) or link[0] not in self._prompt:
            raise InvalidParameter(
                f"{self}: {name!r} is given {list(value)!r}; the server takes every list of two for a link, "
                f"[node_id, slot], and this names no node; a list of values is written {{'__value__': [...]}}"
            )
        return link


def unknown_input(node: Node, name: str, *, verb: str = "has no input") -> UnknownInput:
    """Return the error that ``node`` has no such input, with near matches or else everything it has."""
    known = () if node.definition is None else node.definition.inputs
    names = list(dict.fromkeys([*node.inputs, *known]))
    hint = did_you_mean(name, names) or f"; it has {', '.join(names) or 'no inputs'}"
    return UnknownInput(f"{node} {verb} {name!r}{hint}")


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def is_json(value: Any) -> bool:
    """Whether a value is what JSON has, tuples included."""
    match value:
        case None | str() | bool() | int() | float():
            return True
        case list() | tuple():
            return all(is_json(element) for element in value)
        case dict():
            return all(isinstance(key, str) and is_json(element) for key, element in value.items())
        case _:
            return False
