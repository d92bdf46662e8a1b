from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from comfywire.server import Server
from comfywire.server.nodes.files import to_pillow


@pytest.fixture
def folder(server: Server) -> Path:
    return server.folder / "input"


def loaded(server: Server, name: str):
    return server.life.classes["LoadImage"]().load_image(name)


def test_a_picture_without_transparency_has_an_empty_mask_of_64_pixels(server, folder):
    Image.new("RGB", (3, 2), (255, 0, 51)).save(folder / "x.png")

    image, mask = loaded(server, "x.png")

    assert image.shape == (1, 2, 3, 3)
    assert image[0, 0, 0].tolist() == [1.0, 0.0, np.float32(0.2)]
    assert (mask.shape, mask.sum()) == ((1, 64, 64), 0)


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_transparency_is_turned_round_into_a_mask(server, folder, mode):
    Image.new("RGBA", (2, 2), (9, 9, 9, 0)).convert(mode).save(folder / "x.png")

    _, mask = loaded(server, "x.png")

    np.testing.assert_array_equal(mask, np.ones((1, 2, 2)))


def test_a_picture_is_turned_upright(server, folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (4, 2)).save(folder / "x.jpg", exif=exif)

    image, _ = loaded(server, "x.jpg")

    assert image.shape == (1, 4, 2, 3)


def test_every_frame_of_the_first_ones_size_is_loaded(server, folder):
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "green", "blue")]
    frames[0].save(folder / "x.gif", save_all=True, append_images=frames[1:])

    image, mask = loaded(server, "x.gif")

    assert image.shape == (3, 2, 2, 3)
    assert len(mask) == 3


@pytest.mark.parametrize(("channel", "value"), [("red", 1.0), ("blue", 0.2), ("alpha", 0.8)])
def test_a_mask_is_one_channel(server, folder, channel, value):
    Image.new("RGBA", (2, 2), (255, 0, 51, 51)).save(folder / "x.png")

    (mask,) = server.life.classes["LoadImageMask"]().load_mask("x.png", channel)

    np.testing.assert_allclose(mask, np.full((1, 2, 2), value), atol=1e-6)


def test_pictures_are_listed_and_other_files_are_not(server, folder):
    for name in ("b.png", "a.webp", "notes.txt"):
        (folder / name).touch()
    (folder / "sub").mkdir()

    names = server.life.classes["LoadImage"].INPUT_TYPES()["required"]["image"][0]

    assert names == ["a.webp", "b.png"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "none.png", "x.png [temp]"])
def test_a_file_that_is_outside_or_missing_is_invalid(server, folder, name):
    (folder / "x.png").touch()

    assert server.life.classes["LoadImage"].VALIDATE_INPUTS(name) == f"Invalid image file: {name}"


def test_levels_are_cut_off_when_saving_as_comfyui_does():
    image = to_pillow(np.array([[[0.999, 0.5, -1.0]]], dtype=np.float32))

    assert image.getpixel((0, 0)) == (254, 127, 0)
