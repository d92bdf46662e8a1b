"""Parameters drafted from a workflow: what people usually want to set, under the names they expect."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from comfywire.workflow.node import is_link
from comfywire.workflow.parameters.app_mode import picked_inputs, picked_outputs
from comfywire.workflow.parameters.describing import DECLARED, InputPlace, describe, slug
from comfywire.workflow.parameters.guesses import in_form_order, with_groups, with_roles
from comfywire.workflow.parameters.parameters import FILE_TYPES, Parameter, Parameters

if TYPE_CHECKING:
    from comfywire.workflow.node import Node
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
_OUTPUT = "output"  # "$output.name" on a node that saves or shows names what it gives


def draft(workflow: WorkflowLike) -> Parameters:
    """Return parameters for ``workflow``, for a person to edit.

    Titles that declare parameters decide alone: ``$name`` (the node's main input), ``$name.input``,
    ``$name.~input`` (a file to upload), ``$name.input!`` (required), ``$name.input: help``; ``$name`` or
    ``$output.name`` on a node that saves or shows names an output. Without any, the inputs and outputs count
    that the author chose for App mode, in the author's order and without groups. Else the usual inputs are
    taken: texts by what they lead to (``prompt``, ``negative``), files to load, seed, steps, size, models; in
    the order of their groups, words first.
    """
    outputs = dict(_name_outputs(workflow))
    declared = _by_name(_declared_places(workflow))
    if declared:
        return _parameters(with_groups(with_roles(declared)), outputs)
    usual = list(_usual_places(workflow))
    picked = list(_picked(workflow, usual))
    drafted = picked or in_form_order(with_groups(with_roles(_by_name(_named_apart(usual)))))
    return _parameters(drafted, _those_of(outputs, picked_outputs(workflow)) or outputs)


def _those_of(outputs: dict[str, tuple[str, ...]], ids: list[str]) -> dict[str, tuple[str, ...]]:
    names = {nodes[0]: name for name, nodes in outputs.items()}
    return {names[node_id]: (node_id,) for node_id in ids}


def _parameters(listed: list[Parameter], outputs: dict[str, tuple[str, ...]]) -> Parameters:
    return Parameters({parameter.name: parameter for parameter in listed}, outputs)


def _by_name(places: Iterable[InputPlace]) -> list[Parameter]:
    grouped: dict[str, list[InputPlace]] = {}
    for place in places:
        grouped.setdefault(place.name, []).append(place)
    return [describe(name, group) for name, group in grouped.items()]


def _picked(workflow: WorkflowLike, usual: list[InputPlace]) -> Iterator[Parameter]:
    """Yield what the author chose; called by the author's labels, else as drafts are."""
    names = {place.target: place.name for place in usual}
    found: list[Parameter] = []
    called: list[str] = []
    used: set[str] = set()
    numbered = _numbering(used)
    for pick in picked_inputs(workflow):
        places = [InputPlace(workflow[node_id], name, "", help=pick.help) for node_id, name in pick.places]
        usual_name = names.get(places[0].target) or slug(pick.widget.rpartition(".")[2])
        own_name = slug(pick.label) if pick.label != pick.widget.rpartition(".")[2] else ""
        name = own_name or usual_name or "input"
        name = name if name not in used else _free_name(replace(places[0], name=name), used, numbered)
        used.add(name)
        found.append(replace(describe(name, places), label=pick.label))
        called.append(usual_name)
    # What a widget leads to says more of its role than its label, which may be in any language.
    renamed = [replace(each, name=name or each.name) for each, name in zip(found, called, strict=True)]
    roles = [each.role for each in with_roles(renamed)]
    yield from with_roles(replace(each, role=role) for each, role in zip(found, roles, strict=True))


def _declared_places(workflow: WorkflowLike) -> Iterator[InputPlace]:
    outputs = {node.id for node in workflow.output_nodes}
    for node in workflow:
        found = DECLARED.match(node.title.strip())
        if found is None or (node.id in outputs and (not found["input"] or found["name"] == _OUTPUT)):
            continue
        input_name = found["input"] or _main_input(node)
        if input_name is not None and node.knows(input_name):
            help_text = (found["help"] or "").strip()
            yield InputPlace(node, input_name, found["name"], bool(found["required"]), help_text)


def _main_input(node: Node) -> str | None:
    values = [name for name, value in node.inputs.items() if not is_link(value)]
    usual = [*_TEXTS, *_NAMES]
    return next((name for name in usual if name in values), next(iter(values), None))


def _usual_places(workflow: WorkflowLike) -> Iterator[InputPlace]:
    texts = dict(_name_texts(workflow))
    taken = _taken_slots(workflow)
    for node in workflow:
        for input_name, value in node.inputs.items():
            if is_link(value):
                continue
            if (node.id, input_name) in texts:
                yield InputPlace(node, input_name, texts[node.id, input_name])
            elif node.class_type.startswith("Primitive") and input_name == "value":
                yield InputPlace(node, input_name, slug(node.title) or "value")
            elif input_name in _NAMES and _fits(node, input_name):
                is_mask = input_name == "image" and _is_only_mask(node, taken)
                yield InputPlace(node, input_name, "mask" if is_mask else _usual_name(node, input_name))


def _fits(node: Node, input_name: str) -> bool:
    """Whether a person sets it: not what the editor adds (SaveGLB's ``image``), nor what only links fill."""
    spec = node.spec(input_name)
    if spec is None:
        return node.definition is None
    return spec.is_widget and (spec.upload is not None or input_name not in FILE_TYPES)


def _taken_slots(workflow: WorkflowLike) -> dict[str, set[int]]:
    """Return the outputs that others take, by node: looked up for each picture, not searched for."""
    taken: dict[str, set[int]] = {}
    for origin, slot in (value for node in workflow for value in node.inputs.values() if is_link(value)):
        taken.setdefault(origin, set()).add(slot)
    return taken


def _is_only_mask(node: Node, taken: Mapping[str, set[int]]) -> bool:
    """Whether a picture is loaded for its mask alone (``LoadImageMask``; ``LoadImage``'s second output)."""
    is_second = node.class_type == "LoadImage" and taken.get(node.id) == {1}
    return is_second or node.class_type == "LoadImageMask"


def _usual_name(node: Node, input_name: str) -> str:
    spec = node.spec(input_name)
    if spec and spec.upload:
        return spec.upload
    if input_name == "model_name" and "upscale" not in node.class_type.lower():
        return "model"
    return _NAMES[input_name]


def _name_texts(workflow: WorkflowLike) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield ((node_id, input), name) of the texts that samplers are led by, and of other long texts."""
    positive, negative, other = (
        _texts_behind(workflow, side) for side in ("positive", "negative", "conditioning")
    )
    named = dict.fromkeys(other, "prompt")
    named |= dict.fromkeys(negative, "negative") | dict.fromkeys(positive, "prompt")  # the last one counts
    yield from named.items()
    for node in workflow:
        for name, value in node.inputs.items():
            if name in _TEXTS[:2] and isinstance(value, str) and (node.id, name) not in named:
                yield (node.id, name), "prompt" if not positive and not other else slug(node.title) or name


def _texts_behind(workflow: WorkflowLike, side: str) -> list[tuple[str, str]]:
    todo = deque(
        value[0]
        for node in workflow
        for name, value in node.inputs.items()
        if name == side and is_link(value)
    )
    seen: set[str] = set()
    found = []
    while todo:
        node_id = todo.popleft()
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


def _named_apart(places: list[InputPlace]) -> Iterator[InputPlace]:
    """Yield the places with names of their own, except where one value should reach several of them."""
    first: dict[str, InputPlace] = {}
    used: set[str] = set()
    numbered = _numbering(used)
    for place in places:
        if place.name not in first:
            first[place.name] = place
            used.add(place.name)
            yield place
        elif _go_together(first[place.name], place):
            yield place
        else:
            name = _free_name(place, used, numbered)
            used.add(name)
            yield replace(place, name=name)


def _go_together(first: InputPlace, other: InputPlace) -> bool:
    """Whether one value drives both: seeds always; texts, sizes and the like where they are equal now."""
    is_same = first.node.inputs.get(first.input) == other.node.inputs.get(other.input)
    is_file = (spec := other.node.spec(other.input)) is not None and spec.upload is not None
    return other.name == "seed" or (is_same and not is_file)


def _free_name(place: InputPlace, used: set[str], numbered: Callable[[str], str]) -> str:
    known = place.node.definition
    usual = {place.node.class_type, known.display_name if known else ""}
    own = slug(place.node.title) if place.node.title not in usual else ""
    if own and own != place.name and (name := f"{own}_{place.name}") not in used:
        return name
    return numbered(place.name)


def _numbering(used: set[str]) -> Callable[[str], str]:
    """Return what gives the first of ``x_2``, ``x_3`` ... that is not used; each ``x`` is counted on."""
    numbers: dict[str, Iterator[int]] = {}

    def numbered(name: str) -> str:
        following = numbers.setdefault(name, itertools.count(2))
        return next(free for number in following if (free := f"{name}_{number}") not in used)

    return numbered


def _name_outputs(workflow: WorkflowLike) -> Iterator[tuple[str, tuple[str, ...]]]:
    used: set[str] = set()
    numbered = _numbering(used)
    for node in workflow.output_nodes:
        declared = DECLARED.match(node.title.strip())
        if declared:
            name = (
                declared["input"] if declared["name"] == _OUTPUT and declared["input"] else declared["name"]
            )
        else:
            name = slug(node.title) or "output"
        name = numbered(name) if name in used else name
        used.add(name)
        yield name, (node.id,)
