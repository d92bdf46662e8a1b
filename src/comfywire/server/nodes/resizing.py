"""Scaling a picture or a mask in one of nine ways (nodes_post_processing.py, nodes_resolution.py, 0.33.0)."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

from comfywire.server.nodes.declared import ONE_LEVEL, DeclaredNode
from comfywire.server.nodes.resize import Pixels, common_upscale

__all__ = ["ResizeImageMaskNode", "ResolutionSelector"]

MEGAPIXEL = 1024 * 1024
Size = tuple[int, int]


class ResizeImageMaskNode(DeclaredNode):
    """A picture or a mask of another size: by factor, sides, pixels, another's size or a multiple."""

    FIDELITY = ONE_LEVEL

    def execute(self, scale_method: str, resize_type: str, **inputs: Any) -> tuple[Pixels]:
        """Scale."""
        picture = inputs.pop("input")
        wishes = {name.partition(".")[2]: value for name, value in inputs.items()}
        is_mask = picture.ndim == 3
        image = picture[..., None] if is_mask else picture
        scaled = _resized(image, resize_type, scale_method, wishes)
        return (scaled[..., 0] if is_mask else scaled,)


class ResolutionSelector(DeclaredNode):
    """Width and height of a shape with so many megapixels."""

    def execute(self, aspect_ratio: str, megapixels: float, multiple: int) -> tuple[int, int]:
        """Compute them."""
        across, down = map(int, aspect_ratio.partition(" ")[0].split(":"))
        factor = sqrt(megapixels * MEGAPIXEL / (across * down))
        return _rounded(across * factor, multiple), _rounded(down * factor, multiple)


def _rounded(side: float, multiple: int) -> int:
    return round(side / multiple) * multiple


def _resized(image: Pixels, kind: str, method: str, wishes: dict[str, Any]) -> Pixels:
    size = (image.shape[2], image.shape[1])
    crop = wishes.get("crop", "disabled")
    match kind:
        case "scale by multiplier":
            wanted = (round(size[0] * wishes["multiplier"]), round(size[1] * wishes["multiplier"]))
        case "scale dimensions" | "scale width" | "scale height":
            wanted = _sides(size, wishes.get("width", 0), wishes.get("height", 0))
        case "scale longer dimension":
            wanted = _with_side(size, wishes["longer_size"], is_width=size[0] > size[1])
        case "scale shorter dimension":
            wanted = _with_side(size, wishes["shorter_size"], is_width=size[0] < size[1])
        case "scale total pixels":
            factor = sqrt(int(wishes["megapixels"] * MEGAPIXEL) / (size[0] * size[1]))
            wanted = (round(size[0] * factor), round(size[1] * factor))
        case "match size":
            wanted = (wishes["match"].shape[2], wishes["match"].shape[1])
        case "scale to multiple":
            return _covering(image, wishes["multiple"], method)
        case _:
            raise ValueError(f"Unsupported resize type: {kind}")
    if kind == "scale dimensions" and wishes["width"] == wishes["height"] == 0:
        return image
    return common_upscale(image, wanted, method, crop=crop)


def _sides(size: Size, width: int, height: int) -> Size:
    """Return both sides; one of 0 follows from the other."""
    if width == 0 and height == 0:
        return size
    if width == 0:
        return max(1, round(size[0] * height / size[1])), height
    return width, height or max(1, round(size[1] * width / size[0]))


def _with_side(size: Size, side: int, *, is_width: bool) -> Size:
    if size[0] == size[1]:
        return side, side
    if is_width:
        return side, round(size[1] / size[0] * side)
    return round(size[0] / size[1] * side), side


def _covering(image: Pixels, multiple: int, method: str) -> Pixels:
    """Scale down to a multiple, and cut what stands over in the middle."""
    height, width = image.shape[1:3]
    wide, high = width // multiple * multiple, height // multiple * multiple
    if multiple <= 1 or 0 in (wide, high) or (wide, high) == (width, height):
        return image
    across, down = wide / width, high / height
    size = (
        (wide, max(high, ceil(height * across))) if across >= down else (max(wide, ceil(width * down)), high)
    )
    scaled = common_upscale(image, size, method)
    left, top = (size[0] - wide) // 2, (size[1] - high) // 2
    return scaled[:, top : top + high, left : left + wide]
