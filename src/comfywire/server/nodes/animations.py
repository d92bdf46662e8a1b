"""Animated pictures (comfy_extras/nodes_images.py): the same files as ComfyUI's, with the same Pillow."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from comfywire.server.nodes.files import to_pillow
from comfywire.server.nodes.saving import SavingNode

if TYPE_CHECKING:
    from comfywire.server.nodes.resize import Pixels

__all__ = ["SaveAnimatedPNG", "SaveAnimatedWEBP"]

METHODS = {"default": 4, "fastest": 0, "slowest": 6}
EXIF_MODEL, EXIF_MAKE = 0x0110, 0x010F


class SaveAnimatedWEBP(SavingNode):
    """A batch as one animated WebP, with the prompt in its EXIF."""

    def execute(
        self,
        images: Pixels,
        *,
        fps: float,
        filename_prefix: str,
        lossless: bool,
        quality: int,
        method: str,
        prompt: dict[str, Any] | None = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write the file and name it."""
        first, *others = map(to_pillow, images)
        encoded = BytesIO()
        first.save(
            encoded,
            "WEBP",
            save_all=True,
            duration=int(1000.0 / fps),
            append_images=others,
            exif=_exif(first, prompt, extra_pnginfo),
            lossless=lossless,
            quality=quality,
            method=METHODS.get(method),
        )
        return self._animation(images, filename_prefix, "webp", encoded)

    def _animation(self, images: Pixels, prefix: str, suffix: str, encoded: BytesIO) -> dict[str, Any]:
        target = self._target(prefix, (images.shape[2], images.shape[1]))
        name = f"{target.filename}_{target.counter:05}_.{suffix}"
        saved = [self._write(target, name, encoded.getbuffer())]
        is_animated = len(images) > 1
        shown: dict[str, Any] = {"images": saved}
        if not self.host.is_new:
            shown["animated"] = [is_animated or suffix == "png"]
        elif is_animated:
            shown["animated"] = [True]
        return self._shown(target, shown, images)


class SaveAnimatedPNG(SaveAnimatedWEBP):
    """A batch as one animated PNG, with the prompt in chunks of its own."""

    def execute(  # type: ignore[override]
        self,
        images: Pixels,
        *,
        fps: float,
        compress_level: int,
        filename_prefix: str = "ComfyUI",
        prompt: dict[str, Any] | None = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write the file and name it."""
        first, *others = map(to_pillow, images)
        encoded = BytesIO()
        first.save(
            encoded,
            "PNG",
            pnginfo=_chunks(prompt, extra_pnginfo),
            compress_level=compress_level,
            save_all=True,
            duration=int(1000.0 / fps),
            append_images=others,
        )
        return self._animation(images, filename_prefix, "png", encoded)


def _exif(picture: Image.Image, prompt: Any, extra_pnginfo: dict[str, Any] | None) -> Image.Exif:
    """Put the prompt where cameras name their model, and the rest in the fields before it."""
    exif = picture.getexif()
    if prompt is not None:
        exif[EXIF_MODEL] = f"prompt:{json.dumps(prompt)}"
    for place, (key, value) in enumerate((extra_pnginfo or {}).items()):
        exif[EXIF_MAKE - place] = f"{key}:{json.dumps(value)}"
    return exif


def _chunks(prompt: Any, extra_pnginfo: dict[str, Any] | None) -> PngInfo:
    """Put everything into ``comf`` chunks after the frames; a tEXt chunk would be lost with the frames."""
    found = PngInfo()
    for key, value in {**({} if prompt is None else {"prompt": prompt}), **(extra_pnginfo or {})}.items():
        found.add(b"comf", f"{key}\0{json.dumps(value)}".encode("latin-1"), after_idat=True)
    return found
