from __future__ import annotations

import io
import json
import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from tests.server.wire import Wire

from comfywire.server import Server
from comfywire.server.nodes.resample import resampled
from comfywire.server.nodes.vector_files import SVG

FRAMES = np.stack([np.full((32, 48, 3), level, dtype=np.float32) for level in (0.0, 0.25, 0.5, 1.0)])
PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {}}}
RATE = 44100


def run(server: Server, name: str, **inputs: Any) -> Any:
    node = server.life.classes[name]()
    return getattr(node, node.FUNCTION)(**inputs)


def saved(server: Server, name: str, **inputs: Any) -> Path:
    """Run a saving node and return its file."""
    ((kind, (entry, *_)), *_) = run(server, name, **inputs)["ui"].items()
    assert kind in ("images", "audio", "latents")
    return server.folder / entry["type"] / entry["subfolder"] / entry["filename"]


def tone(channels: int = 2, rate: int = RATE, seconds: float = 0.5) -> Any:
    time = np.arange(int(rate * seconds), dtype=np.float32) / rate
    wave = np.sin(2 * np.pi * 440 * time).astype(np.float32) / 2
    return {"waveform": np.stack([wave] * channels)[None], "sample_rate": rate}


def into_input(server: Server, path: Path) -> str:
    path.rename(server.folder / "input" / path.name)
    return path.name


def test_an_animated_webp_has_every_picture_and_the_prompt(server):
    path = saved(
        server,
        "SaveAnimatedWEBP",
        images=FRAMES,
        fps=8.0,
        filename_prefix="a/x",
        lossless=True,
        quality=80,
        method="fastest",
        prompt=PROMPT,
        extra_pnginfo={"workflow": {"nodes": []}},
    )

    with Image.open(path) as image:
        exif = image.getexif()
        assert (path.name, image.n_frames, image.size) == ("x_00001_.webp", 4, (48, 32))  # type: ignore[attr-defined]
        assert (exif[0x0110], exif[0x010F]) == (f"prompt:{json.dumps(PROMPT)}", 'workflow:{"nodes": []}')
        image.seek(2)
        assert image.convert("RGB").getpixel((5, 5)) == (127, 127, 127)
        assert image.info["duration"] == 125


def test_an_animated_png_has_every_picture_and_the_prompt(server):
    inputs = {"images": FRAMES, "fps": 4.0, "compress_level": 4, "filename_prefix": "x", "prompt": PROMPT}
    path = saved(server, "SaveAnimatedPNG", **inputs)

    with Image.open(path) as image:
        assert (image.n_frames, image.info["duration"]) == (4, 250.0)  # type: ignore[attr-defined]
    assert b"comfprompt\0" + json.dumps(PROMPT).encode() in path.read_bytes()


@pytest.mark.parametrize(
    ("profile", "count", "animated"),
    [("0.3.64", 1, {"animated": [False]}), ("0.33.0", 1, {}), ("0.33.0", 2, {"animated": [True]})],
)
async def test_what_moves_is_said_as_each_version_says_it(profile, count, animated):
    look = {"fps": 8.0, "filename_prefix": "x", "lossless": False, "quality": 50, "method": "default"}
    async with Server(profile=profile) as server:
        shown = run(server, "SaveAnimatedWEBP", images=FRAMES[:count], **look)

    assert {key: value for key, value in shown["ui"].items() if key != "images"} == animated


@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_a_webm_has_every_picture_and_the_prompt(server, codec):
    inputs = {"images": FRAMES, "codec": codec, "fps": 12.5, "filename_prefix": "x", "crf": 20.0}
    path = saved(server, "SaveWEBM", **inputs, prompt=PROMPT)

    with av.open(str(path)) as container:
        assert json.loads(container.metadata["PROMPT"]) == PROMPT
        assert container.streams.video[0].average_rate == Fraction(25, 2)
        assert len(list(container.decode(video=0))) == 4


