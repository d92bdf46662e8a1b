"""A typed view of ``/object_info``: the server's catalogue of node types.

Built once for a server's answer and shared by conversion, validation, parameters and node search. Entries
are parsed when they are first asked for, since an answer has a thousand of them and a workflow uses ten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

__all__ = ["Input", "NodeType", "ObjectInfo", "OutputSlot", "parse_inputs"]

DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
AUTOGROW = "COMFY_AUTOGROW_V3"
MATCH_TYPE = "COMFY_MATCHTYPE_V3"

# Types that the editor of any supported version draws as a widget (editor-format.md, par. 3). Node packs add
# their own in JavaScript, which no server tells us about.
WIDGET_TYPES = frozenset(
    "INT FLOAT BOOLEAN STRING COMBO MARKDOWN COLOR TEXTAREA IMAGEUPLOAD FILEUPLOAD IMAGECOMPARE TREESELECT "
    "MULTISELECT CHART GALLERIA SELECTBUTTON AUDIO_UI AUDIOUPLOAD AUDIO_RECORD WEBCAM LOAD_3D "
    "LOAD_3D_ANIMATION PREVIEW_3D PREVIEW_3D_ANIMATION BOUNDING_BOX BOUNDING_BOXES COLORS CURVE RANGE "
    f"PAINTER COMPOSITOR VIDEO_EDIT LOAD_3D_ADVANCED {DYNAMIC_COMBO}".split()
)

# Option of an input -> what kind of file its upload button takes.
_UPLOADS = {
    "image_upload": "image",
    "animated_image_upload": "image",
    "video_upload": "video",
    "audio_upload": "audio",
    "file_upload": "file",
}


@dataclass(frozen=True)
class Input:
    """One input of a node type.

    Attributes:
        name: Its key in the prompt's ``inputs``.
        type: ``"COMBO"`` for every list of choices, however the server spells it; else as the server says.
        options: The second half of the server's entry, untouched.
        required: Whether the server refuses a prompt without it.
        choices: What may be chosen, or None: not a combo, or one whose choices the browser fetches.

    """

    name: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    required: bool = True
    choices: tuple[Any, ...] | None = None

    @cached_property
    def widget_type(self) -> str:
        """The type that decides which widget the editor draws (LTXV nodes say ``widgetType`` beside it)."""
        said = self.options.get("widgetType")
        return said if isinstance(said, str) and said else self.type

    @property
    def is_widget(self) -> bool:
        """Whether a person types its value; the others can only be linked."""
        return self.widget_type in WIDGET_TYPES and not self.is_link_only

    @property
    def is_link_only(self) -> bool:
        """Whether ``forceInput`` takes the widget away from a type that has one."""
        return bool(self.options.get("forceInput"))

    @property
    def is_multiline(self) -> bool:
        """Whether it is a text of several lines."""
        return bool(self.options.get("multiline"))

    @property
    def is_remote(self) -> bool:
        """Whether the browser fetches the choices from another route."""
        return bool(self.options.get("remote"))

    @property
    def default(self) -> Any:
        """The default that the server names, or None."""
        return self.options.get("default")

    @property
    def minimum(self) -> float | None:
        """The least number allowed, or None."""
        return _number(self.options.get("min"))

    @property
    def maximum(self) -> float | None:
        """The greatest number allowed, or None."""
        return _number(self.options.get("max"))

    @property
    def step(self) -> float | None:
        """The step of the widget's arrows, or None; the server does not check it."""
        return _number(self.options.get("step"))

    @property
    def tooltip(self) -> str:
        """The help text, or ``""``."""
        said = self.options.get("tooltip")
        return said if isinstance(said, str) else ""

    @property
    def upload(self) -> str | None:
        """What its upload button takes: ``image``, ``video``, ``audio``, ``file`` (3D), or None."""
        return next((kind for option, kind in _UPLOADS.items() if self.options.get(option)), None)

    @cached_property
    def variants(self) -> Mapping[str, tuple[Input, ...]]:
        """For a dynamic combo: the further inputs that each choice brings, by choice, else empty."""
        if self.type != DYNAMIC_COMBO:
            return {}
        return {key: tuple(parse_inputs(inputs).values()) for key, inputs in _variants(self.options)}

    @cached_property
    def formats(self) -> Mapping[str, tuple[Input, ...]]:
        """The further inputs that each choice brings under their own names, as VideoHelperSuite says it."""
        said = self.options.get("formats")
        listed = said.items() if isinstance(said, Mapping) and self.type == "COMBO" else ()
        return {key: tuple(_named(inputs)) for key, inputs in listed if isinstance(inputs, list)}


