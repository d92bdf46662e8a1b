"""Pouring ``widgets_values`` into a node's widgets (editor-format.md, par. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.layout import ABSENT, Layout, WidgetSpec, chosen_layout
from comfywire.workflow.conversion.special import OPTION, option_widget
from comfywire.workflow.conversion.text import js_string

if TYPE_CHECKING:
    from comfywire.workflow.object_info import NodeType
    from comfywire.workflow.profiles import Profile

__all__ = ["ForcedInputs", "pour", "pour_by_name", "settled"]

_SPELT = {int, float, bool}
Poured = tuple[Sequence[WidgetSpec], list[Any]]


def pour(layout: Layout, saved: Any, forced: ForcedInputs | None, *, by_name: bool, modern: bool) -> Poured:
    """Return the widgets of a node and their values, as the editor has them after loading the file.

    Args:
        layout: What the node has before its values are known.
        saved: ``widgets_values``.
        forced: How to drop the values that old files hold for ``forceInput`` widgets, if the type has any.
        by_name: Whether a dict of values is read by name, as node packs do that save one.
        modern: Whether 1.49's rules hold.

    """
    if type(saved) is not list:  # asking whether it is a Mapping costs more than the rest
        if isinstance(saved, Mapping):
            return pour_by_name(layout, saved) if by_name else _unreadable(layout, modern=modern)
        return layout.widgets, list(layout.defaults)
    if not saved:
        return layout.widgets, list(layout.defaults)
    if forced is not None:
        saved = forced.without(saved)
    if not layout.is_static:
        return _poured_live(layout, saved)
    if len(saved) == len(layout.takers) == len(layout.widgets):
        values = list(saved)
    else:
        values = list(layout.defaults)
        for index, value in zip(layout.takers, saved, strict=False):
            values[index] = value
    for index in layout.settled:
        values[index] = settled(layout.widgets[index], values[index])
    return layout.widgets, values


def settled(spec: WidgetSpec, value: Any) -> Any:
    """Return what ``value`` becomes when it is put into the widget."""
    if value is None and spec.when_null is not None:
        return spec.when_null
    if spec.caption is not None and (spec.is_menu or not _is_choice(spec, value)):
        return spec.caption
    if spec.is_text and type(value) in _SPELT:
        return js_string(value)
    if spec.is_textarea and isinstance(value, str):
        # What an HTML textarea does with line ends.
        return value.replace("\r\n", "\n").replace("\r", "\n")
    return _picked_file(spec, value) if spec.picks_file else value


def _is_choice(spec: WidgetSpec, value: Any) -> bool:
    return spec.input is not None and value in (spec.input.choices or ())


def _picked_file(spec: WidgetSpec, value: Any) -> Any:
    options = spec.input.options if spec.input is not None else {}
    if isinstance(value, list) and value and not options.get("allow_batch"):
        value = value[0]
    if not value:
        value = spec.default
    tagged = isinstance(value, str) and value.endswith(("[input]", "[output]", "[temp]"))
    is_output = options.get("image_folder") == "output"
    return f"{value} [output]" if is_output and isinstance(value, str) and not tagged else value


def _poured_live(layout: Layout, saved: Sequence[Any]) -> Poured:
    """Assign over the live list: a dynamic combo's value decides which widgets stand behind it."""
    specs, values = list(layout.widgets), list(layout.defaults)
    index = place = 0
    while index < len(specs) and place < len(saved):
        spec = specs[index]
        if spec.takes_saved:
            # A null takes a dynamic combo's inputs away; it is the first choice only once all is loaded.
            value = saved[place] if spec.variants is not None else settled(spec, saved[place])
            values[index] = value
            place += 1
            if spec.variants is not None:
                _choose(specs, values, index)
            elif spec.type == OPTION and value and index == len(specs) - 1:
                # A filled last option of a CustomCombo makes the next.
                specs.append(option_widget(int(spec.name[6:]) + 1))
                values.append("")
        index += 1
    for index in range(len(specs) - 1, -1, -1):
        if values[index] is None and specs[index].variants:
            values[index] = specs[index].when_null
            _choose(specs, values, index)
    return specs, values


