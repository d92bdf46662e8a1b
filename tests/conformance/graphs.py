"""Prompts of nodes that every plain ComfyUI has."""

from __future__ import annotations

import random
from typing import Any

Prompt = dict[str, Any]

FOLDER = "comfywire-conformance"  # whatever a test leaves on a real server is in here


def node(class_type: str, **inputs: object) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def empty(color: int | None = None, *, width: int = 16, height: int = 8, count: int = 1) -> dict[str, Any]:
    """A picture in a colour of its own, so that no cache knows it."""
    chosen = random.randrange(1 << 24) if color is None else color
    return node("EmptyImage", width=width, height=height, batch_size=count, color=chosen)


def picture(color: int | None = None, **size: int) -> Prompt:
    """A temporary picture: node 1 makes it, node 2 shows it."""
    return {"1": empty(color, **size), "2": node("PreviewImage", images=["1", 0])}


def saved(name: str, color: int | None = None) -> Prompt:
    """A picture that is kept."""
    return {
        "1": empty(color),
        "2": node("SaveImage", images=["1", 0], filename_prefix=f"{FOLDER}/{name}"),
    }


def failing() -> Prompt:
    """Node 2 raises, since nothing may be saved outside the output folder."""
    return {"1": empty(), "2": node("SaveImage", images=["1", 0], filename_prefix="../../x")}


PARTS = 60


def slow(*, by_itself: bool = True) -> Prompt:
    """A prompt of many seconds that ends soon when interrupted: each part takes a tenth of a second.

    By arithmetic, unless the server was told to take as long, and longer, over each "scale" of it.
    """
    prompt = {"1": empty(width=3072, height=3072) if by_itself else empty()}
    for part in range(PARTS):
        prompt[f"scale{part}"] = node(
            "ImageScale", image=["1", 0], upscale_method="lanczos", width=8 + part, height=8, crop="disabled"
        )
        prompt[f"show{part}"] = node("PreviewImage", images=[f"scale{part}", 0])
    return prompt