@dataclass(frozen=True)
class OutputSlot:
    """One output slot of a node type."""

    name: str
    type: str
    is_list: bool = False


@dataclass(frozen=True)
class NodeType:
    """What the server says about one ``class_type``."""

    class_type: str
    raw: Mapping[str, Any] = field(repr=False)
    inputs: Mapping[str, Input]
    """Required and optional inputs, in the order in which the editor lays them out."""
    outputs: tuple[OutputSlot, ...] = ()

    @property
    def display_name(self) -> str:
        """What people call it; the class_type where the server has no other name."""
        return _text(self.raw, "display_name") or _text(self.raw, "name") or self.class_type

    @property
    def description(self) -> str:
        """What it does, in the author's words, or ``""``."""
        return _text(self.raw, "description")

    @property
    def category(self) -> str:
        """Where the editor's menu has it, such as ``"sampling/custom_sampling"``."""
        return _text(self.raw, "category")

    @property
    def python_module(self) -> str:
        """Where it comes from: ``nodes``, ``comfy_extras.…`` or ``custom_nodes.…``."""
        return _text(self.raw, "python_module")

    @property
    def is_names_only(self) -> bool:
        """Whether only names, order and types are known of it: the packaged knowledge of node packs."""
        return bool(self.raw.get("names_only"))

    @property
    def is_output_node(self) -> bool:
        """Whether it may stand at the end of a graph: it saves or shows something."""
        return bool(self.raw.get("output_node"))

    @property
    def is_deprecated(self) -> bool:
        """Whether its author has replaced it."""
        return bool(self.raw.get("deprecated"))

    @property
    def is_experimental(self) -> bool:
        """Whether its author may still change it."""
        return bool(self.raw.get("experimental"))

    @property
    def is_api_node(self) -> bool:
        """Whether it calls a paid service."""
        return bool(self.raw.get("api_node"))


class ObjectInfo(Mapping[str, NodeType]):
    """``/object_info`` by class_type. A KeyError means that the server does not have the node type.

    Args:
        raw: The server's answer, parsed. It is kept, not copied: do not change it afterwards.
        is_packaged: Whether it is no server's, but ships with Comfywire.
        version: The server's, such as ``0.33.0``, if it is known.

    """

    _latest: ClassVar[ObjectInfo | None] = None

    def __init__(
        self, raw: Mapping[str, Any], *, is_packaged: bool = False, version: str | None = None
    ) -> None:
        self.raw = raw
        self.is_packaged = is_packaged
        self.version = version
        self._parsed: dict[str, NodeType] = {}

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> ObjectInfo:
        """Return ``raw`` as a catalogue: the same one each time in a row that the same object is given.

        So a raw answer that a program gives with each of its workflows is parsed once. One is remembered,
        since a catalogue holds megabytes. A node type that was replaced in it meanwhile is parsed anew.
        """
        if isinstance(raw, ObjectInfo):
            return raw
        latest = cls._latest
        if latest is None or latest.raw is not raw:
            latest = cls._latest = cls(raw)
        return latest

    def __getitem__(self, class_type: str) -> NodeType:
        known = self._parsed.get(class_type)
        entry = self.raw[class_type]
        if known is None or known.raw is not entry:
            if not isinstance(entry, Mapping):
                raise KeyError(class_type)
            known = self._parsed[class_type] = _parse_node_type(class_type, entry)
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def __contains__(self, class_type: object) -> bool:
        return class_type in self.raw and isinstance(self.raw[class_type], Mapping)  # type: ignore[index]  # it is in


