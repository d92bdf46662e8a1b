from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from comfywire.client.files.names import candidates, safe_folder, safe_name
from comfywire.errors import UnsafeName

pytestmark = pytest.mark.fault("B17")

LONG = "x" * 300


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        pytest.param("a.png", "a.png", id="harmless"),
        pytest.param("a b&c#1%20;$'.png", "a b&c#1%20;$'.png", id="harmless-marks"),
        pytest.param(
            "ümläut \N{PERFORMING ARTS}\u200b.png", "ümläut \N{PERFORMING ARTS}.png", id="any-script"
        ),
        pytest.param("../../x.png", "x.png", id="up"),
        pytest.param("/etc/x.png", "x.png", id="absolute"),
        pytest.param("..\\..\\x.png", "x.png", id="up-on-windows"),
        pytest.param("C:\\x.png", "x.png", id="drive"),
        pytest.param("C:x.png", "C_x.png", id="drive-without-a-slash"),
        pytest.param("a.png/", "a.png", id="slash-at-the-end"),
        pytest.param("a.png:stream", "a.png_stream", id="alternate-data-stream"),
        pytest.param('<a>|?*".png', "_a_____.png", id="marks-that-windows-refuses"),
        pytest.param("CON", "_CON", id="device"),
        pytest.param("nul.png", "_nul.png", id="device-with-extension"),
        pytest.param("Com1 .tar.gz", "_Com1 .tar.gz", id="device-with-blank"),
        pytest.param("COM².png", "_COM².png", id="device-with-superscript"),
        pytest.param("CONIN$", "_CONIN$", id="console"),
        pytest.param("control.png", "control.png", id="only-begins-like-a-device"),
        pytest.param("trailing. . ", "trailing", id="trailing-dots-and-blanks"),
        pytest.param("  leading.png", "leading.png", id="leading-blanks"),
        pytest.param(".hidden.png", ".hidden.png", id="leading-dot"),
        pytest.param("a\x00b\x7f.png", "ab.png", id="nul"),
        pytest.param("a\r\nb\u2028c.png", "abc.png", id="line-ends"),
        pytest.param("\u202egnp.exe", "gnp.exe", id="right-to-left-override"),
        pytest.param("\ud800.png", ".png", id="half-a-surrogate-pair"),
        pytest.param(f"{LONG}.png", "x" * 196 + ".png", id="long"),
        pytest.param(LONG, "x" * 200, id="long-without-extension"),
        pytest.param("ü" * 150 + ".png", "ü" * 98 + ".png", id="long-in-bytes"),
        pytest.param("x" * 195 + ". .  .png", "x" * 195 + ".png", id="shortened-at-a-blank"),
        pytest.param("a." + LONG, "a." + "x" * 198, id="long-extension"),
    ],
)
def test_a_name_becomes_a_plain_file_name(name, safe):
    assert safe_name(name) == safe
    assert safe_name(safe) == safe
    assert len(safe.encode()) <= 200


@pytest.mark.parametrize("name", ["", ".", "..", "/", "../..", "\x00", " . ", "???", "\u202e", "a/.."])
def test_a_name_of_which_nothing_is_left_is_refused(name):
    with pytest.raises(UnsafeName, match="leaves no name to save it under"):
        safe_name(name)


@pytest.mark.parametrize(
    ("subfolder", "inside"),
    [
        pytest.param("", ".", id="none"),
        pytest.param("a/b", "a/b", id="two-levels"),
        pytest.param("a\\b", "a/b", id="backslash"),
        pytest.param("../../a", "a", id="up"),
        pytest.param("/etc", "etc", id="absolute"),
        pytest.param("a/./../b", "a/b", id="up-in-the-middle"),
        pytest.param("CON/b", "_CON/b", id="device"),
    ],
)
def test_a_subfolder_stays_inside(tmp_path: Path, subfolder, inside):
    assert safe_folder(tmp_path, subfolder) == tmp_path / inside


@pytest.mark.parametrize("subfolder", ["link", "a/link", "link/b", "dangling"])
def test_a_symlink_is_not_followed(tmp_path: Path, subfolder):
    (tmp_path / "a").mkdir()
    for place in (tmp_path / "link", tmp_path / "a/link"):
        place.symlink_to("/etc")
    (tmp_path / "dangling").symlink_to("/nowhere")

    assert safe_folder(tmp_path, subfolder) == tmp_path


def test_taken_names_are_numbered():
    assert [path.name for path in islice(candidates(Path("a.tar.gz")), 3)] == [
        "a.tar.gz",
        "a.tar (1).gz",
        "a.tar (2).gz",
    ]
