"""What is known of a server's node types, laid out for one front end and some node packs; made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.special import layout_of
from comfywire.workflow.conversion.values import ForcedInputs
from comfywire.workflow.object_info import AUTOGROW, MATCH_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.conversion.layout import Layout
    from comfywire.workflow.conversion.packs.pack import NodeRule, Packs
    from comfywire.workflow.object_info import NodeType, ObjectInfo
    from comfywire.workflow.profiles import Profile

__all__ = ["KnownType", "KnownTypes"]

_COMPARE = "compare it with the editor, or export from there in API format"
_ASK_A_SERVER = "give a server or its --object-info, or export from the editor in API format"
# Core nodes with a preview that takes places among the saved values (editor-format.md, par. 3).
_DISPLAYS = {"PreviewAny", "SaveText"}
_SCALARS = {str, int, float, bool}
_MOST_REMEMBERED = 1000
"""Combinations of types of values; one node has a handful."""
_NEVER_WIDGETS = {"*", AUTOGROW, MATCH_TYPE}


class KnownType:
    """A node type that the server has, ready to be filled."""

    __slots__ = (
        "_count",
        "_laid_out",
        "_profile",
        "_seen",
        "_suspects",
        "by_name",
        "class_type",
        "display_name",
        "forced",
        "is_display",
        "is_odd",
        "layout",
        "may_have_more",
        "node_type",
        "rule",
    )

    def __init__(
        self, node_type: NodeType, profile: Profile, rule: NodeRule | None, *, is_display: bool
    ) -> None:
        self.node_type = node_type
        self.class_type = node_type.class_type
        self.rule = rule
        self.is_display = is_display
        self.layout = layout_of(node_type, profile)
        self.forced = ForcedInputs.of(node_type, self.layout, profile)
        self.by_name = node_type.python_module.startswith("custom_nodes")
        self.display_name = node_type.display_name
        self._profile = profile
        self._suspects = frozenset(self._find_suspects())
        self.may_have_more = self.layout.is_static and any(map(self._may_be_widget, node_type.inputs))
        self.is_odd = rule is not None or node_type.is_names_only or not self.layout.is_static
        self._count = len(self.layout.takers)
        self._seen: dict[tuple[type, ...], tuple[bool, bool]] = {}
        self._laid_out: dict[frozenset[str], Layout] = {}

    def look_at(self, saved: Any, values: list[Any]) -> tuple[bool, bool]:
        """Return whether there may be something to say of a node, and whether its values go as they are.

        There seldom is, and they mostly do: the answer is remembered for the types of the values.
        """
        types = tuple(map(type, values))
        known = self._seen.get(types) or self._look(types)
        if self.is_odd or (type(saved) is list and saved and len(saved) != self._count):
            return True, known[1]
        return known

    def _look(self, types: tuple[type, ...]) -> tuple[bool, bool]:
        layout = self.layout
        fits = layout.is_static and all(types[index] in fitting for index, fitting in layout.fitting)
        is_plain = layout.is_plain and all(types[index] in _SCALARS for index, _ in layout.sent)
        known = (not fits, is_plain)
        if len(self._seen) < _MOST_REMEMBERED:
            self._seen[types] = known
        return known

    def layout_for(self, saved: Mapping[str, Any], values: list[Any]) -> Layout:
        """Return the layout that ``values`` fit: packs draw types as widgets that no server tells us of.

        A list that is longer than the known widgets by at least the unlinked inputs of a strange type that
        have a default, as only widgets need one, or by exactly those that the file itself calls widgets, has
        their values too.
        """
        known = len(self.layout.takers)
        linked, called_widgets = _evidence(saved.get("inputs"))
        suspects = self._suspects - linked
        if suspects and len(values) >= known + len(suspects):
            return self._with_widgets(suspects)
        named = frozenset(name for name in called_widgets if self._may_be_widget(name))
        if named and len(values) == known + len(named):
            return self._with_widgets(named)
        return self.layout

    def _find_suspects(self) -> Iterator[str]:
        for made in self.node_type.inputs.values():
            if made.default is not None and self._may_be_widget(made.name):
                yield made.name

    def _may_be_widget(self, name: str) -> bool:
        made = self.node_type.inputs.get(name)
        if made is None or made.is_link_only or made.type in _NEVER_WIDGETS:
            return False
        return not any(spec.name == name for spec in self.layout.widgets)

    def _with_widgets(self, names: frozenset[str]) -> Layout:
        layout = self._laid_out.get(names)
        if layout is None:
            layout = self._laid_out[names] = layout_of(self.node_type, self._profile, also=names)
        return layout


class KnownTypes:
    """The node types of a server as one profile lays them out; made once, used for every workflow."""

    def __init__(self, object_info: ObjectInfo, profile: Profile, packs: Packs) -> None:
        self.object_info = object_info
        self.packs = packs
        self.profile = replace(
            profile,
            widget_types=profile.widget_types | packs.widget_types,
            text_inputs={**profile.text_inputs, **packs.texts},
        )
        self.advice = _ASK_A_SERVER if object_info.is_packaged else _COMPARE
        self._known: dict[str, KnownType | None] = {}

    def get(self, class_type: str) -> KnownType | None:
        """Return what is known of ``class_type``, or None."""
        try:
            return self._known[class_type]
        except KeyError:
            known = None
            if class_type in self.object_info:
                known = self._read(class_type)
            self._known[class_type] = known
            return known

    def _read(self, class_type: str) -> KnownType:
        rule = self.packs.nodes.get(class_type)
        is_display = class_type in _DISPLAYS or class_type in self.packs.shows
        return KnownType(self.object_info[class_type], self.profile, rule, is_display=is_display)


def _evidence(inputs: Any) -> tuple[frozenset[str], set[str]]:
    """Return which inputs of a saved node are linked, and which it calls widgets."""
    slots = [slot for slot in inputs if isinstance(slot, Mapping)] if isinstance(inputs, list) else []
    named = [slot for slot in slots if isinstance(slot.get("name"), str)]
    linked = frozenset(slot["name"] for slot in named if slot.get("link") is not None)
    return linked, {slot["name"] for slot in named if isinstance(slot.get("widget"), Mapping)}
