from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from comfywire.server.nodes.images import (
    EmptyImage,
    ImageBatch,
    ImageBlend,
    ImageCrop,
    ImageInvert,
    ImagePadForOutpaint,
)
from comfywire.server.nodes.masks import InvertMask, MaskToImage, SolidMask
from comfywire.server.nodes.resize import common_upscale
from comfywire.server.nodes.scaling import ImageScale, ImageScaleBy

# Two rows of two pixels, in one channel repeated.
SMALL = np.repeat(np.array([[[[0.0], [1.0]], [[0.5], [0.25]]]], dtype=np.float32), 3, axis=-1)


def grey(rows: Any) -> Any:
    return np.asarray(rows, dtype=np.float32)


def test_an_empty_image_has_its_colour_in_every_pixel():
    (image,) = EmptyImage().generate(2, 3, 4, 0xFF8000)

    assert image.shape == (4, 3, 2, 3)
    assert image[3, 2, 1].tolist() == [1.0, np.float32(128 / 255), 0.0]


def test_inverting_is_subtracting_from_one():
    (image,) = ImageInvert().invert(SMALL)

    assert image[0, :, :, 0].tolist() == [[1.0, 0.0], [0.5, 0.75]]


# What torch.nn.functional.interpolate makes of SMALL (2.13, align_corners=False).
@pytest.mark.parametrize(
    ("method", "size", "expected"),
    [
        pytest.param("nearest-exact", (4, 2), [[0, 0, 1, 1], [0.5, 0.5, 0.25, 0.25]], id="nearest"),
        pytest.param("bilinear", (4, 2), [[0, 0.25, 0.75, 1], [0.5, 0.4375, 0.3125, 0.25]], id="bilinear"),
        pytest.param("bilinear", (1, 1), [[0.4375]], id="bilinear-down"),
        pytest.param("area", (1, 2), [[0.5], [0.375]], id="area"),
        pytest.param("area", (1, 1), [[0.4375]], id="area-of-all"),
        pytest.param(
            "bicubic",
            (4, 1),
            [[0.21044921875, 0.3349609375, 0.5400390625, 0.66455078125]],
            id="bicubic",
        ),
    ],
)
def test_scaling_follows_torch(method, size, expected):
    scaled = common_upscale(SMALL, size, method)

    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled[0, :, :, 1], grey(expected), atol=1e-6)


def test_area_takes_overlapping_windows_as_adaptive_pooling_does():
    row = np.arange(5, dtype=np.float32).reshape(1, 1, 5, 1)

    assert common_upscale(row, (3, 1), "area")[0, 0, :, 0].tolist() == [0.5, 2.0, 3.5]


def test_lanczos_keeps_a_flat_picture_flat():
    flat = np.full((1, 4, 4, 3), 100 / 255, dtype=np.float32)

    scaled = common_upscale(flat, (7, 3), "lanczos")

    assert scaled.shape == (1, 3, 7, 3)
    np.testing.assert_array_equal(scaled, np.float32(100) / np.float32(255))


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(0, 0, (2, 2)), (0, 4, (4, 4)), (6, 0, (6, 6)), (3, 1, (3, 1))],
    ids=["as-it-is", "width-follows", "height-follows", "both"],
)
def test_a_side_of_zero_follows_from_the_other(width, height, size):
    (image,) = ImageScale().upscale(SMALL, "nearest-exact", width, height, "disabled")

    assert (image.shape[2], image.shape[1]) == size


def test_cropping_to_shape_takes_the_middle():
    wide = np.arange(6, dtype=np.float32).reshape(1, 1, 6, 1)

    (image,) = ImageScale().upscale(wide, "nearest-exact", 2, 1, "center")

    assert image[0, 0, :, 0].tolist() == [2.0, 3.0]


def test_scaling_by_a_factor_rounds_the_size():
    (image,) = ImageScaleBy().upscale(SMALL, "area", 1.6)

    assert image.shape == (1, 3, 3, 3)


def test_a_batch_takes_the_first_ones_size():
    (image,) = ImageBatch().batch(SMALL, np.ones((2, 5, 9, 3), dtype=np.float32))

    assert image.shape == (3, 2, 2, 3)
    np.testing.assert_array_equal(image[1:], 1)


@pytest.mark.parametrize(
    ("x", "y", "width", "height", "expected"),
    [
        pytest.param(1, 0, 1, 2, [[1.0], [0.25]], id="inside"),
        pytest.param(1, 1, 5, 5, [[0.25]], id="ends-at-the-edge"),
        pytest.param(9, 9, 5, 5, [[0.25]], id="corner-moved-inside"),
    ],
)
def test_cropping(x, y, width, height, expected):
    (image,) = ImageCrop().crop(SMALL, width, height, x, y)

    assert image[0, :, :, 0].tolist() == expected


def test_padding_is_grey_and_masked():
    padded, mask = ImagePadForOutpaint().expand_image(SMALL, 1, 0, 0, 2, 0)

    assert padded.shape == (1, 4, 3, 3)
    assert padded[0, 0, :, 0].tolist() == [0.5, 0.0, 1.0]
    assert mask[0].tolist() == [[1, 0, 0], [1, 0, 0], [1, 1, 1], [1, 1, 1]]


def test_feathering_fades_from_the_new_edges_only():
    image = np.zeros((1, 6, 6, 3), dtype=np.float32)

    _, mask = ImagePadForOutpaint().expand_image(image, 2, 0, 0, 0, 2)

    assert mask[0, 3].tolist() == [1, 1, 1, 0.25, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("normal", 0.4),
        ("multiply", 0.1),
        ("screen", 0.55),
        ("overlay", 0.2),
        ("soft_light", 0.25 - 0.2 * 0.25 * 0.75),
        ("difference", 0.0),
    ],
)
def test_blend_modes(mode, expected):
    one, two = (np.full((1, 1, 1, 3), value, dtype=np.float32) for value in (0.25, 0.4))

    (image,) = ImageBlend().execute(one, two, 1.0, mode)

    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_the_blend_factor_keeps_part_of_the_first():
    (image,) = ImageBlend().execute(SMALL, np.ones((1, 4, 4, 3), dtype=np.float32), 0.25, "normal")

    np.testing.assert_allclose(image[0, :, :, 0], [[0.25, 1.0], [0.625, 0.4375]], atol=1e-6)


def test_blending_gives_both_pictures_alpha_if_one_has_it():
    (image,) = ImageBlend().execute(SMALL, np.zeros((1, 2, 2, 4), dtype=np.float32), 0.5, "normal")

    assert image[0, 0, 0].tolist() == [0.0, 0.0, 0.0, 0.5]


def test_masks():
    (mask,) = SolidMask().solid(0.25, 2, 1)
    (inverted,) = InvertMask().invert(mask)
    (image,) = MaskToImage().mask_to_image(inverted)

    assert image.tolist() == [[[[0.75] * 3, [0.75] * 3]]]
