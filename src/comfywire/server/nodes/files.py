"""Pictures from files and to files (nodes.py, 0.3.64); exact."""

# INPUT_TYPES and its like are ComfyUI's names.
# ruff: noqa: N802

from __future__ import annotations

import hashlib
import json
import mimetypes
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo

from comfywire.server.node_host import NodeHost

if TYPE_CHECKING:
    from comfywire.server.nodes.resize import Pixels

__all__ = ["LoadImage", "LoadImageMask", "MaskPreview", "PreviewImage", "SaveImage"]

Inputs = dict[str, dict[str, Any]]
TEMP_LETTERS = "abcdefghijklmnopqrstupvxyz"  # ComfyUI's own spelling of the alphabet


def to_pillow(image: Pixels) -> Image.Image:
    """Turn one picture of a batch into 8 bits as ComfyUI's savers do: cut off, not rounded."""
    return Image.fromarray(np.clip(np.float32(255.0) * image, 0, 255).astype(np.uint8))


class SaveImage:
    """A PNG for each picture of a batch, with the prompt and the workflow in its text chunks."""

    RETURN_TYPES: tuple[str, ...] = ()
    NEWER_RETURN_TYPES = ("IMAGE",)
    FUNCTION = "save_images"
    OUTPUT_NODE = True
    CATEGORY = "image"
    DISPLAY_NAME = "Save Image"
    DESCRIPTION = "Saves the input images to your ComfyUI output directory."
    host: ClassVar[NodeHost]

    def __init__(self) -> None:
        self.type = "output"
        self.prefix_append = ""
        self.compress_level = 4

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        tooltip = (
            "The prefix for the file to save. This may include formatting information such as "
            "%date:yyyy-MM-dd% or %Empty Latent Image.width% to include values from nodes."
        )
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": "The images to save."}),
                "filename_prefix": ("STRING", {"default": "ComfyUI", "tooltip": tooltip}),
            },
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def save_images(
        self,
        images: Pixels,
        filename_prefix: str = "ComfyUI",
        prompt: dict[str, Any] | None = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write the files and name them."""
        folders = self.host.folders
        root = folders.by_type(self.type) or folders.output
        size = (images.shape[2], images.shape[1])
        target = folders.next_target(filename_prefix + self.prefix_append, root, size=size)
        metadata = _metadata(prompt, extra_pnginfo)
        saved: list[dict[str, str]] = []
        for number, image in enumerate(images):
            stem = target.filename.replace("%batch_num%", str(number))
            name = f"{stem}_{target.counter + number:05}_.png"
            encoded = BytesIO()
            to_pillow(image).save(encoded, "PNG", pnginfo=metadata, compress_level=self.compress_level)
            # Written at once: each call to the system costs the worker the GIL, and a turn of waiting for it.
            Path(target.folder, name).write_bytes(encoded.getbuffer())
            saved.append({"filename": name, "subfolder": target.subfolder, "type": self.type})
        folders.saved(target, len(saved))
        shown: dict[str, Any] = {"ui": {"images": saved}}
        return {**shown, "result": (images,)} if self.host.is_new else shown


def _metadata(prompt: dict[str, Any] | None, extra_pnginfo: dict[str, Any] | None) -> PngInfo:
    metadata = PngInfo()
    if prompt is not None:
        metadata.add_text("prompt", json.dumps(prompt))
    for key, value in (extra_pnginfo or {}).items():
        metadata.add_text(key, json.dumps(value))
    return metadata


class PreviewImage(SaveImage):
    """The same, in ``temp``, which is emptied when the server ends."""

    DISPLAY_NAME = "Preview Image"

    def __init__(self) -> None:
        super().__init__()
        self.type = "temp"
        self.prefix_append = "_temp_" + "".join(self.host.random.choices(TEMP_LETTERS, k=5))
        self.compress_level = 1

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {
            "required": {"images": ("IMAGE",)},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }


class MaskPreview(PreviewImage):
    """A mask shown as a grey picture (comfy_extras/nodes_mask.py)."""

    FUNCTION = "execute"
    NEWER_RETURN_TYPES = ("MASK",)
    CATEGORY = "mask"
    DISPLAY_NAME = "MaskPreview"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {
            "required": {"mask": ("MASK",)},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def execute(
        self,
        mask: Pixels,
        filename_prefix: str = "ComfyUI",
        prompt: dict[str, Any] | None = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Save the mask in three channels."""
        grey = mask.reshape((-1, *mask.shape[-2:], 1))
        images = np.broadcast_to(grey, (*grey.shape[:-1], 3))
        shown = self.save_images(images, filename_prefix, prompt, extra_pnginfo)
        return {**shown, "result": (mask,)} if self.host.is_new else shown


class _Loader:
    host: ClassVar[NodeHost]

    @classmethod
    def _path(cls, image: str) -> str:
        path = cls.host.folders.locate(image)
        if path is None:
            raise FileNotFoundError(f"[Errno 2] No such file or directory: '{image}'")
        return path

    @classmethod
    def _is_there(cls, image: str) -> str | bool:
        return cls.host.folders.locate(image) is not None or f"Invalid image file: {image}"

    @classmethod
    def _digest(cls, image: str) -> str:
        return hashlib.sha256(Path(cls._path(image)).read_bytes()).hexdigest()


class LoadImage(_Loader):
    """A picture from ``input`` (or ``name [output]``), and its transparency as a mask."""

    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "load_image"
    CATEGORY = "image"
    DISPLAY_NAME = "Load Image"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        names = [name for name in cls.host.folders.input_files() if _is_picture(name)]
        return {"required": {"image": (names, {"image_upload": True})}}

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> str | bool:
        """Check that the file is there; whether the list names it does not matter."""
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
                upright = ImageOps.exif_transpose(frame)
                picture = _to_pixels(_convertible(upright).convert("RGB"))
                if not pictures or picture.shape == pictures[0].shape:
                    pictures.append(picture)
                    masks.append(_transparency(upright))
            is_one = opened.format == "MPO"
        if is_one:
            return pictures[0][None], masks[0][None]
        return np.stack(pictures), np.stack(masks)


class LoadImageMask(_Loader):
    """One channel of a picture, as a mask."""

    RETURN_TYPES = ("MASK",)
    FUNCTION = "load_image"
    CATEGORY = "mask"
    DISPLAY_NAME = "Load Image (as Mask)"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {
            "required": {
                "image": (cls.host.folders.input_files(), {"image_upload": True}),
                "channel": (["alpha", "red", "green", "blue"],),
            }
        }

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> str | bool:
        """Check that the file is there."""
        return cls._is_there(image)

    @classmethod
    def IS_CHANGED(cls, image: str, channel: str) -> str:
        """Return the file's hash."""
        del channel
        return cls._digest(image)

    def load_image(self, image: str, channel: str) -> tuple[Pixels]:
        """Load the channel; alpha is turned round, so that what is transparent is masked."""
        with Image.open(self._path(image)) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.getbands() != ("R", "G", "B", "A"):
                picture = _convertible(picture).convert("RGBA")
            mask = _to_pixels(picture.getchannel(channel[0].upper()))
        return ((np.float32(1.0) - mask if channel == "alpha" else mask)[None],)


def _is_picture(name: str) -> bool:
    guessed = mimetypes.guess_type(name, strict=False)[0]
    return guessed is not None and guessed.startswith("image/")


def _convertible(image: Image.Image) -> Image.Image:
    if image.mode == "I":
        return image.point(lambda level: level * (1 / 255))
    if isinstance(image.info.get("transparency"), bytes):
        return image.convert("RGBA")  # the same colours, without Pillow's warning about palettes
    return image


def _to_pixels(image: Image.Image) -> Pixels:
    return np.asarray(image).astype(np.float32) / np.float32(255.0)


def _transparency(image: Image.Image) -> Pixels:
    if "A" in image.getbands():
        return np.float32(1.0) - _to_pixels(image.getchannel("A"))
    if image.mode == "P" and "transparency" in image.info:
        return np.float32(1.0) - _to_pixels(image.convert("RGBA").getchannel("A"))
    return np.zeros((64, 64), dtype=np.float32)
