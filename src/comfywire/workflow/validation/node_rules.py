"""What ComfyUI's validator says about one node, and which links it follows from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comfywire.workflow.nearest import did_you_mean, nearest
from comfywire.workflow.object_info import DYNAMIC_COMBO
from comfywire.workflow.validation.declared import Declared, declared_inputs
from comfywire.workflow.validation.input_rules import (
    FOLDER_NAMED,
    Mistake,
    ServerRaises,
    check_file,
    check_type,
    check_value,
)

if TYPE_CHECKING:
    from comfywire.workflow.object_info import NodeType, ObjectInfo
    from comfywire.workflow.validation.input_rules import Rules

__all__ = ["NodeCheck", "NodeChecker", "type_of"]


@dataclass(frozen=True, slots=True)
class _OwnCheck:
    """What a class checks itself (VALIDATE_INPUTS), which /object_info does not say.

    Attributes:
        covers: The inputs whose range and choices the server leaves to it; None for all of them.
        file: The input that names a file, if that is what is checked.
        is_file_optional: Whether no file, or the word "none", will do.

    """

    covers: frozenset[str] | None = frozenset()
    file: str | None = None
    is_file_optional: bool = False


def _file(name: str) -> _OwnCheck:
    return _OwnCheck(frozenset({name}), name)


# Read in 0.3.64 and 0.33.0. Nodes with an upload button that are not here are taken to check their file, as
# these do; of the other nodes of packs nobody knows whether they check anything themselves.
_OWN_CHECKS = {
    "CustomCombo": _OwnCheck(None),
    "Load3D": _OwnCheck(None, "model_file", is_file_optional=True),
    "Load3DAdvanced": _OwnCheck(None, "model_file", is_file_optional=True),
    "LoadAudio": _file("audio"),
    "LoadImage": _file("image"),
    "LoadImageMask": _file("image"),
    "LoadImageOutput": _file("image"),
    "LoadLatent": _file("latent"),
    "LoadVideo": _file("file"),
    "ModelAttentionBackend": _OwnCheck(frozenset({"attention"})),
    "SelectCLIPDevice": _OwnCheck(frozenset({"device"})),
    "SelectModelDevice": _OwnCheck(frozenset({"device"})),
    "SelectVAEDevice": _OwnCheck(frozenset({"device"})),
    # Of node packs: VideoHelperSuite 4ee72c0 and Impact 727295b. `None` where it takes **kwargs.
    "ImageReceiver": _OwnCheck(
        frozenset({"image", "image_data", "link_id", "save_to_workflow", "trigger_always"})
    ),
    "LatentReceiver": _OwnCheck(frozenset({"latent", "link_id", "trigger_always"})),
    "VHS_LoadAudio": _OwnCheck(None),
    "VHS_LoadAudioUpload": _OwnCheck(None),
    "VHS_LoadImagePath": _OwnCheck(frozenset({"image"})),
    "VHS_LoadImages": _OwnCheck(None),
    "VHS_LoadImagesPath": _OwnCheck(None),
    "VHS_LoadVideo": _file("video"),
    "VHS_LoadVideoFFmpeg": _file("video"),
    "VHS_LoadVideoFFmpegPath": _OwnCheck(frozenset({"video"})),
    "VHS_LoadVideoPath": _OwnCheck(frozenset({"video"})),
}


@dataclass(slots=True)
class NodeCheck:
    """What was found at a node.

    Attributes:
        mistakes: What the server would report there, if nothing raises.
        raised: Where its own code raises: then it reports this alone.
        links: (input, node_id) of the links that it follows.
        failing: What it lets pass although the node cannot run so.

    """

    mistakes: list[Mistake] = field(default_factory=list)
    raised: list[Mistake] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    failing: list[Mistake] = field(default_factory=list)


class NodeChecker:
    """Checks nodes of one prompt, each on its own.

    Args:
        prompt: The graph; every node is a dictionary with a class_type.
        object_info: The server's catalogue.
        rules: Of the server's version.
        has_file: Says whether the server has the file that goes by this name in a prompt; None if unknown.

    """

    def __init__(
        self,
        prompt: Mapping[str, Mapping[str, Any]],
        object_info: ObjectInfo,
        *,
        rules: Rules,
        has_file: Callable[[str], bool] | None,
    ) -> None:
        self._prompt = prompt
        self._object_info = object_info
        self._rules = rules
        self._has_file = has_file

    def check(self, node_id: str) -> NodeCheck:
        """Return what is wrong at a node whose type the server has."""
        found = NodeCheck()
        entry = self._prompt[node_id]
        node_type = self._object_info[entry["class_type"]]
        inputs = entry.get("inputs")
        if isinstance(inputs, list | str) and not any(name in inputs for name in node_type.inputs):
            inputs = {}  # asked whether they have an input, these say no, as an object without any does
        if not isinstance(inputs, dict):
            found.raised.append(_no_inputs(entry))
            return found
        own = _own_check(node_type)
        found.failing += _unchosen(node_type, inputs)
        for declared in declared_inputs(node_type.raw, inputs).values():
            try:
                self._check_input(declared, inputs, own, found)
            except ServerRaises as raised:
                found.raised.append(raised.mistake)
        return found

    def _check_input(
        self, declared: Declared, inputs: dict[str, Any], own: _OwnCheck, found: NodeCheck
    ) -> None:
        name = declared.name
        if name not in inputs:
            if declared.is_required:
                found.mistakes.append(_missing(declared))
        elif isinstance(inputs[name], list):
            found.mistakes += filter(None, [self._check_link(declared, inputs[name], found)])
        else:
            is_covered = own.covers is None or name in own.covers
            found.mistakes += filter(
                None, [check_value(declared, inputs[name], self._rules, is_covered=is_covered)]
            )
        if name == own.file:
            mistake = self._check_file(declared, inputs.get(name), own)
            # A folder is there, which is all that the server asks; the node opens it, and raises.
            is_folder = mistake is not None and mistake.type == FOLDER_NAMED
            (found.failing if is_folder else found.mistakes).extend(filter(None, [mistake]))

    def _check_file(self, declared: Declared, value: Any, own: _OwnCheck) -> Mistake | None:
        if own.is_file_optional and (not value or value == "none"):
            return None
        if isinstance(value, dict) and "__value__" in value:
            value = value["__value__"]
        if not isinstance(value, str):
            raise ServerRaises(declared.name, "takes the name of a file, and nothing else", value=value)
        return check_file(declared, value, self._has_file)

    def _check_link(self, declared: Declared, value: list[Any], found: NodeCheck) -> Mistake | None:
        if len(value) != 2:
            words = "is a list, which means a link, [node_id, slot]; a list of values is {'__value__': [...]}"
            return Mistake("bad_linked_input", declared.name, words, value)
        origin = value[0]
        if not isinstance(origin, str) or origin not in self._prompt:
            raise ServerRaises(declared.name, self._say_no_node(origin), value=value)
        origin_type = type_of(self._prompt[origin], self._object_info)
        if origin_type is None:
            return None  # reported as an unknown type, once
        mistake = check_type(declared, _output_type(declared, origin_type, value), self._rules)
        if mistake is None:
            found.links.append((declared.name, origin))
        return mistake

    def _say_no_node(self, origin: Any) -> str:
        if isinstance(origin, int) and str(origin) in self._prompt:
            return f"is linked to node {origin} as a number; ids in links are texts, '{origin}'"
        hint = did_you_mean(str(origin), self._prompt)
        return f"is linked to node {origin!r}, which is not there{hint}"


def type_of(entry: Mapping[str, Any], object_info: ObjectInfo) -> NodeType | None:
    """Return the type of a node of the prompt, or None if the server does not have it."""
    class_type = entry.get("class_type")
    return object_info.get(class_type) if isinstance(class_type, str) else None


def _own_check(node_type: NodeType) -> _OwnCheck:
    known = _OWN_CHECKS.get(node_type.class_type)
    if known is not None:
        return known
    upload = next((name for name, spec in node_type.inputs.items() if spec.upload), None)
    return _file(upload) if upload else _OwnCheck()


def _unchosen(node_type: NodeType, inputs: Mapping[str, Any]) -> Iterator[Mistake]:
    # A dynamic combo without a choice that is offered is no input at all to the validator (0.33.0), but the
    # node is then called without an argument that it needs.
    for name, spec in node_type.inputs.items():
        choices = spec.choices or ()
        if spec.type == DYNAMIC_COMBO and spec.required and inputs.get(name) not in choices:
            value, near = inputs.get(name), tuple(nearest(str(inputs.get(name)), map(str, choices)))
            has = f"is {value!r}, which is not offered" if name in inputs else "is missing"
            words = f"{has}; the server offers {', '.join(map(str, choices[:8]))}"
            yield Mistake("invalid_dynamic_input", name, words, value, choices, near)


def _output_type(declared: Declared, origin_type: NodeType, link: list[Any]) -> Any:
    outputs = origin_type.raw.get("output")
    try:
        return tuple(outputs or ())[link[1]]
    except (IndexError, TypeError):
        known = ", ".join(f"{at} {output.name}" for at, output in enumerate(origin_type.outputs)) or "none"
        words = (
            f"is linked to output {link[1]!r} of node {link[0]} ({origin_type.class_type}), which has {known}"
        )
        raise ServerRaises(declared.name, words, value=link) from None


def _missing(declared: Declared) -> Mistake:
    default = declared.options.get("default")
    # The server knows the editor's default, and does not apply it.
    hint = f"; the editor would send {default!r}" if default is not None else ""
    kind = "one of its choices" if declared.is_combo else str(declared.type)
    return Mistake(
        "required_input_missing", declared.name, f"is missing: it takes {kind}{hint}", allowed=(kind,)
    )


def _no_inputs(entry: Mapping[str, Any]) -> Mistake:
    has = "no 'inputs'" if "inputs" not in entry else "'inputs' that are no object"
    return Mistake("exception_during_validation", None, f"the node has {has}; it needs them, if only as {{}}")