def _named(listed: list[Any]) -> Iterator[Input]:
    for entry in listed:
        if isinstance(entry, list) and len(entry) > 1 and isinstance(entry[0], str):
            yield parse_input(entry[0], entry[1:])


def parse_inputs(sections: Any, order: Any = None) -> dict[str, Input]:
    """Return the inputs of ``{"required": {...}, "optional": {...}}`` in the editor's order.

    ``order`` is the server's ``input_order``; names that it lacks come last. Hidden inputs are left out:
    neither a person nor a link sets them.
    """
    found: dict[str, Input] = {}
    for section in ("required", "optional"):
        for name, entry in _section(sections, section).items():
            # Both sections may have the name; the editor merges them with the optional entry on top.
            found[name] = parse_input(name, entry, required=section == "required")
    wanted = [*_names(order, "required"), *_names(order, "optional")]
    if wanted == list(found):
        return found
    return {name: found[name] for name in dict.fromkeys([*wanted, *found]) if name in found}


def parse_input(name: str, entry: Any, *, required: bool = True) -> Input:
    """Return one input from the server's ``[type, options]``, whatever its spelling."""
    first, options = _halves(entry)
    if isinstance(first, list):
        return Input(name, "COMBO", options, required, tuple(first))
    kind = first if isinstance(first, str) else "*"
    return Input(name, kind, options, required, _choices(kind, options))


def _choices(kind: str, options: Mapping[str, Any]) -> tuple[Any, ...] | None:
    listed = options.get("options")
    if kind == DYNAMIC_COMBO:
        return tuple(key for key, _ in _variants(options))
    return (
        tuple(listed) if kind == "COMBO" and isinstance(listed, list) and not options.get("remote") else None
    )


def _variants(options: Mapping[str, Any]) -> list[tuple[str, Any]]:
    listed = options.get("options")
    found = [choice for choice in listed if isinstance(choice, Mapping)] if isinstance(listed, list) else []
    return [(choice["key"], choice.get("inputs")) for choice in found if isinstance(choice.get("key"), str)]


def _halves(entry: Any) -> tuple[Any, Mapping[str, Any]]:
    if not isinstance(entry, list | tuple):
        return entry, {}
    options = entry[1] if len(entry) > 1 else None
    return (entry[0] if entry else "*"), options if isinstance(options, Mapping) else {}


def _parse_node_type(class_type: str, entry: Mapping[str, Any]) -> NodeType:
    inputs = parse_inputs(entry.get("input"), entry.get("input_order"))
    return NodeType(class_type, entry, inputs, tuple(_outputs(entry)))


def _outputs(entry: Mapping[str, Any]) -> Iterator[OutputSlot]:
    names, lists = _list(entry, "output_name"), _list(entry, "output_is_list")
    for slot, kind in enumerate(_list(entry, "output")):
        # An output that is a list of choices is a COMBO to the editor's type check.
        said = kind if isinstance(kind, str) else "COMBO"
        name = names[slot] if slot < len(names) and isinstance(names[slot], str) else said
        yield OutputSlot(name, said, slot < len(lists) and bool(lists[slot]))


def _section(sections: Any, name: str) -> Mapping[str, Any]:
    section = sections.get(name) if isinstance(sections, Mapping) else None
    return section if isinstance(section, Mapping) else {}


def _names(order: Any, section: str) -> list[str]:
    names = order.get(section) if isinstance(order, Mapping) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _list(entry: Mapping[str, Any], key: str) -> list[Any]:
    listed = entry.get(key)
    return listed if isinstance(listed, list) else []


def _text(entry: Mapping[str, Any], key: str) -> str:
    said = entry.get(key)
    return said if isinstance(said, str) else ""


def _number(said: Any) -> float | None:
    return said if isinstance(said, int | float) and not isinstance(said, bool) else None
