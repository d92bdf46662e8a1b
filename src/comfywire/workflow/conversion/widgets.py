"""From a node type to the sockets and widgets that the editor makes of it (editor-format.md, par. 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.layout import (
    ABSENT,
    Autogrow,
    InputSocket,
    Layout,
    WidgetSpec,
    chosen_layout,
)
from comfywire.workflow.object_info import (
    AUTOGROW,
    DYNAMIC_COMBO,
    MATCH_TYPE,
    Input,
    parse_inputs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from comfywire.workflow.profiles import Profile

__all__ = ["lay_out"]

_MAX_GROUPS = 100  # autogrow templates without `max`
# How menus of the Impact, Inspire and Easy-Use packs begin, and how they are called that change a text.
_CAPTION, _MENU = "Select the ", "Select to add "
_SEEDS = {"seed", "noise_seed"}
_EMPTY_CURVE = {"points": [[0, 0], [1, 1]], "interpolation": "monotone_cubic"}
# Type -> value when the server names no default and nothing is saved.
_DEFAULTS: Mapping[str, Any] = {
    "INT": 0,
    "FLOAT": 0,
    "BOOLEAN": False,
    "STRING": "",
    "TEXTAREA": "",
    "MARKDOWN": "",
    "COLOR": "#000000",
    "CURVE": _EMPTY_CURVE,
    "RANGE": {"min": 0, "max": 1},
    "PAINTER": "",
    "BOUNDING_BOX": {"x": 0, "y": 0, "width": 512, "height": 512},
    "BOUNDING_BOXES": [],
    "COLORS": [],
    "AUDIO_RECORD": "",
    "LOAD_3D": "",
    "LOAD_3D_ANIMATION": "",
    "LOAD_3D_ADVANCED": "",
    "PREVIEW_3D": "",
    "PREVIEW_3D_ANIMATION": "",
    "AUDIO_UI": "",
    "IMAGECOMPARE": ["", ""],
    "VIDEO_EDIT": {
        "trim": {"start_time": 0, "duration": 0},
        "crop": {"x": 0, "y": 0, "width": 0, "height": 0},
    },
}


def lay_out(
    inputs: Iterable[Input], profile: Profile, prefix: str = "", *, also: frozenset[str] = frozenset()
) -> Layout:
    """Return sockets and widgets for ``inputs``: plain sockets first, then those that have a widget.

    What a dynamic combo's choice brings, under the combo's name as ``prefix``, stands in its own order. The
    inputs in ``also`` get a widget whatever their type.
    """
    plain: list[InputSocket] = []
    with_widget: list[InputSocket] = plain if prefix else []
    widgets: list[WidgetSpec] = []
    autogrow: dict[str, Autogrow] = {}
    for given in inputs:
        made = replace(given, name=prefix + given.name) if prefix else given
        if profile.is_modern and made.type == AUTOGROW:
            group = autogrow[made.name] = _autogrow(made)
            grown = lay_out(group.inputs(group.minimum + 1), profile)
            plain += grown.sockets
            widgets += grown.widgets
        elif not (made.name in also or _has_widget(made, profile)):
            plain.append(_socket(made))
        else:
            specs = list(_widgets(made, profile))
            if not made.options.get("socketless"):
                with_widget.append(InputSocket(made.name, made.type))
            widgets += specs
            if specs[0].variants is not None:
                _add_chosen(specs[0], with_widget, widgets, autogrow)
    sockets = plain if prefix else [*plain, *with_widget]
    return Layout(tuple(sockets), tuple(widgets), autogrow)


def _has_widget(made: Input, profile: Profile) -> bool:
    """A ``widgetType`` says that it is one, whatever node pack registers that type."""
    if made.is_link_only:
        return False
    return made.widget_type in profile.widget_types or bool(made.options.get("widgetType"))


def _add_chosen(
    combo: WidgetSpec, sockets: list[InputSocket], widgets: list[WidgetSpec], autogrow: dict[str, Autogrow]
) -> None:
    """A dynamic combo starts with the inputs of its first choice right behind it (par. 5)."""
    chosen = chosen_layout(combo, combo.default)
    sockets += chosen.sockets
    widgets += chosen.widgets
    autogrow.update(chosen.autogrow)


def _socket(made: Input) -> InputSocket:
    template = made.options.get("template")
    if made.type != MATCH_TYPE or not isinstance(template, Mapping):
        return InputSocket(made.name, "*" if made.type == MATCH_TYPE else made.type)
    allowed = template.get("allowed_types")
    return InputSocket(
        made.name, allowed if isinstance(allowed, str) else "*", str(template.get("template_id"))
    )


def _widgets(made: Input, profile: Profile) -> Iterator[WidgetSpec]:
    """Yield the widget of ``made`` and the companions that stand right after it."""
    kind = made.widget_type
    if kind == DYNAMIC_COMBO:
        yield _dynamic_combo(made, profile)
        return
    if made.formats:
        formats = {key: lay_out(inputs, profile) for key, inputs in made.formats.items()}
        names = frozenset(spec.name for layout in formats.values() for spec in layout.widgets)
        yield replace(_widget(made, kind, profile), variants=formats, variant_names=names)
        return
    if kind == "IMAGECOMPARE":
        yield WidgetSpec(made.name, kind, ["", ""], made, takes_saved=not profile.is_modern)
        return
    yield _widget(made, kind, profile)
    yield from _companions(made, kind, profile)


def _widget(made: Input, kind: str, profile: Profile) -> WidgetSpec:
    caption = made.choices[0] if kind == "COMBO" and made.choices else None
    if not (isinstance(caption, str) and caption.startswith(_CAPTION)):
        caption = None
    is_text = kind in {"STRING", "TEXTAREA", "MARKDOWN"}
    is_textarea = is_text and (made.is_multiline or kind != "STRING")
    when_null: Any = None
    if profile.is_modern and kind == "COMBO" and made.choices:
        when_null = made.choices[0]
    elif is_textarea:
        when_null = ""
    return WidgetSpec(
        made.name,
        kind,
        _default(made, kind),
        made,
        when_null=when_null,
        is_text=is_textarea and profile.texts_are_text,
        is_textarea=is_textarea and not profile.is_modern,
        caption=caption,
        is_menu=caption is not None and made.name.startswith(_MENU),
        has_dynamic_prompts=is_text and bool(made.options.get("dynamicPrompts")),
    )


def _default(made: Input, kind: str) -> Any:
    said = made.default
    if kind == "COMBO":
        if _is_multi_select(made):
            return said if said is not None else []
        if said:
            return said
        if made.choices:
            return made.choices[0]
        return "Loading..." if made.is_remote else ABSENT
    return said if said is not None else _DEFAULTS.get(kind, ABSENT)


def _is_multi_select(made: Input) -> bool:
    return bool(made.options.get("multi_select"))


def _companions(made: Input, kind: str, profile: Profile) -> Iterator[WidgetSpec]:
    """Widgets that the editor adds by itself: they have places in ``widgets_values``, but no input."""
    if kind == "BOUNDING_BOX":
        yield from (_hidden(name) for name in ("x", "y", "width", "height"))
    if kind == "COMBO" and made.is_remote:
        yield _hidden("Auto-refresh after generation")
        remote = made.options.get("remote")
        if isinstance(remote, Mapping) and remote.get("refresh_button"):
            # Exported as "refresh": "refresh": the button forgets to say that it is not serialized.
            yield WidgetSpec("refresh", "BUTTON", "refresh")
    if _has_control(made, kind, profile):
        yield _hidden("control_after_generate")
        if kind == "COMBO":
            yield _hidden("control_filter_list")


def _has_control(made: Input, kind: str, profile: Profile) -> bool:
    said = made.options.get("control_after_generate")
    if kind == "INT":
        return bool(said) or (said is None and made.name in _SEEDS)
    if kind == "COMBO":
        return bool(said) and (profile.is_modern or not _is_multi_select(made))
    return kind == "FLOAT" and profile.is_modern and bool(said)


def _hidden(name: str) -> WidgetSpec:
    return WidgetSpec(name, "COMPANION", is_sent=False)


def _dynamic_combo(made: Input, profile: Profile) -> WidgetSpec:
    variants = {
        key: lay_out(inputs, profile, prefix=f"{made.name}.") for key, inputs in made.variants.items()
    }
    first = next(iter(variants), ABSENT)
    when_null = first if variants else None
    return WidgetSpec(made.name, DYNAMIC_COMBO, first, made, when_null=when_null, variants=variants)


def _autogrow(made: Input) -> Autogrow:
    template = made.options.get("template")
    template = template if isinstance(template, Mapping) else {}
    names, prefix = template.get("names"), template.get("prefix")
    named = tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else None
    return Autogrow(
        made.name,
        tuple(parse_inputs(template.get("input")).values()),
        named,
        prefix if isinstance(prefix, str) else "",
        _count(template.get("min"), 1),
        len(named) if named is not None else _count(template.get("max"), _MAX_GROUPS),
    )


def _count(said: Any, default: int) -> int:
    return min(said, _MAX_GROUPS) if isinstance(said, int) and said >= 0 else default
