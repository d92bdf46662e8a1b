"""What the real nodes were asked, and the inputs: made by whole numbers, so that all machines make the same.

``recorded/VERSION.json`` and ``recorded/VERSION.float32.xz`` hold what ComfyUI's own classes answered, on a
CPU with torch 2.9.1, Pillow 13.0 and kornia 0.9.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

SCALE_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
LATENT_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "bislerp")
BLEND_MODES = ("normal", "multiply", "screen", "overlay", "soft_light", "difference")
PORTER_DUFF = (
    "ADD CLEAR DARKEN DST DST_ATOP DST_IN DST_OUT DST_OVER LIGHTEN MULTIPLY OVERLAY SCREEN SRC SRC_ATOP "
    "SRC_IN SRC_OUT SRC_OVER XOR"
).split()
ONLY_NEWER = 1
ONLY_OLDER = -1
TEXT = "The Quick brown fox\n  jumps over 13 lazy dogs, 4 cats and 1 Fox  "


def levels(shape: tuple[int, ...], seed: int) -> Any:
    """Numbers from 0 to 1 in steps of 1/255 that look like chance."""
    places = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(seed * 7919)
    mixed = (places * np.uint64(2654435761) + np.uint64(12345)) % np.uint64(4294967296)
    mixed = (mixed ^ (mixed >> np.uint64(15))) * np.uint64(2246822519) % np.uint64(4294967296)
    return ((mixed >> np.uint64(13)) % np.uint64(256)).astype(np.float32).reshape(shape) / np.float32(255)


def smooth(height: int, width: int, seed: int) -> Any:
    """A picture with gradients, as photographs have."""
    rows, columns = np.mgrid[0:height, 0:width]
    channels = [(rows * (3 + c) * 7 + columns * (5 - c) * 4 + seed * 31) % 256 for c in range(3)]
    return (np.stack(channels, axis=-1).astype(np.float32) / np.float32(255))[None]


def disc(height: int, width: int) -> Any:
    """A bright disc on a dark slope."""
    rows, columns = np.mgrid[0:height, 0:width]
    is_in = (rows * 2 - height) ** 2 + (columns * 2 - width) ** 2 < (height - 6) ** 2
    levels = np.where(is_in, 220, columns * 3)
    return np.repeat((levels.astype(np.float32) / np.float32(255))[None, :, :, None], 3, axis=-1)


def soft(height: int, width: int) -> Any:
    """A mask that grows from nothing to all."""
    rows, columns = np.mgrid[0:height, 0:width]
    return ((rows * 13 + columns * 5) % 101).astype(np.float32)[None] / np.float32(100)


def latent(shape: tuple[int, ...], seed: int, **more: Any) -> dict[str, Any]:
    return {"samples": levels(shape, seed) * np.float32(4) - np.float32(2), **more}


def sound(channels: int, rate: int, seed: int, samples: int = 300) -> dict[str, Any]:
    return {"waveform": levels((1, channels, samples), seed) - np.float32(0.5), "sample_rate": rate}


INPUTS: dict[str, Any] = {
    "@photo": smooth(11, 14, 1),
    "@other": smooth(11, 14, 5),
    "@wide": smooth(6, 17, 3),
    "@round": disc(24, 30),
    "@noise": levels((2, 10, 12, 3), 1),
    "@rgba": levels((1, 11, 14, 4), 2),
    "@mask": soft(11, 14),
    "@masks": levels((2, 9, 12), 4),
    "@small_mask": soft(5, 6),
    "@binary": (levels((1, 12, 13), 8) > 0.8).astype(np.float32),
    "@grey": np.repeat(levels((1, 7, 8, 1), 9), 3, axis=-1),
    "@latent": latent((2, 4, 10, 12), 1),
    "@latent2": latent((2, 4, 10, 12), 2),
    "@latent_small": latent((1, 4, 6, 7), 3),
    "@latent_numbered": latent((3, 4, 9, 9), 4, batch_index=[4, 6, 7]),
    "@latent_masked": latent((2, 4, 9, 9), 4, noise_mask=levels((2, 1, 72, 72), 5)[:, :, ::8, ::8]),
    "@sigmas": np.array([14.6, 7.0, 3.0, 1.0, 0.4, 0.0], dtype=np.float32),
    "@mono": sound(1, 44100, 1),
    "@stereo": sound(2, 44100, 2),
    "@slow": sound(2, 24000, 3, samples=150),
    "@loud": {"waveform": sound(2, 44100, 4)["waveform"] * np.float32(3), "sample_rate": 44100},
}


def cases() -> Iterator[tuple[str, dict[str, Any], int]]:
    """Each class, its inputs, and which version alone has it or behaves so."""
    yield from (*_pictures(), *_masks(), *_latents(), *_sounds(), *_values())


def _case(name: str, only: int = 0, /, **inputs: Any) -> tuple[str, dict[str, Any], int]:
    return name, inputs, only


def _pictures() -> Iterator[tuple[str, dict[str, Any], int]]:
    for color in (0, 0xFF8001, 0x123456):
        yield _case("EmptyImage", width=3, height=2, batch_size=2, color=color)
    yield _case("ImageInvert", image="@photo")
    yield _case("ImageBatch", image1="@photo", image2="@other")
    yield _case("ImageBatch", image1="@photo", image2="@wide")
    yield _case("ImageBatch", ONLY_NEWER, image1="@photo", image2="@rgba")
    yield _case("ImageCrop", image="@noise", width=4, height=5, x=3, y=2)
    yield _case("ImageCrop", image="@noise", width=40, height=50, x=30, y=20)
    yield _case("RepeatImageBatch", image="@noise", amount=3)
    for index, length in ((0, 1), (1, 4), (9, 2)):
        yield _case("ImageFromBatch", image="@noise", batch_index=index, length=length)
    for rotation in ("none", "90 degrees", "180 degrees", "270 degrees"):
        yield _case("ImageRotate", image="@noise", rotation=rotation)
        yield _case("LatentRotate", samples="@latent", rotation=rotation)
    for method in ("x-axis: vertically", "y-axis: horizontally"):
        yield _case("ImageFlip", image="@noise", flip_method=method)
        yield _case("LatentFlip", samples="@latent", flip_method=method)
    for left, top, right, bottom, feathering in ((8, 0, 0, 8, 3), (0, 8, 16, 0, 0), (8, 8, 8, 8, 40)):
        sides = {"left": left, "top": top, "right": right, "bottom": bottom}
        yield _case("ImagePadForOutpaint", image="@photo", **sides, feathering=feathering)
    for method in SCALE_METHODS:
        for width, height, crop in (
            (7, 5, "disabled"),
            (29, 17, "disabled"),
            (10, 10, "center"),
            (0, 22, "disabled"),
        ):
            yield _case(
                "ImageScale", image="@photo", upscale_method=method, width=width, height=height, crop=crop
            )
        yield _case("ImageScale", image="@noise", upscale_method=method, width=19, height=5, crop="center")
        yield _case("ImageScaleBy", image="@noise", upscale_method=method, scale_by=1.6)
        yield _case("ImageScaleBy", image="@noise", upscale_method=method, scale_by=0.37)
        yield _case("ImageScaleToMaxDimension", image="@photo", upscale_method=method, largest_size=9)
        sizes = {"target_width": 20, "target_height": 13}
        yield _case("ResizeAndPadImage", image="@wide", **sizes, padding_color="white", interpolation=method)
    yield _case(
        "ResizeAndPadImage",
        image="@wide",
        target_width=9,
        target_height=9,
        padding_color="black",
        interpolation="area",
    )
    yield _case("ImageScaleToMaxDimension", image="@noise", upscale_method="area", largest_size=5)
    yield from _stitched()
    yield from _changed()
    yield from _mixed()


def _stitched() -> Iterator[tuple[str, dict[str, Any], int]]:
    for direction in ("right", "down", "left", "up"):
        for match in (True, False):
            for spacing, color in ((0, "white"), (3, "red"), (2, "white")):
                look = {
                    "direction": direction,
                    "match_image_size": match,
                    "spacing_width": spacing,
                    "spacing_color": color,
                }
                yield _case("ImageStitch", image1="@photo", image2="@wide", **look)
    look = {"direction": "right", "match_image_size": True, "spacing_width": 4, "spacing_color": "blue"}
    yield _case("ImageStitch", image1="@photo", **look)
    yield _case("ImageStitch", image1="@noise", image2="@rgba", **look)
    yield _case("ImageStitch", image1="@rgba", image2="@noise", **look)


def _changed() -> Iterator[tuple[str, dict[str, Any], int]]:
    for radius, sigma in ((1, 1.0), (3, 0.4), (5, 2.0)):
        yield _case("ImageBlur", image="@noise", blur_radius=radius, sigma=sigma)
        yield _case("ImageSharpen", image="@photo", sharpen_radius=radius, sigma=sigma, alpha=0.5)
    yield _case("ImageSharpen", image="@noise", sharpen_radius=2, sigma=1.0, alpha=2.0)
    for dither in ("none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"):
        yield _case("ImageQuantize", image="@photo", colors=7, dither=dither)
        yield _case("ImageQuantize", image="@noise", colors=30, dither=dither)
    for operation in ("erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat"):
        yield _case("Morphology", image="@photo", operation=operation, kernel_size=3)
        yield _case("Morphology", image="@noise", operation=operation, kernel_size=4)
    for low, high in ((0.1, 0.3), (0.4, 0.8), (0.01, 0.5)):
        for picture in ("@noise", "@round"):  # not gradients alone: there, rounding chooses between equals
            yield _case("Canny", image=picture, low_threshold=low, high_threshold=high)
    for picture in ("@photo", "@noise", "@grey"):
        for seed in (0, 7, 2**40 + 3):
            yield _case("ImageAddNoise", image=picture, seed=seed, strength=0.3)
    yield _case("ImageRGBToYUV", image="@photo")
    yield _case("ImageYUVToRGB", Y="@photo", U="@other", V="@photo")


def _mixed() -> Iterator[tuple[str, dict[str, Any], int]]:
    for mode in BLEND_MODES:
        for factor in (0.5, 1.0, 0.3):
            yield _case("ImageBlend", image1="@photo", image2="@other", blend_factor=factor, blend_mode=mode)
    yield _case("ImageBlend", image1="@photo", image2="@wide", blend_factor=0.4, blend_mode="normal")
    yield _case("ImageBlend", image1="@photo", image2="@rgba", blend_factor=0.4, blend_mode="screen")
    yield _case(
        "ImageBlend", ONLY_NEWER, image1="@rgba", image2="@photo", blend_factor=0.4, blend_mode="screen"
    )
    for mode in PORTER_DUFF:
        images = {"source": "@photo", "destination": "@other", "mode": mode}
        yield _case("PorterDuffImageComposite", **images, source_alpha="@mask", destination_alpha="@mask")
    yield _case(
        "PorterDuffImageComposite",
        source="@wide",
        destination="@photo",
        source_alpha="@small_mask",
        destination_alpha="@mask",
        mode="SRC_OVER",
    )
    for image in ("@photo", "@rgba"):
        yield _case("SplitImageWithAlpha", image=image)
        yield _case("JoinImageWithAlpha", image=image, alpha="@mask")
    yield _case("JoinImageWithAlpha", image="@noise", alpha="@small_mask")
    for x, y in ((0, 0), (3, 2), (10, 9), (40, 40)):
        place = {"x": x, "y": y, "resize_source": False}
        yield _case("ImageCompositeMasked", destination="@photo", source="@wide", **place)
        yield _case(
            "ImageCompositeMasked", destination="@noise", source="@photo", mask="@small_mask", **place
        )
        yield _case("LatentCompositeMasked", destination="@latent", source="@latent_small", **place)
    place = {"x": 2, "y": 1, "resize_source": True}
    yield _case("ImageCompositeMasked", destination="@photo", source="@wide", mask="@mask", **place)
    yield _case("ImageCompositeMasked", destination="@photo", source="@rgba", mask="@mask", **place)
    place["x"] = 16
    yield _case("LatentCompositeMasked", destination="@latent", source="@latent_small", mask="@mask", **place)


def _masks() -> Iterator[tuple[str, dict[str, Any], int]]:
    yield _case("SolidMask", value=0.3, width=3, height=2)
    for mask in ("@mask", "@masks"):
        yield _case("MaskToImage", mask=mask)
        yield _case("InvertMask", mask=mask)
        yield _case("ThresholdMask", mask=mask, value=0.4)
        yield _case("CropMask", mask=mask, x=2, y=3, width=5, height=40)
        for edges in ((0, 0, 0, 0), (3, 0, 2, 0), (1, 2, 3, 4), (50, 0, 0, 50)):
            names = dict(zip(("left", "top", "right", "bottom"), edges, strict=True))
            yield _case("FeatherMask", mask=mask, **names)
    for channel in ("red", "green", "blue", "alpha"):
        yield _case("ImageToMask", image="@rgba", channel=channel)
    yield _case("ImageColorToMask", image="@grey", color=0)
    yield _case("ImageColorToMask", image="@photo", color=0x0B0906)
    for operation in ("multiply", "add", "subtract", "and", "or", "xor"):
        yield _case(
            "MaskComposite", destination="@masks", source="@small_mask", x=2, y=1, operation=operation
        )
        yield _case("MaskComposite", destination="@mask", source="@mask", x=9, y=7, operation=operation)
    for expand in (0, 1, 3, -1, -2):
        for tapered in (True, False):
            yield _case("GrowMask", mask="@binary", expand=expand, tapered_corners=tapered)
            yield _case("GrowMask", mask="@mask", expand=expand, tapered_corners=tapered)


def _latents() -> Iterator[tuple[str, dict[str, Any], int]]:
    yield _case("EmptyLatentImage", width=24, height=32, batch_size=2)
    yield _case("EmptySD3LatentImage", width=24, height=32, batch_size=1)
    yield _case("EmptyLatentAudio", seconds=1.3, batch_size=1)
    yield _case("EmptyAceStepLatentAudio", seconds=1.3, batch_size=1)
    yield _case("EmptyHunyuanLatentVideo", width=16, height=32, length=9, batch_size=1)
    for method in LATENT_METHODS:
        for width, height, crop in ((72, 64, "disabled"), (136, 96, "center"), (0, 120, "disabled")):
            size = {"width": width, "height": height, "crop": crop}
            yield _case("LatentUpscale", samples="@latent_small", upscale_method=method, **size)
        yield _case("LatentUpscaleBy", samples="@latent", upscale_method=method, scale_by=1.5)
    for samples in ("@latent", "@latent_numbered", "@latent_masked"):
        yield _case("LatentFromBatch", samples=samples, batch_index=1, length=5)
        yield _case("RepeatLatentBatch", samples=samples, amount=2)
        yield _case("LatentBatchSeedBehavior", samples=samples, seed_behavior="fixed")
        yield _case("LatentBatchSeedBehavior", samples=samples, seed_behavior="random")
    yield _case("LatentCrop", samples="@latent", width=64, height=64, x=16, y=8)
    yield _case("LatentCrop", samples="@latent", width=64, height=64, x=160, y=80)
    for dim in ("x", "y", "t"):
        for index, amount in ((0, 2), (3, 20), (-2, 1), (-20, 3)):
            yield _case("LatentCut", samples="@latent", dim=dim, index=index, amount=amount)
        yield _case("LatentConcat", samples1="@latent", samples2="@latent2", dim=dim)
        yield _case("LatentConcat", samples1="@latent", samples2="@latent2", dim=f"-{dim}")
    for name in ("LatentAdd", "LatentSubtract", "LatentBatch"):
        yield _case(name, samples1="@latent", samples2="@latent2")
        yield _case(name, samples1="@latent", samples2="@latent_small")
    yield _case("LatentBatch", samples1="@latent_numbered", samples2="@latent_small")
    yield _case("LatentMultiply", samples="@latent", multiplier=1.37)
    for ratio in (0.0, 0.3, 1.0):
        yield _case("LatentInterpolate", samples1="@latent_small", samples2="@latent2", ratio=ratio)
        yield _case("LatentBlend", samples1="@latent", samples2="@latent2", blend_factor=ratio)
    yield _case("LatentBlend", samples1="@latent", samples2="@latent_small", blend_factor=0.6)
    for x, y, feather in ((0, 0, 0), (16, 8, 0), (16, 24, 16), (0, 24, 24), (56, 72, 16)):
        place = {"x": x, "y": y, "feather": feather}
        yield _case("LatentComposite", samples_to="@latent", samples_from="@latent_small", **place)
    yield _case("SetLatentNoiseMask", samples="@latent", mask="@mask")
    yield from _schedules()


def _schedules() -> Iterator[tuple[str, dict[str, Any], int]]:
    limits = {"sigma_max": 14.614642, "sigma_min": 0.0291675}
    for steps in (1, 7, 20):
        yield _case("KarrasScheduler", steps=steps, **limits, rho=7.0)
        yield _case("ExponentialScheduler", steps=steps, **limits)
        yield _case("PolyexponentialScheduler", steps=steps, **limits, rho=1.3)
        yield _case("LaplaceScheduler", steps=steps, **limits, mu=0.1, beta=0.5)
        yield _case("VPScheduler", steps=steps, beta_d=19.9, beta_min=0.1, eps_s=0.001)
    yield _case("SplitSigmas", sigmas="@sigmas", step=2)
    for denoise in (0.0, 0.5, 1.0):
        yield _case("SplitSigmasDenoise", sigmas="@sigmas", denoise=denoise)
    yield _case("FlipSigmas", sigmas="@sigmas")
    yield _case("SetFirstSigma", sigmas="@sigmas", sigma=20.5)
    for spacing in ("linear", "cosine", "sine"):
        reach = {"steps": 3, "start_at_sigma": -1.0, "end_at_sigma": 2.0, "spacing": spacing}
        yield _case("ExtendIntermediateSigmas", sigmas="@sigmas", **reach)


def _sounds() -> Iterator[tuple[str, dict[str, Any], int]]:
    yield _case("EmptyAudio", duration=0.01, sample_rate=8000, channels=2)
    for start, duration in ((0.0, 0.002), (0.001, 60.0), (-0.004, 0.002)):
        yield _case("TrimAudioDuration", audio="@stereo", start_index=start, duration=duration)
    yield _case("SplitAudioChannels", audio="@stereo")
    yield _case("JoinAudioChannels", ONLY_NEWER, audio_left="@mono", audio_right="@mono")
    for first, second in (
        ("@stereo", "@mono"),
        ("@mono", "@mono"),
        ("@stereo", "@slow"),
        ("@slow", "@stereo"),
    ):
        for direction in ("after", "before"):
            yield _case("AudioConcat", audio1=first, audio2=second, direction=direction)
    for method in ("add", "mean", "subtract", "multiply"):
        yield _case("AudioMerge", audio1="@stereo", audio2="@loud", merge_method=method)
        yield _case("AudioMerge", audio1="@stereo", audio2="@slow", merge_method=method)
    for volume in (0, 6, -7):
        yield _case("AudioAdjustVolume", audio="@stereo", volume=volume)


def _values() -> Iterator[tuple[str, dict[str, Any], int]]:
    yield _case("StringConcatenate", string_a="a", string_b="b", delimiter=", ")
    for start, end in ((0, 4), (-5, -1), (3, 1000)):
        yield _case("StringSubstring", string=TEXT, start=start, end=end)
    yield _case("StringLength", string=TEXT)
    for mode in ("UPPERCASE", "lowercase", "Capitalize", "Title Case"):
        yield _case("CaseConverter", string=TEXT, mode=mode)
    for mode in ("Both", "Left", "Right"):
        yield _case("StringTrim", string=f"\n {TEXT}", mode=mode)
    yield _case("StringReplace", string=TEXT, find="o", replace="0")
    for sensitive in (True, False):
        yield _case("StringContains", string=TEXT, substring="FOX", case_sensitive=sensitive)
        for mode in ("Equal", "Starts With", "Ends With"):
            for other in ("the", TEXT, "FOX  "):
                yield _case(
                    "StringCompare", string_a=TEXT, string_b=other, mode=mode, case_sensitive=sensitive
                )
    for pattern in (r"fox", r"(\d+) (\w+)", r"^\s+jumps", r"fox.*jumps", r"nothing", r"(unclosed"):
        for on in (True, False):
            how = {"case_insensitive": on, "multiline": on, "dotall": on}
            yield _case("RegexMatch", string=TEXT, regex_pattern=pattern, **how)
            for mode in ("First Match", "All Matches", "First Group", "All Groups"):
                for group in (1, 2):
                    yield _case(
                        "RegexExtract",
                        string=TEXT,
                        regex_pattern=pattern,
                        mode=mode,
                        group_index=group,
                        **how,
                    )
            if pattern != r"(unclosed":
                yield _case(
                    "RegexReplace", string=TEXT, regex_pattern=pattern, replace=r"<\g<0>>", count=1, **how
                )
    for value in (7, -3):
        yield _case("PrimitiveInt", value=value)
    yield _case("PrimitiveFloat", value=0.1)
    yield _case("PrimitiveString", value="a")
    yield _case("PrimitiveStringMultiline", value="a\nb")
    yield _case("PrimitiveBoolean", value=True)
    yield from _newer_values()


def _newer_values() -> Iterator[tuple[str, dict[str, Any], int]]:
    for value in (3, 2.75, True, " 12 ", "0x10", "1e3", "-0.5"):
        if value != "0x10":
            yield _case("ComfyNumberConvert", ONLY_NEWER, value=value)
    for color in ("#ff8001", "#01020380"):
        yield _case("ColorToRGBInt", ONLY_NEWER, color=color)
    yield _case("SeedNode", ONLY_NEWER, seed=5)
    for expression in (
        "a + b",
        "max(values) * 2 ** 3 // a",
        "a > b or not c",
        "sqrt(a) if c else -b",
        "sum(a, b)",
    ):
        numbers = {"values.a": 9, "values.b": 2.5, "values.c": True}
        yield _case("ComfyMathExpression", ONLY_NEWER, expression=expression, **numbers)
    for name in ("ComfyAndNode", "ComfyOrNode"):
        for pair in ((1, ""), (0, ""), ("a", 2)):
            yield _case(name, ONLY_NEWER, **{"values.value0": pair[0], "values.value1": pair[1]})
    yield _case("StringFormat", ONLY_NEWER, f_string="{a:>6}|{b:.2f}", **{"values.a": "x", "values.b": 2.345})
    for key in ("a", "b", "none"):
        yield _case("JsonExtractString", ONLY_NEWER, json_string='{"a": [1, 2], "b": null}', key=key)
    for shape, multiple in (("1:1 (Square)", 8), ("16:9 (Widescreen)", 64), ("2:3 (Portrait Photo)", 32)):
        yield _case("ResolutionSelector", ONLY_NEWER, aspect_ratio=shape, megapixels=1.5, multiple=multiple)
    yield _case("ManualSigmas", ONLY_NEWER, sigmas="14.6, 7, 2.5 -0.5; .25 0")
    for steps, side in ((4, 1024), (20, 512), (30, 2048)):
        yield _case("Flux2Scheduler", ONLY_NEWER, steps=steps, width=side, height=side)
    yield _case("EmptyFlux2LatentImage", ONLY_NEWER, width=32, height=48, batch_size=1)
    yield from _newer_sizes()


def _newer_sizes() -> Iterator[tuple[str, dict[str, Any], int]]:
    ways: dict[str, dict[str, Any]] = {
        "scale dimensions": {"width": 9, "height": 0, "crop": "center"},
        "scale by multiplier": {"multiplier": 1.5},
        "scale longer dimension": {"longer_size": 9},
        "scale shorter dimension": {"shorter_size": 9},
        "scale width": {"width": 20},
        "scale height": {"height": 20},
        "match size": {"match": "@wide", "crop": "center"},
        "scale to multiple": {"multiple": 4},
    }
    for way, wishes in ways.items():
        given = {f"resize_type.{name}": value for name, value in wishes.items()}
        for picture in ("@photo", "@masks"):
            inputs = {"input": picture, "resize_type": way, "scale_method": "bilinear", **given}
            yield _case("ResizeImageMaskNode", ONLY_NEWER, **inputs)
    images = {"images.image0": "@photo", "images.image1": "@rgba", "images.image2": "@wide"}
    yield _case("BatchImagesNode", ONLY_NEWER, **images)
    yield _case("BatchMasksNode", ONLY_NEWER, **{"masks.mask0": "@mask", "masks.mask1": "@masks"})
    latents = {"latents.latent0": "@latent", "latents.latent1": "@latent_small"}
    yield _case("BatchLatentsNode", ONLY_NEWER, **latents)
    for value in (0, 1, "", "a"):
        yield _case("ComfyNotNode", ONLY_NEWER, value=value)
    for switch in (True, False):
        yield _case("ComfySwitchNode", ONLY_NEWER, switch=switch, on_true="yes", on_false="no")