async def test_a_newer_server_keeps_transparency_in_vp9():
    rgba = np.full((2, 32, 48, 4), 0.5, dtype=np.float32)
    inputs = {"images": rgba, "codec": "vp9", "fps": 8.0, "filename_prefix": "x", "crf": 20.0}
    async with Server(profile="0.33.0") as server:
        path = saved(server, "SaveWEBM", **inputs)
        with av.open(str(path)) as container:
            assert container.streams.video[0].metadata.get("alpha_mode", "").strip() == "1"


def video(server: Server, **more: Any) -> Any:
    return run(server, "CreateVideo", images=FRAMES, fps=8.0, **more)[0]


def test_a_saved_video_comes_back_with_its_pictures_sound_and_rate(server):
    made = video(server, audio=tone())
    path = saved(server, "SaveVideo", video=made, filename_prefix="video/x", prompt=PROMPT, format="mp4")

    (loaded,) = run(server, "LoadVideo", file=into_input(server, path))
    images, audio, rate = run(server, "GetVideoComponents", video=loaded)

    assert (path.name, images.shape, rate) == ("x_00001_.mp4", (4, 32, 48, 3), 8.0)
    np.testing.assert_allclose(images, FRAMES, atol=0.03)
    assert (audio["sample_rate"], audio["waveform"].shape[:2]) == (RATE, (1, 2))
    assert abs(audio["waveform"].shape[2] - RATE / 2) < 4096
    with av.open(str(server.folder / "input" / path.name)) as container:
        assert json.loads(container.metadata["prompt"]) == PROMPT


def test_a_video_from_a_file_is_copied_and_keeps_its_metadata(server):
    first = saved(server, "SaveVideo", video=video(server), filename_prefix="x", prompt=PROMPT)
    (loaded,) = run(server, "LoadVideo", file=into_input(server, first))

    second = saved(server, "SaveVideo", video=loaded, filename_prefix="x", extra_pnginfo={"more": 1})

    with av.open(str(server.folder / "input" / first.name)) as one, av.open(str(second)) as other:
        assert [bytes(p) for p in one.demux(video=0)] == [bytes(p) for p in other.demux(video=0)]
        assert (json.loads(other.metadata["prompt"]), other.metadata["more"]) == (PROMPT, "1")


@pytest.mark.parametrize(
    ("container", "codec", "suffix", "name"),
    [("mkv", "h264", "mkv", "h264"), ("webm", "auto", "webm", "av1"), ("auto", "av1", "mp4", "av1")],
)
async def test_a_newer_server_saves_in_more_containers(container, codec, suffix, name):
    async with Server(profile="0.33.0") as server:
        choices = {"format": container, "format.codec": codec}
        made = video(server, audio=tone(), bit_depth=10)
        path = saved(server, "SaveVideo", video=made, filename_prefix="x", **choices)
        with av.open(str(path)) as found:
            stream = found.streams.video[0]
            assert (path.suffix, stream.codec.canonical_name) == (f".{suffix}", name)
            assert stream.format.components[0].bits == 10
            assert found.streams.audio[0].codec.name == ("opus" if container == "webm" else "aac")


async def test_a_newer_server_tells_depth_and_colour_space_too():
    async with Server(profile="0.33.0") as server:
        assert run(server, "GetVideoComponents", video=video(server, bit_depth=10))[2:] == (8.0, 10, "sRGB")


def test_a_flac_file_comes_back_as_it_was(server):
    path = saved(server, "SaveAudio", audio=tone(), filename_prefix="audio/x", prompt=PROMPT)

    (loaded,) = run(server, "LoadAudio", audio=into_input(server, path))

    assert (path.name, loaded["sample_rate"]) == ("x_00001_.flac", RATE)
    np.testing.assert_allclose(loaded["waveform"], tone()["waveform"], atol=1 / 2**15)
    with av.open(str(server.folder / "input" / path.name)) as container:
        assert json.loads(container.metadata["prompt"]) == PROMPT


