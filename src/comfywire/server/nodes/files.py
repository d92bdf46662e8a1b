"""Pictures from files and to files (nodes.py)."""

# VALIDATE_INPUTS and its like are ComfyUI's names.
# ruff: noqa: N802

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import DeclaredNode
from comfywire.server.nodes.saving import PreviewFolder, SavingNode, as_json

if TYPE_CHECKING:
    from comfywire.server.nodes.resize import Pixels

__all__ = ["LoadImage", "LoadImageMask", "LoadImageOutput", "MaskPreview", "PreviewImage", "SaveImage"]


COLOURS = ["red", "green", "blue"]


def to_pillow(image: Pixels) -> Image.Image:
    """Turn one picture of a batch into 8 bits as ComfyUI's savers do: cut off, not rounded."""
    return Image.fromarray(np.clip(np.float32(255.0) * image, 0, 255).astype(np.uint8))


class SaveImage(SavingNode):
    """A PNG for each picture of a batch, with the prompt and the workflow in its text chunks."""

    FUNCTION = "save_images"
    compress_level = 4

    def save_images(
        self,
        images: Pixels,
        filename_prefix: str = "ComfyUI",
        prompt: dict[str, Any] | None = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write the files and name them."""
        target = self._target(filename_prefix, (images.shape[2], images.shape[1]))
        metadata = PngInfo()
        for key, text in as_json(prompt, extra_pnginfo).items():
            metadata.add_text(key, text)
        saved: list[dict[str, str]] = []
        for number, image in enumerate(images):
            stem = target.filename.replace("%batch_num%", str(number))
            encoded = BytesIO()
            to_pillow(image).save(encoded, "PNG", pnginfo=metadata, compress_level=self.compress_level)
            name = f"{stem}_{target.counter + number:05}_.png"
            saved.append(self._write(target, name, encoded.getbuffer()))
        return self._shown(target, {"images": saved}, images, count=len(saved))


class PreviewImage(PreviewFolder, SaveImage):
    """A PNG for each picture of a batch, in ``temp``."""

    compress_level = 1


class MaskPreview(PreviewFolder, SaveImage):
    """A mask as a grey PNG, in ``temp``."""

    FUNCTION = "execute"

    def execute(self, mask: Pixels, **hidden: Any) -> dict[str, Any]:
        """Save the mask in three channels."""
        grey = mask.reshape((-1, *mask.shape[-2:], 1))
        picture = np.broadcast_to(grey, (*grey.shape[:-1], 3))
        if not self.host.is_new:
            return self.save_images(picture, **hidden)
        # comfy_api/latest/_ui.py, PreviewMask: newer servers write no prompt, and say that it does not move.
        self.compress_level = 1
        return {"ui": {**self.save_images(picture)["ui"], "animated": [False]}, "result": (mask,)}


class FileNode(DeclaredNode):
    """A node that loads a file: it has to be there, on the list or not, and is read again when it changed.

    Each has VALIDATE_INPUTS and IS_CHANGED with its own input's name: that is how a missing one is told.
    """

    WORD: ClassVar[str] = "image"

    @classmethod
    def _is_there(cls, name: str) -> str | bool:
        return cls.host.folders.locate(name) is not None or f"Invalid {cls.WORD} file: {name}"

    @classmethod
    def _digest(cls, name: str) -> str:
        return hashlib.sha256(Path(cls._path(name)).read_bytes()).hexdigest()

    @classmethod
    def _path(cls, name: str) -> str:
        path = cls.host.folders.locate(name)
        if path is None:
            raise FileNotFoundError(f"[Errno 2] No such file or directory: '{name}'")
        return path


class LoadImage(FileNode):
    """A picture from ``input`` (or ``name [output]``), and its transparency as a mask."""

    FUNCTION = "load_image"

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> str | bool:
        """Check that the file is there."""
        return cls._is_there(image)

    @classmethod
    def IS_CHANGED(cls, image: str) -> str:
        """Return the file's hash, so that other bytes under the same name are loaded again."""
        return cls._digest(image)

    def load_image(self, image: str) -> tuple[Pixels, Pixels]:
        """Load every frame that has the first one's size."""
        pictures: list[Pixels] = []
        masks: list[Pixels] = []
        with Image.open(self._path(image)) as opened:
            for frame in ImageSequence.Iterator(opened):
                bounded(len(pictures) + 1, frame.height, frame.width, 4)
                upright = ImageOps.exif_transpose(frame)
                picture = _to_pixels(_convertible(upright).convert("RGB"))
                if not pictures or picture.shape == pictures[0].shape:
                    pictures.append(picture)
                    masks.append(self._transparency(upright))
            is_one = opened.format == "MPO"
        if is_one:
            return pictures[0][None], masks[0][None]
        return np.stack(pictures), np.stack(masks)

    def _transparency(self, image: Image.Image) -> Pixels:
        """Return a mask of what is transparent; where nothing can be, one of 64x64 pixels."""
        if "A" in image.getbands():
            return np.float32(1.0) - _to_pixels(image.getchannel("A"))
        # Newer servers decode with FFmpeg, to whom every palette may hold transparency.
        if image.mode == "P" and ("transparency" in image.info or self.host.is_new):
            return np.float32(1.0) - _to_pixels(image.convert("RGBA").getchannel("A"))
        return np.zeros((64, 64), dtype=np.float32)


class LoadImageOutput(LoadImage):
    """A picture from ``output``, chosen in the editor."""


class LoadImageMask(LoadImage):
    """One channel of a picture, as a mask."""

    FUNCTION = "load_mask"

    @classmethod
    def IS_CHANGED(cls, image: str, channel: str) -> str:  # type: ignore[override]
        """Return the file's hash, so that other bytes under the same name are loaded again."""
        del channel
        return cls._digest(image)

    def load_mask(self, image: str, channel: str) -> tuple[Pixels]:
        """Load the channel; alpha is turned round, so that what is transparent is masked."""
        if self.host.is_new:
            pictures, masks = self.load_image(image)
            return (masks if channel == "alpha" else pictures[..., COLOURS.index(channel)],)
        with Image.open(self._path(image)) as opened:
            bounded(1, opened.height, opened.width, 4)
            picture = ImageOps.exif_transpose(opened)
            if picture.getbands() != ("R", "G", "B", "A"):
                picture = _convertible(picture).convert("RGBA")
            mask = _to_pixels(picture.getchannel(channel[0].upper()))
        return ((np.float32(1.0) - mask if channel == "alpha" else mask)[None],)


def _convertible(image: Image.Image) -> Image.Image:
    if image.mode == "I":
        return image.point(lambda level: level * (1 / 255))
    if isinstance(image.info.get("transparency"), bytes):
        return image.convert("RGBA")  # the same colours, without Pillow's warning about palettes
    return image


def _to_pixels(image: Image.Image) -> Pixels:
    return np.asarray(image).astype(np.float32) / np.float32(255.0)
