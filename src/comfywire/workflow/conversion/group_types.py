"""The node type that the editor made for a group node, from ``extra.groupNodes`` (editor-format.md, par. 10).

Group nodes are older than subgraphs: a list of nodes without ids, whose free inputs, widgets and outputs
became those of one node. Which became which is worked out here as groupNode.ts did it, by position, so that
the values of an instance find their way back; that it confuses positions in places is part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from comfywire.workflow.conversion.special import editor_inputs
from comfywire.workflow.object_info import ObjectInfo, parse_input

if TYPE_CHECKING:
    from comfywire.workflow.object_info import NodeType
    from comfywire.workflow.profiles import Profile

__all__ = ["GroupLink", "GroupType"]

Saved = Mapping[str, Any]
VIRTUAL = frozenset({"PrimitiveNode", "Reroute", "Note", "MarkdownNote"})


class GroupLink(NamedTuple):
    """A link between two nodes of a group, by their places in it."""

    source: int
    slot: int
    target: int
    target_slot: int
    type: Any


class GroupType:
    """How the parts of a group's nodes are the parts of the group node.

    Attributes:
        nodes: The group's nodes, as saved.
        links: The links between them.
        widget_names: For each node, the group's widget by its own (None: converted to an input).
        input_slots: For each node, the group's input slot by its own.
        outputs: For each output of the group, the node and its output.
        primitive_targets: For a PrimitiveNode, the widgets it is linked to, as node and name.

    """

    def __init__(self, saved: Saved, object_info: ObjectInfo, profile: Profile) -> None:
        self._object_info = object_info
        self._profile = profile
        self._config = saved.get("config")
        self.nodes = _mappings(saved, "nodes")
        self.links = list(_links(_lists(saved, "links"), len(self.nodes)))
        self._into: dict[int, dict[int, GroupLink]] = {}
        self._leaving: dict[tuple[int, int], list[GroupLink]] = {}
        for link in self.links:
            self._into.setdefault(link.target, {})[link.target_slot] = link
            self._leaving.setdefault((link.source, link.slot), []).append(link)
        self._external = {
            (one[0], one[1]): one[2]
            for one in _lists(saved, "external")
            if len(one) > 2 and type(one[0]) is int and type(one[1]) is int
        }
        self._pipes = _lists(saved, "links")
        self.widget_names: dict[int, dict[str, str | None]] = {}
        self.input_slots: dict[int, dict[int, int]] = {}
        self.outputs: list[tuple[int, int]] = []
        self.primitive_targets: dict[int, list[tuple[int, str]]] = {}
        self._required: dict[str, list[Any]] = {}
        self._output_types: list[str] = []
        self._input_count = 0
        self._seen: dict[str, int] = {}
        self._primitives: dict[int, list[Any]] = {}
        later = [self._add(index) for index in range(len(self.nodes))]
        # Inputs that were widgets come last, as they did in the editor.
        for index, inputs, slots, converted in later:
            self._add_converted(index, inputs, slots, converted)

    def node_type(self, name: str) -> NodeType:
        """Return the made-up type, in the form that the server gives its own."""
        entry = {"input": {"required": self._required}, "output": self._output_types, "display_name": name}
        return ObjectInfo({name: entry})[name]

    def missing(self) -> list[str]:
        """Return the types of nodes in the group that the server does not have."""
        types = dict.fromkeys(str(node.get("type")) for node in self.nodes)
        return [name for name in types if name not in VIRTUAL and name not in self._object_info]

    def links_to(self, index: int) -> dict[int, GroupLink]:
        """Return the links into a node by its input slot."""
        return self._into.get(index, {})

    def links_from(self, index: int) -> list[GroupLink]:
        """Return the links that leave output 0 of a node."""
        return self._leaving.get((index, 0), [])

    def _add(self, index: int) -> tuple[int, dict[str, list[Any]], list[str], list[str]]:
        inputs, outputs = self._parts(index)
        slots: list[str] = []
        converted: dict[int, str] = {}
        names = self.widget_names.setdefault(index, {})
        for name, entry in inputs.items():
            place = self._converted_place(index, name)
            if not self._is_widget(entry):
                slots.append(name)
            elif place is not None:
                converted[place] = name
                names[name] = None
            else:
                names[name] = self._name(index, name, entry)
        self._add_slots(index, inputs, slots)
        self._add_outputs(index, outputs)
        # JavaScript sorts numbers as texts: 10 comes before 2.
        return index, inputs, slots, [converted[place] for place in sorted(converted, key=str)]

    def _parts(self, index: int) -> tuple[dict[str, list[Any]], list[str]]:
        """Return the inputs of a node as ``[type, options]``, in the dict's order, and its output types."""
        node = self.nodes[index]
        kind = node.get("type")
        if kind == "PrimitiveNode":
            return self._primitive_parts(index)
        if kind == "Reroute":
            return self._reroute_parts(index)
        if not isinstance(kind, str) or kind not in self._object_info:
            return {}, []
        known = self._object_info[kind]
        raw = known.raw.get("input")
        sections = [raw.get(name) for name in ("required", "optional")] if isinstance(raw, Mapping) else []
        inputs = {
            name: _pair(entry)
            for section in sections
            if isinstance(section, Mapping)
            for name, entry in section.items()
        }
        for made in editor_inputs(known, self._profile):
            inputs.setdefault(made.name, [made.type, dict(made.options)])
        return inputs, [made.type for made in known.outputs]

    def _primitive_parts(self, index: int) -> tuple[dict[str, list[Any]], list[str]]:
        links = self.links_from(index)
        if not links:
            return {}, []
        kind = links[0].type
        if kind == "COMBO":
            kind = self._combo(index, links[0].target)
        self._primitives[index] = pair = [kind, {}]
        return {"value": pair}, [kind if isinstance(kind, str) else "COMBO"]

    def _combo(self, index: int, target: int) -> Any:
        """Return the choices of the combo that a PrimitiveNode is a copy of; 1.49 forgets lists."""
        outputs = _mappings(self.nodes[index], "outputs")
        widget = outputs[0].get("widget") if outputs else None
        inputs, _ = self._parts(target)
        name = widget.get("name") if isinstance(widget, Mapping) else None
        kind = inputs.get(name, [None])[0] if isinstance(name, str) else None
        return kind if isinstance(kind, str) or not self._profile.is_modern else None

    def _reroute_parts(self, index: int) -> tuple[dict[str, list[Any]], list[str]]:
        into, leaving = self.links_to(index), self.links_from(index)
        if into and leaving and (index, 0) not in self._external:
            return {}, []  # used inside only
        kind = self._reroute_type(index, into, leaving)
        return {kind: [kind, {"forceInput": True}]}, [kind]

    def _reroute_type(self, index: int, into: Mapping[int, GroupLink], leaving: list[GroupLink]) -> str:
        said: Any = None
        if leaving:
            for link in leaving:
                said = said or _slot_type(self.nodes[link.target], "inputs", link.target_slot)
        elif 0 in into:
            said = _slot_type(self.nodes[into[0].source], "outputs", into[0].slot)
        else:
            pipes = (link[5] for link in self._pipes if len(link) > 5 and link[2] == index)
            said = next(pipes, None) or self._external.get((index, 0))
        return said if isinstance(said, str) else "*"

    def _is_widget(self, entry: list[Any]) -> bool:
        if self._profile.is_modern and not isinstance(entry[0], str):
            return False  # 1.49 takes combos in the old form, a list of choices, for plain inputs
        made = parse_input("", entry)
        return made.widget_type in self._profile.widget_types and not made.is_link_only

    def _converted_place(self, index: int, name: str) -> int | None:
        """Return where the node saved an input for its widget ``name``, if it did."""
        for place, slot in enumerate(_mappings(self.nodes[index], "inputs")):
            widget = slot.get("widget")
            if isinstance(widget, Mapping) and slot.get("name") == name == widget.get("name"):
                return place
        return None

    def _name(self, index: int, name: str, entry: list[Any]) -> str:
        """Enter an input into the made-up type; its name is made unique by the node's title."""
        node = self.nodes[index]
        given = self._setting(index, "input", name).get("name") or _label(node, name) or name
        key, prefix = given, ""
        if (node.get("type") == "PrimitiveNode" and node.get("title")) or given in self._seen:
            prefix = f"{node.get('title') or node.get('type')} "
            key = given = f"{prefix}{name}"
            if given in self._seen:
                given = f"{prefix}{self._seen[given]} {name}"
        self._seen[key] = self._seen.get(key, 1) + 1
        if name in {"seed", "noise_seed"}:
            entry = [entry[0], {**entry[1], "control_after_generate": f"{prefix}control_after_generate"}]
        self._required[given] = entry
        return str(given)

    def _setting(self, index: int, part: str, name: str) -> Saved:
        """Return what "Manage Group Nodes" says about an input or output."""
        found: Any = self._config
        for key in (str(index), part, name):
            found = found.get(key) if isinstance(found, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    def _add_slots(self, index: int, inputs: Mapping[str, list[Any]], slots: Iterable[str]) -> None:
        linked, taken = self.links_to(index), self.input_slots.setdefault(index, {})
        for place, name in enumerate(slots):
            if place in linked:
                self._note_primitive(linked[place], name, inputs)
                continue
            known = set(self._required)
            given = self._name(index, name, inputs[name])
            if self._setting(index, "input", name).get("visible") is False:
                if given not in known:
                    del self._required[given]
                continue
            taken[place] = self._input_count
            self._input_count += 1

    def _add_converted(
        self, index: int, inputs: Mapping[str, list[Any]], slots: list[str], converted: Iterable[str]
    ) -> None:
        linked, taken = self.links_to(index), self.input_slots[index]
        for place, name in enumerate(converted, len(slots)):
            if place in linked:
                self._note_primitive(linked[place], name, inputs)
                continue
            self.widget_names[index][name] = self._name(index, name, inputs[name])
            taken[place] = self._input_count
            self._input_count += 1

    def _note_primitive(self, link: GroupLink, name: str, inputs: Mapping[str, list[Any]]) -> None:
        pair = self._primitives.get(link.source)
        if pair is not None:
            pair[1] = {**inputs[name][1], "control_after_generate": True}
            self.primitive_targets.setdefault(link.source, []).append((link.target, name))

    def _add_outputs(self, index: int, outputs: Iterable[str]) -> None:
        for slot, kind in enumerate(outputs):
            linked = (index, slot) in self._leaving
            visible = self._setting(index, "output", str(slot)).get("visible")
            if visible if visible is not None else not linked or (index, slot) in self._external:
                self.outputs.append((index, slot))
                self._output_types.append(kind)


def _links(saved: Iterable[list[Any]], count: int) -> Iterable[GroupLink]:
    """Yield the links whose both ends are in the group; those from outside have no source."""
    for link in saved:
        if len(link) < 4 or any(type(end) is not int for end in link[:4]):
            continue
        if 0 <= link[0] < count and 0 <= link[2] < count:
            yield GroupLink(link[0], link[1], link[2], link[3], link[5] if len(link) > 5 else None)


def _pair(entry: Any) -> list[Any]:
    made = parse_input("", entry)
    first = entry[0] if isinstance(entry, list) and entry else made.type
    return [first, dict(made.options)]


def _lists(saved: Saved, key: str) -> list[list[Any]]:
    listed = saved.get(key)
    return [one for one in listed if isinstance(one, list)] if isinstance(listed, list) else []


def _label(node: Saved, name: str) -> Any:
    return next((slot.get("label") for slot in _mappings(node, "inputs") if slot.get("name") == name), None)


def _mappings(saved: Saved, key: str) -> list[Saved]:
    listed = saved.get(key)
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def _slot_type(node: Saved, key: str, slot: int) -> Any:
    slots = node.get(key)
    found = slots[slot] if isinstance(slots, list) and 0 <= slot < len(slots) else None
    return found.get("type") if isinstance(found, Mapping) else None