@pytest.mark.parametrize(
    ("name", "quality", "codec", "rate"),
    [
        ("SaveAudioMP3", "V0", "mp3float", 44100),
        ("SaveAudioMP3", "320k", "mp3float", 44100),
        ("SaveAudioOpus", "96k", "libopus", 48000),
    ],
)
def test_sound_is_compressed_at_a_rate_that_the_format_has(server, name, quality, codec, rate):
    path = saved(server, name, audio=tone(channels=1), filename_prefix="x", quality=quality)

    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec.name, stream.sample_rate, stream.channels) in {
            (codec, rate, 1),
            (codec.removesuffix("float").removeprefix("lib"), rate, 1),
        }


def test_sound_that_is_brought_to_another_rate_keeps_its_pitch(server):
    path = saved(server, "SaveAudioOpus", audio=tone(channels=1), filename_prefix="x", quality="96k")

    (loaded,) = run(server, "LoadAudio", audio=into_input(server, path))

    spectrum = np.abs(np.fft.rfft(loaded["waveform"][0, 0]))
    loudest = spectrum.argmax() * loaded["sample_rate"] / loaded["waveform"].shape[2]
    assert loudest == pytest.approx(440, abs=3)


def test_the_next_file_has_the_next_number_however_coarse_the_folders_clock(server):
    folder = server.folder / "output"
    before = folder.stat()
    first = saved(server, "SaveAudio", audio=tone(), filename_prefix="x")
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if it all were in one tick

    second = saved(server, "SaveAudio", audio=tone(), filename_prefix="x")

    assert (first.name, second.name) == ("x_00001_.flac", "x_00002_.flac")


@pytest.mark.parametrize(("profile", "colours"), [("0.3.64", (2, 2)), ("0.33.0", (1, 13))])
async def test_a_newer_server_says_that_colours_are_srgb(profile, colours):
    async with Server(profile=profile) as server:
        path = saved(server, "SaveVideo", video=video(server), filename_prefix="x")
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            assert (context.color_primaries, context.color_trc) == colours


async def test_a_newer_server_encodes_anew_where_quality_or_colours_are_asked_for():
    choices = {"format": "mp4", "format.codec": "h264", "format.codec.encoding": "re-encode"}
    wishes = {"format.codec.encoding.crf": 40.0, "format.codec.encoding.color_space": "HDR"}
    async with Server(profile="0.33.0") as server:
        path = saved(server, "SaveVideo", video=video(server), filename_prefix="x", format="mp4")
        (loaded,) = run(server, "LoadVideo", file=into_input(server, path))
        made = saved(server, "SaveVideo", video=loaded, filename_prefix="x", **choices, **wishes)
        made.rename(server.folder / "input/made.mp4")
        (again,) = run(server, "LoadVideo", file="made.mp4")

        assert run(server, "GetVideoComponents", video=again)[3:] == (10, "HDR")


def test_a_preview_of_sound_is_a_temporary_file_with_letters_of_its_own(server):
    path = saved(server, "PreviewAudio", audio=tone())

    assert path.parent == server.folder / "temp"
    assert path.name.startswith("ComfyUI_temp_")


async def test_a_newer_server_saves_sound_as_it_is_told_and_numbers_it_without_a_dash():
    async with Server(profile="0.33.0") as server:
        choices = {"format": "mp3", "format.quality": "128k"}
        first = saved(server, "SaveAudioAdvanced", audio=tone(), filename_prefix="x", **choices)
        second = saved(server, "SaveAudioAdvanced", audio=tone(), filename_prefix="x", format="flac")

    assert (first.name, second.name) == ("x_00001.mp3", "x_00002.flac")


async def test_a_newer_server_says_that_there_is_no_sound():
    async with Server(profile="0.33.0") as server:
        with pytest.raises(ValueError, match="PreviewAudio: input audio is None"):
            run(server, "PreviewAudio", audio=None)


def test_a_wave_keeps_its_pitch_at_another_rate():
    wave = tone(channels=1)["waveform"]

    there = resampled(wave, RATE, 48000)

    expected = tone(channels=1, rate=48000)["waveform"]
    assert there.shape == expected.shape
    np.testing.assert_allclose(there[..., 100:-100], expected[..., 100:-100], atol=1e-3)


