"""The sockets and widgets of a node type, and what each widget does with its value.

A :class:`Layout` is worked out once per node type and profile by `conversion/widgets.py`,
and shared by all nodes of that type.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from comfywire.workflow.object_info import Input

__all__ = ["ABSENT", "Autogrow", "InputSocket", "Layout", "WidgetSpec", "chosen_layout"]


class _Absent:
    """JavaScript's ``undefined``: a widget without a value, whose key is left out of the prompt."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()

Types: TypeAlias = frozenset[type]
_FITTING: Mapping[str, Types] = {
    "INT": frozenset({int, float, type(None), _Absent}),
    "FLOAT": frozenset({int, float, type(None), _Absent}),
    "BOOLEAN": frozenset({bool, type(None), _Absent}),
    "STRING": frozenset({str, int, float, type(None), _Absent}),
}
"""Types of the values that a widget can have, by the widget's type; any other may hold anything."""


@dataclass(frozen=True)
class InputSocket:
    """An input that can be linked; those of one match group must have types in common."""

    name: str
    type: str
    match_group: str = ""


@dataclass(frozen=True)
class WidgetSpec:
    """One widget, in the order in which ``widgets_values`` is saved.

    Attributes:
        takes_saved: Whether a place in ``widgets_values`` belongs to it.
        is_sent: Whether its value is in the prompt.
        default: The value when nothing is saved, or ABSENT.
        when_null: What a saved null becomes; None keeps it.
        is_text: Texts of several lines hold nothing else: a number becomes its spelling (1.27, 1.58).
        is_textarea: 1.27 keeps texts of several lines in an HTML textarea, which changes line ends.
        has_dynamic_prompts: ``{a|b}`` and comments are resolved when it is sent (par. 11).
        replaces_text: ``%date:...%`` and ``%Node.widget%`` are replaced when it is sent (par. 11).
        caption: The first choice of a menu, "Select the ...", which is sent for what is no choice.
        is_menu: Whether the caption is sent whatever was chosen: choosing only changes another widget.
        picks_file: 1.27's combos of files to upload have ways of their own (par. 5).
        has_limits: Whether it is known what numbers it takes, and in which steps.
        variants: For a dynamic combo, the layout that each choice brings.
        variant_names: What the choices bring, where it is not named after the combo.

    """

    name: str
    type: str
    default: Any = ABSENT
    input: Input | None = None
    takes_saved: bool = True
    is_sent: bool = True
    when_null: Any = None
    is_text: bool = False
    is_textarea: bool = False
    has_dynamic_prompts: bool = False
    replaces_text: bool = False
    caption: str | None = None
    is_menu: bool = False
    picks_file: bool = False
    has_limits: bool = True
    variants: Mapping[str, Layout] | None = None
    variant_names: frozenset[str] = frozenset()

    @cached_property
    def settles(self) -> bool:
        """Whether it changes some of the values that are put into it."""
        return self.when_null is not None or self.is_text or self.picks_file or self.caption is not None

    @cached_property
    def fitting(self) -> Types | None:
        """The types of the values that it can have, of the server's choices or not; None for any."""
        if self.type == "COMBO" and self.input is not None and self.input.choices:
            return frozenset({str, type(None), _Absent, *map(type, self.input.choices)})
        return _FITTING.get(self.type)

    @cached_property
    def is_plain(self) -> bool:
        """Whether a number, boolean or text is sent as it was saved."""
        special = self.has_dynamic_prompts or self.replaces_text or self.is_textarea
        is_computed = self.type in _COMPUTED or (self.input is not None and self.input.is_remote)
        return self.is_sent and not special and not is_computed


@dataclass(frozen=True)
class Layout:
    """The sockets and widgets of a node type, or of one choice of a dynamic combo."""

    sockets: tuple[InputSocket, ...] = ()
    widgets: tuple[WidgetSpec, ...] = ()
    autogrow: Mapping[str, Autogrow] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    """Types of the outputs, for bypassing."""

    @cached_property
    def socket_names(self) -> frozenset[str]:
        """Names of the sockets."""
        return frozenset(socket.name for socket in self.sockets)

    @cached_property
    def sent(self) -> tuple[tuple[int, str], ...]:
        """Index and name of the widgets that are sent."""
        return tuple((index, spec.name) for index, spec in enumerate(self.widgets) if spec.is_sent)

    @cached_property
    def is_plain(self) -> bool:
        """Whether its widgets send numbers, booleans and texts as they were saved."""
        return self.is_static and all(spec.is_plain for spec in self.widgets if spec.is_sent)

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of the widgets."""
        return frozenset(spec.name for spec in self.widgets)

    @cached_property
    def is_static(self) -> bool:
        """Whether no saved value changes the widgets."""
        return not any(spec.variants is not None or spec.type == "OPTION" for spec in self.widgets)

    @cached_property
    def fitting(self) -> tuple[tuple[int, Types], ...]:
        """Which widgets take values of certain types only, by index."""
        found = ((index, spec.fitting) for index, spec in enumerate(self.widgets))
        return tuple((index, types) for index, types in found if types is not None)

    @cached_property
    def takers(self) -> tuple[int, ...]:
        """Which widgets the places of ``widgets_values`` belong to."""
        return tuple(index for index, spec in enumerate(self.widgets) if spec.takes_saved)

    @cached_property
    def settled(self) -> tuple[int, ...]:
        """Which widgets change a value that is put into them (see `conversion/values.py`)."""
        return tuple(index for index, spec in enumerate(self.widgets) if spec.settles)

    @cached_property
    def defaults(self) -> tuple[Any, ...]:
        """One value per widget, for a node that saved none."""
        return tuple(spec.default for spec in self.widgets)


@dataclass(frozen=True)
class Autogrow:
    """A group of sockets that grows as it is linked (COMFY_AUTOGROW_V3)."""

    group: str
    templates: tuple[Input, ...]
    names: tuple[str, ...] | None
    prefix: str
    minimum: int
    maximum: int

    def name(self, ordinal: int, template: Input) -> str:
        """Return the name of the ``ordinal``-th socket that ``template`` makes."""
        if self.names is not None:
            return f"{self.group}.{self.names[ordinal]}"
        return f"{self.group}.{self.prefix if len(self.templates) == 1 else template.name}{ordinal}"

    def inputs(self, count: int) -> Iterator[Input]:
        """Yield the inputs of the first ``count`` groups."""
        for ordinal in range(min(count, self.maximum)):
            yield from (replace(made, name=self.name(ordinal, made)) for made in self.templates)


_COMPUTED = {"LOAD_3D", "LOAD_3D_ANIMATION", "LOAD_3D_ADVANCED", "AUDIO_RECORD", "INDEX"}
"""Widgets whose value is worked out when it is sent."""


def chosen_layout(combo: WidgetSpec, value: Any) -> Layout:
    """Return what ``value`` brings; a value that is no choice brings nothing."""
    variants = combo.variants or {}
    return variants.get(value, _NOTHING) if isinstance(value, str) else _NOTHING


_NOTHING = Layout()
