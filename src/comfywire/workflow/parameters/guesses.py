"""Roles and groups that names and types of parameters suggest; and the order of a form that is drafted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from comfywire.workflow.parameters.roles import REPEATED, TYPES_OF_ROLE

if TYPE_CHECKING:
    from comfywire.workflow.parameters.parameters import Parameter

__all__ = ["in_form_order", "with_groups", "with_roles"]

# Other names than the role's own by which drafts and authors call such a parameter.
_CALLED = {
    "positive": "prompt", "positive_prompt": "prompt", "text": "prompt", "negative": "negative_prompt",
    "noise_seed": "seed", "sampler_name": "sampler", "batch_size": "count", "checkpoint": "model",
    "ckpt_name": "model", "unet_name": "model", "seconds": "duration", "frame_rate": "fps",
}  # fmt: skip
_GROUPS = {
    "Words": ("prompt", "negative_prompt", "lyrics", "tags"),
    "Files": ("image", "mask", "video", "audio", "file"),
    "Size": ("width", "height", "length", "duration", "fps", "scale", "megapixels"),
    "Sampling": ("steps", "cfg", "guidance", "sampler", "scheduler", "denoise", "strength"),
    "Seed and batch": ("seed", "count"),
    "Models": ("model", "vae", "lora", "lora_strength", "upscale_model", "controlnet"),
}
_GROUP_OF = {word: group for group, words in _GROUPS.items() for word in words}
_BY_TYPE = {"text": "Words", "seed": "Seed and batch", **dict.fromkeys(_GROUPS["Files"], "Files")}


def with_roles(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return ``parameters`` with the roles that their names and types suggest, where none was given.

    A role goes to the one that is called just so, else to the first that may have it; nobody loses one.
    """
    found = list(parameters)
    taken = {parameter.role for parameter in found if parameter.role}
    for is_exact in (True, False):
        for at, parameter in enumerate(found):
            role = _role_of(parameter, is_exact=is_exact)
            if role and not parameter.role and (role not in taken or role == REPEATED):
                found[at] = replace(parameter, role=role)
                taken.add(role)
    return found


def _role_of(parameter: Parameter, *, is_exact: bool) -> str:
    name = parameter.name.lower()
    if parameter.is_file:
        is_mask = parameter.type == "mask" or (parameter.type == "image" and "mask" in name.split("_"))
        role = "mask" if is_mask else parameter.type
    else:
        role = name if is_exact else _CALLED.get(name, "")
    return role if parameter.type in TYPES_OF_ROLE.get(role, ()) else ""


def with_groups(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return ``parameters`` with the groups that role, name and type suggest, where none was given."""
    return [each if each.group else replace(each, group=_group_of(each)) for each in parameters]


def _group_of(parameter: Parameter) -> str:
    by_word = _GROUP_OF.get(parameter.role) or _GROUP_OF.get(parameter.name)
    return by_word or _BY_TYPE.get(parameter.type, "")


def in_form_order(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return ``parameters`` by group, words first, those without a group last."""
    order = [*_GROUPS]
    return sorted(parameters, key=lambda each: order.index(each.group) if each.group in order else len(order))