def test_a_latent_comes_back_as_it_was(server):
    latent = {"samples": np.random.default_rng(1).random((2, 4, 3, 5), dtype=np.float32)}
    path = saved(server, "SaveLatent", samples=latent, filename_prefix="latents/x", prompt=PROMPT)

    (loaded,) = run(server, "LoadLatent", latent=into_input(server, path))

    assert path.name == "x_00001_.latent"
    np.testing.assert_array_equal(loaded["samples"], latent["samples"])


def test_a_latent_without_the_mark_of_version_0_was_scaled(server):
    header = {"latent_tensor": {"dtype": "F16", "shape": [1, 1, 1, 1], "data_offsets": [0, 2]}}
    encoded = json.dumps(header).encode()
    content = len(encoded).to_bytes(8, "little") + encoded + np.float16(0.5).tobytes()
    (server.folder / "input/x.latent").write_bytes(content)

    (loaded,) = run(server, "LoadLatent", latent="x.latent")

    np.testing.assert_allclose(loaded["samples"], 0.5 / 0.18215, rtol=1e-6)


def test_an_svg_carries_the_prompt(server):
    documents = SVG([io.BytesIO(b'<svg width="1"><path/></svg>')] * 2)

    path = saved(server, "SaveSVGNode", svg=documents, filename_prefix="svg/x", prompt=PROMPT)

    text = path.read_text()
    assert text.startswith('<svg width="1">\n<metadata><![CDATA[')
    assert json.loads(text.partition("CDATA[")[2].partition("]]>")[0]) == {"prompt": PROMPT}
    assert (path.parent / "x_00002_.svg").exists()


@pytest.mark.parametrize(
    ("name", "field", "file", "words"),
    [
        ("LoadAudio", "audio", "none.wav", "Invalid audio file: none.wav"),
        ("LoadVideo", "file", "../x.mp4", "Invalid video file: ../x.mp4"),
        ("LoadLatent", "latent", "/etc/passwd", "Invalid latent file: /etc/passwd"),
    ],
)
def test_a_file_that_is_outside_or_missing_is_invalid(server, name, field, file, words):
    assert server.life.classes[name].VALIDATE_INPUTS(**{field: file}) == words


def test_without_pyav_its_nodes_say_how_to_get_it(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)

    with pytest.raises(
        RuntimeError, match=r"need PyAV: in a clone of Comfywire, pip install .\.\[server-media\]."
    ):
        run(server, "SaveAudio", audio=tone(), filename_prefix="x")


async def test_files_are_listed_by_what_they_are(server: Server, wire: Wire):
    for name in ("a.wav", "b.mp4", "c.png", "d.latent"):
        (server.folder / "input" / name).touch()

    async def listed(name: str, field: str) -> Any:
        kind, *options = (await wire.get(f"/object_info/{name}"))[1][name]["input"]["required"][field]
        return options[0]["options"] if kind == "COMBO" else kind

    assert await listed("LoadAudio", "audio") == ["a.wav", "b.mp4"]
    assert await listed("LoadVideo", "file") == ["b.mp4"]
    assert await listed("LoadLatent", "latent") == ["d.latent"]
    assert await listed("LoadImageMask", "image") == ["a.wav", "b.mp4", "c.png", "d.latent"]
    assert (await listed("VAELoader", "vae_name"))[-1] == "pixel_space"


async def test_a_text_is_saved_and_json_made_readable():
    async with Server(profile="0.33.0") as server:
        shown = run(server, "SaveText", text='{"a":1}', filename_prefix="x", format="json")["ui"]
        written = (server.folder / "output" / shown["files"][0]["filename"]).read_text()

    assert (shown["files"][0]["filename"], shown["text"]) == ("x_00001.json", ['{"a":1}'])
    assert written == '{\n  "a": 1\n}'


async def test_two_pictures_are_compared_in_temporary_files():
    async with Server(profile="0.33.0") as server:
        shown = run(server, "ImageCompare", image_a=FRAMES[:1], compare_view=None)["ui"]

    assert [entry["type"] for entry in shown["a_images"]] == ["temp"]
    assert shown["a_images"][0]["filename"].startswith("comfy.compare.a_temp_")
    assert shown["b_images"] == []
