"""Roles: what a parameter is to programs, whatever its author called it.

Forms, agents and other APIs' fields find the prompt, the seed or the width by it.
"""

from __future__ import annotations

__all__ = ["REPEATED", "ROLES", "TYPES_OF_ROLE"]

_TEXT, _NUMBER, _CHOICE = frozenset({"text"}), frozenset({"int", "float"}), frozenset({"choice", "text"})
TYPES_OF_ROLE = {
    "prompt": _TEXT, "negative_prompt": _TEXT, "seed": frozenset({"seed", "int"}), "width": _NUMBER,
    "height": _NUMBER, "steps": _NUMBER, "cfg": _NUMBER, "sampler": _CHOICE, "scheduler": _CHOICE,
    "denoise": _NUMBER, "strength": _NUMBER, "count": _NUMBER, "model": _CHOICE,
    "image": frozenset({"image"}), "mask": frozenset({"mask", "image"}), "video": frozenset({"video"}),
    "audio": frozenset({"audio"}), "duration": _NUMBER, "fps": _NUMBER,
}  # fmt: skip
"""The role -> the types of parameter that can have it."""
ROLES = tuple(TYPES_OF_ROLE)
"""Every role."""
REPEATED = "image"
"""The one role that several parameters of a workflow may have."""
