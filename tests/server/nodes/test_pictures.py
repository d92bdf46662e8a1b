from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.server.wire import Feed, Wire

from comfywire.server import Server
from comfywire.server.nodes.bounds import MAX_BYTES, bounded
from comfywire.server.nodes.resize import common_upscale

# Two rows of two pixels, in one channel repeated.
SMALL = np.repeat(np.array([[[[0.0], [1.0]], [[0.5], [0.25]]]], dtype=np.float32), 3, axis=-1)


def grey(rows: Any) -> Any:
    return np.asarray(rows, dtype=np.float32)


def run(server: Server, name: str, **inputs: Any) -> Any:
    node = server.life.classes[name]()
    return getattr(node, node.FUNCTION)(**inputs)


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


# ComfyUI makes a megapixel at least, too large to record.
def test_a_picture_is_scaled_to_a_number_of_megapixels(server):
    (image,) = run(
        server, "ImageScaleToTotalPixels", image=SMALL[:, :1], upscale_method="area", megapixels=0.02
    )

    assert image.shape == (1, 102, 205, 3)


async def test_a_newer_server_rounds_the_sides_of_so_many_megapixels():
    async with Server(profile="0.33.0") as server:
        inputs = {"image": SMALL[:, :1], "upscale_method": "area", "megapixels": 0.02, "resolution_steps": 16}
        (image,) = run(server, "ImageScaleToTotalPixels", **inputs)

    assert image.shape == (1, 96, 208, 3)


def test_a_picture_for_kontext_gets_the_nearest_of_its_sizes(server):
    (image,) = run(server, "FluxKontextImageScale", image=np.zeros((1, 9, 16, 3), dtype=np.float32))

    assert image.shape == (1, 752, 1392, 3)


def test_a_list_of_batches_gets_another_size(server):
    inputs = {"images": [np.zeros((2, 1, 1, 3)), np.ones((3, 1, 1, 3))], "batch_size": [2]}

    (batches,) = run(server, "RebatchImages", **inputs)

    assert [batch[:, 0, 0, 0].tolist() for batch in batches] == [[0, 0], [1, 1], [1]]


async def test_a_size_is_returned_and_shown_on_the_node(server: Server, wire: Wire, feed: Feed):
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 7, "height": 5, "batch_size": 2, "color": 0}},
        "2": {"class_type": "GetImageSize", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 2]}},
    }
    prompt_id = await wire.submit(prompt, feed)
    await feed.until_end(prompt_id)

    assert (await wire.history(prompt_id))["outputs"]["3"] == {"text": ["2"]}
    assert feed.frames[0][9:] == b"width: 7, height: 5\n batch size: 2"


async def test_a_batch_that_would_fill_the_machine_is_refused_in_words(server: Server, wire: Wire):
    prompt = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 16384, "height": 16384, "batch_size": 4096, "color": 0},
        },
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    prompt_id = await wire.submit(prompt)
    await server.until_done(prompt_id)

    ((_, error),) = (
        message
        for message in (await wire.history(prompt_id))["status"]["messages"]
        if message[0] == "execution_error"
    )
    assert error["node_id"] == "1"
    assert error["exception_message"] == (
        "an array of 4096x16384x16384x3 needs 12,288.0 GiB, and a node of the test server makes at most "
        "1 GiB: ask for fewer or smaller pictures, or a shorter sound\n"
    )


def test_what_is_just_small_enough_is_made():
    assert bounded(MAX_BYTES // 4) == (MAX_BYTES // 4,)


LARGE: dict[str, dict[str, Any]] = {
    "ImageScale": {
        "image": SMALL,
        "upscale_method": "area",
        "width": 16384,
        "height": 16384,
        "crop": "disabled",
    },
    "ImageScaleBy": {"image": SMALL, "upscale_method": "lanczos", "scale_by": 1e4},
    "RepeatImageBatch": {"image": np.broadcast_to(SMALL[:, :1, :1], (1, 1024, 1024, 3)), "amount": 4096},
    "ImagePadForOutpaint": {
        "image": SMALL,
        "left": 16384,
        "top": 16384,
        "right": 0,
        "bottom": 0,
        "feathering": 0,
    },
    "SolidMask": {"value": 0.0, "width": 2**15, "height": 2**15},
    "EmptyLatentImage": {"width": 16384, "height": 16384, "batch_size": 4096},
    "EmptyAudio": {"duration": 1e9, "sample_rate": 44100, "channels": 2},
    "StubImage": {"content": "BLACK", "height": 2**20, "width": 2**20, "batch_size": 1},
    "StubMask": {"value": 0.0, "height": 2**20, "width": 2**20, "batch_size": 1},
}


@pytest.mark.parametrize("name", LARGE)
def test_no_node_makes_more_than_its_share(server, name):
    with pytest.raises(MemoryError, match="a node of the test server makes at most 1 GiB"):
        run(server, name, **LARGE[name])


def test_a_tiny_picture_gets_noise_too(server):
    (image,) = run(server, "ImageAddNoise", image=SMALL[:, :1, :1], seed=1, strength=0.5)

    assert image.shape == (1, 1, 1, 3)
