"""Making, choosing and turning pictures (nodes.py, comfy_extras/nodes_images.py, nodes_rebatch.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import ONE_LEVEL, DeclaredNode
from comfywire.server.nodes.resize import Pixels, common_upscale

__all__ = [
    "EmptyImage",
    "GetImageSize",
    "ImageBatch",
    "ImageCrop",
    "ImageFlip",
    "ImageFromBatch",
    "ImageInvert",
    "ImagePadForOutpaint",
    "ImageRotate",
    "RebatchImages",
    "RepeatImageBatch",
]

QUARTERS = {"none": 0, "90 degrees": 1, "180 degrees": 2, "270 degrees": 3}


class EmptyImage(DeclaredNode):
    """A picture of one colour."""

    FUNCTION = "generate"

    def generate(self, width: int, height: int, batch_size: int = 1, color: int = 0) -> tuple[Pixels]:
        """Fill a batch."""
        rgb = np.array([(color >> shift & 0xFF) / 0xFF for shift in (16, 8, 0)], dtype=np.float32)
        return (np.broadcast_to(rgb, bounded(batch_size, height, width, 3)),)


class ImageInvert(DeclaredNode):
    """The negative."""

    FUNCTION = "invert"

    def invert(self, image: Pixels) -> tuple[Pixels]:
        """Subtract from white."""
        return (np.float32(1.0) - image,)


class ImageBatch(DeclaredNode):
    """Two batches as one, the second scaled to the first's size (bilinear)."""

    FIDELITY = ONE_LEVEL
    FUNCTION = "batch"

    def batch(self, image1: Pixels, image2: Pixels) -> tuple[Pixels]:
        """String the batches together; newer servers give both an alpha channel if one has it."""
        if self.host.is_new:
            channels = max(image1.shape[-1], image2.shape[-1])
            image1, image2 = with_channels(image1, channels), with_channels(image2, channels)
        if image1.shape[1:] != image2.shape[1:]:
            size = (image1.shape[2], image1.shape[1])
            image2 = common_upscale(image2, size, "bilinear", crop="center")
        bounded(len(image1) + len(image2), *image1.shape[1:])
        return (np.concatenate((image1, image2)),)


class ImageCrop(DeclaredNode):
    """A part of a picture."""

    FUNCTION = "crop"

    def crop(self, image: Pixels, width: int, height: int, x: int, y: int) -> tuple[Pixels]:
        """Cut; a corner outside is moved to the edge, and the part ends at the edge."""
        x = min(x, image.shape[2] - 1)
        y = min(y, image.shape[1] - 1)
        return (image[:, y : y + height, x : x + width],)


class ImagePadForOutpaint(DeclaredNode):
    """A picture with a grey border, and the mask of what is new."""

    FUNCTION = "expand_image"

    def expand_image(
        self,
        image: Pixels,
        *,
        left: int,
        top: int,
        right: int,
        bottom: int,
        feathering: int,
    ) -> tuple[Pixels, Pixels]:
        """Put the picture on grey; the mask fades into it over ``feathering`` pixels."""
        batch, height, width, channels = image.shape
        shape = bounded(batch, height + top + bottom, width + left + right, channels)
        padded = np.full(shape, 0.5, dtype=np.float32)
        padded[:, top : top + height, left : left + width] = image
        mask = np.ones(padded.shape[1:3], dtype=np.float32)
        fade = np.zeros((height, width), dtype=np.float32)
        if feathering > 0 and feathering * 2 < min(height, width):
            rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
            from_edge = np.minimum(
                np.minimum(rows if top else height, height - rows if bottom else height),
                np.minimum(columns if left else width, width - columns if right else width),
            )
            share = (feathering - from_edge) / feathering
            fade = np.where(from_edge < feathering, share * share, 0).astype(np.float32)
            fade = np.broadcast_to(fade, (height, width))
        mask[top : top + height, left : left + width] = fade
        return padded, mask[None]


class RepeatImageBatch(DeclaredNode):
    """A batch some times over."""

    def execute(self, image: Pixels, amount: int) -> tuple[Pixels]:
        """Repeat it."""
        bounded(amount, *image.shape)
        return (np.tile(image, (amount, 1, 1, 1)),)


class ImageFromBatch(DeclaredNode):
    """Some pictures of a batch; an index behind its end means the last one."""

    def execute(self, image: Pixels, batch_index: int, length: int) -> tuple[Pixels]:
        """Take them out."""
        start = min(len(image) - 1, batch_index)
        return (image[start : start + length],)


class RebatchImages(DeclaredNode):
    """A list of batches as a list of batches of another size."""

    INPUT_IS_LIST = True

    def execute(self, images: list[Pixels], batch_size: list[int]) -> tuple[list[Pixels]]:
        """Take all pictures one by one."""
        singles = [batch[index : index + 1] for batch in images for index in range(len(batch))]
        size = batch_size[0]
        starts = range(0, len(singles), size)
        return ([np.concatenate(singles[start : start + size]) for start in starts],)


class GetImageSize(DeclaredNode):
    """Width, height and number of pictures, also shown on the node."""

    def execute(self, image: Pixels, unique_id: str | None = None) -> tuple[int, int, int]:
        """Measure."""
        batch, height, width = image.shape[:3]
        if unique_id:
            self.host.text(f"width: {width}, height: {height}\n batch size: {batch}", node_id=unique_id)
        return width, height, batch


class ImageRotate(DeclaredNode):
    """A picture turned clockwise by quarters."""

    def execute(self, image: Pixels, rotation: str) -> tuple[Pixels]:
        """Turn it."""
        return (np.rot90(image, QUARTERS[rotation], axes=(2, 1)),)


class ImageFlip(DeclaredNode):
    """A picture mirrored."""

    def execute(self, image: Pixels, flip_method: str) -> tuple[Pixels]:
        """Mirror it."""
        return (np.flip(image, axis=1 if flip_method.startswith("x") else 2),)


def with_channels(image: Pixels, channels: int) -> Pixels:
    """Return the picture with as many channels; new ones are full: opaque."""
    missing = channels - image.shape[-1]
    if missing <= 0:
        return image
    full: Any = np.ones((*image.shape[:-1], missing), dtype=np.float32)
    return np.concatenate((image, full), axis=-1)
