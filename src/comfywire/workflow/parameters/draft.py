"""Parameters drafted from a workflow: what people usually want to set, under the names they expect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from comfywire.errors import InvalidParameter
from comfywire.workflow.node import is_link
from comfywire.workflow.parameters.parameters import FILE_TYPES, Parameter, Parameters
from comfywire.workflow.parameters.values import LARGEST_SEED, is_seed, kind_of, tightest

if TYPE_CHECKING:
    from comfywire.workflow.node import Node
    from comfywire.workflow.object_info import Input
    from comfywire.workflow.workflow_like import WorkflowLike

__all__ = ["draft"]

# Inputs that callers change, and what to call them; the rest of a graph is how it was built.
_NAMES = {
    "seed": "seed", "noise_seed": "seed", "steps": "steps", "cfg": "cfg", "guidance": "guidance",
    "denoise": "denoise", "sampler_name": "sampler", "scheduler": "scheduler", "width": "width",
    "height": "height", "batch_size": "batch_size", "length": "length", "fps": "fps", "frame_rate": "fps",
    "duration": "duration", "ckpt_name": "checkpoint", "unet_name": "model", "vae_name": "vae",
    "lora_name": "lora", "strength": "strength", "strength_model": "lora_strength", "image": "image",
    "video": "video", "audio": "audio", "file": "file", "mask": "mask", "model_name": "upscale_model",
    "control_net_name": "controlnet", "scale_by": "scale", "megapixels": "megapixels", "lyrics": "lyrics",
    "tags": "tags", "seconds": "seconds",
}  # fmt: skip
_TEXTS = ("text", "prompt", "text_g", "text_l", "clip_l", "t5xxl", "positive_prompt", "string", "value")
_TYPES = {
    "INT": "int",
    "FLOAT": "float",
    "NUMBER": "float",
    "BOOLEAN": "bool",
    "STRING": "text",
    "COMBO": "choice",
}
_DECLARED = re.compile(
    r"\$(?P<name>[A-Za-z_][\w-]*)(?:\.(?P<upload>~?)(?P<input>[\w.]+))?(?P<required>!?)(?::(?P<help>.*))?\Z",
    re.DOTALL,
)
_OUTPUT = "output"  # "$output.name" on a node that saves or shows names what it gives
# Choices of such inputs are the files that one server has: no part of a description that travels.
_FILES = re.compile(
    r"\.(safetensors|sft|ckpt|pth?|bin|gguf|onnx|png|jpe?g|webp|mp4|webm|mp3|wav|flac|glb)\Z", re.IGNORECASE
)
_MOST_CHOICES = 100


@dataclass(frozen=True, slots=True)
class _Place:
    node: Node
    input: str
    name: str
    is_required: bool = False
    help: str = ""

    @property
    def target(self) -> str:
        return f"{self.node.id}.{self.input}"


def draft(workflow: WorkflowLike) -> Parameters:
    """Return parameters for ``workflow``, for a person to edit.

    Titles that declare parameters decide alone: ``$name`` (the node's main input), ``$name.input``,
    ``$name.~input`` (a file to upload), ``$name.input!`` (required), ``$name.input: help``; ``$name`` or
    ``$output.name`` on a node that saves or shows names an output. Without any, the usual inputs are taken:
    texts by what they lead to (``prompt``, ``negative``), files to load, seed, steps, size, models.
    """
    declared = list(_declared_places(workflow))
    places = declared or list(_usual_places(workflow))
    grouped: dict[str, list[_Place]] = {}
    for place in places if declared else _named_apart(places):
        grouped.setdefault(place.name, []).append(place)
    parameters = {name: _describe(name, group) for name, group in grouped.items()}
    return Parameters(parameters, dict(_name_outputs(workflow)))


def _declared_places(workflow: WorkflowLike) -> Iterator[_Place]:
    outputs = {node.id for node in workflow.output_nodes}
    for node in workflow:
        found = _DECLARED.match(node.title.strip())
        if found is None or (node.id in outputs and (not found["input"] or found["name"] == _OUTPUT)):
            continue
        input_name = found["input"] or _main_input(node)
        if input_name is not None and node.knows(input_name):
            help_text = (found["help"] or "").strip()
            yield _Place(node, input_name, found["name"], bool(found["required"]), help_text)


def _main_input(node: Node) -> str | None:
    values = [name for name, value in node.inputs.items() if not is_link(value)]
    usual = [*_TEXTS, *_NAMES]
    return next((name for name in usual if name in values), next(iter(values), None))


def _usual_places(workflow: WorkflowLike) -> Iterator[_Place]:
    texts = dict(_name_texts(workflow))
    for node in workflow:
        for input_name, value in node.inputs.items():
            if is_link(value):
                continue
            if (node.id, input_name) in texts:
                yield _Place(node, input_name, texts[node.id, input_name])
            elif node.class_type.startswith("Primitive") and input_name == "value":
                yield _Place(node, input_name, _slug(node.title) or "value")
            elif input_name in _NAMES and _fits(node, input_name):
                yield _Place(node, input_name, _usual_name(node, input_name))


def _fits(node: Node, input_name: str) -> bool:
    """Whether a person sets it: not what the editor adds (SaveGLB's ``image``), nor what only links fill."""
    spec = node.spec(input_name)
    if spec is None:
        return node.definition is None
    return spec.is_widget and (spec.upload is not None or input_name not in FILE_TYPES)


def _usual_name(node: Node, input_name: str) -> str:
    spec = node.spec(input_name)
    if spec and spec.upload:
        return spec.upload
    if input_name == "model_name" and "upscale" not in node.class_type.lower():
        return "model"
    return _NAMES[input_name]


def _name_texts(workflow: WorkflowLike) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield ((node_id, input), name) of the texts that samplers are led by, and of other long texts."""
    positive, negative = (_texts_behind(workflow, side) for side in ("positive", "negative"))
    other = _texts_behind(workflow, "conditioning")
    for place in dict.fromkeys([*positive, *other]):
        yield place, "prompt"
    for place in negative:
        if place not in positive:
            yield place, "negative"
    for node in workflow:
        for name, value in node.inputs.items():
            place = (node.id, name)
            is_named = place in positive or place in negative or place in other
            if name in _TEXTS[:2] and isinstance(value, str) and not is_named:
                yield place, "prompt" if not positive and not other else _slug(node.title) or name


def _texts_behind(workflow: WorkflowLike, side: str) -> list[tuple[str, str]]:
    todo = [
        value[0]
        for node in workflow
        for name, value in node.inputs.items()
        if name == side and is_link(value)
    ]
    seen: set[str] = set()
    found = []
    while todo:
        node_id = todo.pop(0)
        if node_id in seen or node_id not in workflow.prompt:
            continue
        seen.add(node_id)
        node = workflow[node_id]
        texts = [name for name in _TEXTS if isinstance(node.inputs.get(name), str)]
        found += [(node_id, name) for name in texts]
        # Behind a text there is only its encoder; else a node passes on what came in on the same side.
        todo += [] if texts else _links_on(node, side)
    return found


def _links_on(node: Node, side: str) -> list[str]:
    links = {name: value[0] for name, value in node.inputs.items() if is_link(value)}
    same = [origin for name, origin in links.items() if name == side]
    kin = [origin for name, origin in links.items() if name.startswith(("conditioning", *_TEXTS))]
    return same or kin


def _named_apart(places: list[_Place]) -> Iterator[_Place]:
    """Yield the places with names of their own, except where one value should reach several of them."""
    first: dict[str, _Place] = {}
    used: set[str] = set()
    for place in places:
        if place.name not in first:
            first[place.name] = place
            used.add(place.name)
            yield place
        elif _go_together(first[place.name], place):
            yield place
        else:
            name = _free_name(place, used)
            used.add(name)
            yield replace(place, name=name)


def _go_together(first: _Place, other: _Place) -> bool:
    """Whether one value drives both: seeds always; texts, sizes and the like where they are equal now."""
    is_same = first.node.inputs.get(first.input) == other.node.inputs.get(other.input)
    is_file = (spec := other.node.spec(other.input)) is not None and spec.upload is not None
    return other.name == "seed" or (is_same and not is_file)


def _free_name(place: _Place, used: set[str]) -> str:
    known = place.node.definition
    usual = {place.node.class_type, known.display_name if known else ""}
    own = _slug(place.node.title) if place.node.title not in usual else ""
    candidates = [f"{own}_{place.name}"] if own and own != place.name else []
    candidates += [f"{place.name}_{number}" for number in range(2, len(used) + 3)]
    return next(name for name in candidates if name not in used)


def _describe(name: str, places: list[_Place]) -> Parameter:
    first = places[0]
    spec, value = first.node.spec(first.input), first.node.inputs.get(first.input)
    kind = _type_of(first, spec, value)
    is_number = kind in {"int", "float", "seed"}
    least, most = _limits(kind, places) if is_number else (None, None)
    described = Parameter(
        name=name,
        inputs=tuple(place.target for place in places),
        type=kind,
        default=_default(places),
        minimum=least,
        maximum=most,
        step=spec.step if spec and kind in {"int", "float"} else None,
        choices=_choices(spec) if kind == "choice" else (),
        help=first.help or (spec.tooltip if spec else ""),
        is_multiline=bool(spec and spec.is_multiline),
        is_required=any(place.is_required for place in places),
    )
    if _allows(described, value):
        return described
    free = replace(described, choices=(), minimum=None, maximum=None)
    return free if _allows(free, value) else replace(free, type="any")


def _limits(kind: str, places: list[_Place]) -> tuple[float | None, float | None]:
    """Return the tightest of what the places take; the usual limits of a seed go without saying."""
    least, most = tightest(place.node.spec(place.input) for place in places)
    if kind == "seed":
        return (None if least == 0 else least), (None if most is None or most >= LARGEST_SEED else most)
    return least, most


def _default(places: list[_Place]) -> Any:
    """Return the value that stands in all the places; None, which leaves them alone, if they differ."""
    values = [place.node.inputs.get(place.input) for place in places]
    is_one = all(value == values[0] for value in values)
    is_left = any(place.is_required for place in places) or is_link(values[0])
    return values[0] if is_one and not is_left and not _has_null(values[0]) else None


def _has_null(value: Any) -> bool:
    """Whether there is a null in it, for which TOML, and hence a default that is kept, has no word."""
    match value:
        case list():
            return any(map(_has_null, value))
        case dict():
            return any(map(_has_null, value.values()))
    return value is None


def _allows(parameter: Parameter, value: Any) -> bool:
    """Whether the workflow's own value passes: it may be for another server, or a newer one."""
    try:
        parameter.check(value)
    except InvalidParameter:
        return is_link(value)
    return True


def _type_of(place: _Place, spec: Input | None, value: Any) -> str:
    declared = _DECLARED.match(place.node.title.strip())
    if spec is not None and spec.upload:
        return spec.upload
    if declared and declared["upload"]:
        return "image" if place.input == "image" else "file"
    return "seed" if is_seed(place.input, spec, value) else _TYPES.get(kind_of(spec, value), "any")


def _choices(spec: Input | None) -> tuple[Any, ...]:
    choices = spec.choices if spec else None
    if not choices or len(choices) > _MOST_CHOICES or any(_FILES.search(str(choice)) for choice in choices):
        return ()
    return choices


def _name_outputs(workflow: WorkflowLike) -> Iterator[tuple[str, tuple[str, ...]]]:
    used: set[str] = set()
    for node in workflow.output_nodes:
        declared = _DECLARED.match(node.title.strip())
        if declared:
            name = (
                declared["input"] if declared["name"] == _OUTPUT and declared["input"] else declared["name"]
            )
        else:
            name = _slug(node.title) or "output"
        numbered = (f"{name}_{number}" for number in range(2, len(used) + 3))
        name = next(free for free in (name, *numbered) if free not in used)
        used.add(name)
        yield name, (node.id,)


def _slug(title: str) -> str:
    """Return ``title`` as a name: ``"Load (Base)"`` is ``load_base``, ``SaveImage`` is ``save_image``."""
    apart = title if " " in title else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", title)
    slug = re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")
    return slug if slug[:1].isalpha() else ""