def _choose(specs: list[WidgetSpec], values: list[Any], index: int) -> None:
    combo = specs[index]
    end = index + 1
    while end < len(specs) and _belongs(specs[end], combo, specs[end - 1]):
        end += 1
    chosen = chosen_layout(combo, values[index])
    specs[index + 1 : end] = chosen.widgets
    values[index + 1 : end] = chosen.defaults


def _belongs(spec: WidgetSpec, combo: WidgetSpec, before: WidgetSpec) -> bool:
    """Whether ``spec`` came with the choice; companions keep their own names and follow their widget."""
    prefix = f"{combo.name}."
    if spec.name in combo.variant_names or spec.name.startswith(prefix):
        return True
    return spec.type == "COMPANION" and before.name.startswith(prefix)


def pour_by_name(layout: Layout, saved: Mapping[str, Any]) -> Poured:
    """Return the widgets and their values from values by name; a widget without one keeps its default."""
    specs, values = list(layout.widgets), list(layout.defaults)
    index = 0
    while index < len(specs):
        if specs[index].name in saved:
            values[index] = settled(specs[index], saved[specs[index].name])
            if specs[index].variants is not None:
                _choose(specs, values, index)
        index += 1
    return specs, values


def _unreadable(layout: Layout, *, modern: bool) -> Poured:
    """Core nodes never save a dict: 1.27 takes no notice of it, 1.49 reads ``undefined`` for each widget."""
    if not modern:
        return layout.widgets, list(layout.defaults)
    emptied = [spec.when_null if spec.type == "COMBO" else ABSENT for spec in layout.widgets]
    return layout.widgets, [ABSENT if value is None else value for value in emptied]


class ForcedInputs:
    """Drops the dummies that files from before front end 1.16 hold for ``forceInput`` widgets (par. 4)."""

    def __init__(self, lengths: Sequence[int], dropped: frozenset[int]) -> None:
        self._expected = sum(lengths)
        self._dropped = dropped

    @classmethod
    def of(cls, node_type: NodeType, layout: Layout, profile: Profile) -> ForcedInputs | None:
        """Return how to do it for ``node_type``, or None when it has no such input."""
        widgets = {spec.name for spec in layout.widgets}
        # In the dict's order, not in input_order (litegraphUtil.ts, migrateWidgetsValues).
        sections = node_type.raw.get("input")
        order = [name for section in _sections(sections) for name in section if name in node_type.inputs]
        counted = [
            made
            for made in map(node_type.inputs.__getitem__, order)
            if made.is_link_only or made.name in widgets
        ]
        if not any(made.is_link_only for made in counted):
            return None
        lengths = [2 if _is_controlled(made.options, made.name, profile) else 1 for made in counted]
        if profile.is_modern:
            starts = [sum(lengths[:index]) for index in range(len(lengths))]
            places = {start for made, start in zip(counted, starts, strict=True) if made.is_link_only}
        else:
            # 1.27 forgets the companions when it drops.
            places = {index for index, made in enumerate(counted) if made.is_link_only}
        return cls(lengths, frozenset(places))

    def without(self, saved: Sequence[Any]) -> Sequence[Any]:
        """Return ``saved`` without the dummies, if its length says that it has them."""
        if len(saved) != self._expected:
            return saved
        return [value for place, value in enumerate(saved) if place not in self._dropped]


def _is_controlled(options: Mapping[str, Any], name: str, profile: Profile) -> bool:
    if options.get("control_after_generate"):
        return True
    return not profile.is_modern and name in {"seed", "noise_seed"}


def _sections(sections: Any) -> list[Mapping[str, Any]]:
    found = [sections.get(name) for name in ("required", "optional")] if isinstance(sections, Mapping) else []
    return [section for section in found if isinstance(section, Mapping)]
