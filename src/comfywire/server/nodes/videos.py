"""Videos as values: frames in memory, or a file (comfy_api/latest/_input_impl/video_types.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from comfywire.server.nodes.av_library import pyav
from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.sound_files import decoded

if TYPE_CHECKING:
    from comfywire.server.nodes.resize import Pixels
    from comfywire.server.nodes.sounds import Sound

__all__ = ["CONTAINERS", "Components", "Encoding", "FileVideo", "Video", "in_eight_bits"]

CONTAINERS = {"auto": "mp4", "mp4": "mp4", "mkv": "mkv", "webm": "webm"}
ENCODERS = {"h264": "h264", "av1": "libsvtav1"}
FORMATS = {"mkv": "matroska"}  # FFmpeg's names, where they are others
# What players are told of the colours: primaries, transfer, matrix (FFmpeg's AVCOL numbers).
COLOURS = {"sRGB": (1, 13, 1), "HDR": (9, 18, 9), "HDR PQ": (9, 16, 9)}
TRANSFERS = {1: "sRGB", 13: "sRGB", 18: "HDR", 16: "HDR PQ"}
LIMITED_RANGE = 1
KEEPS_METADATA = {"movflags": "use_metadata_tags"}  # else MP4 keeps only tags that it knows


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a video is to be saved; ``color_space`` is a newer server's wish, ``auto`` for sRGB."""

    container: str = "auto"
    codec: str = "auto"
    crf: float | None = None
    color_space: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Components:
    """A video in memory, and how it will be encoded.

    Attributes:
        says_colours: Whether its colours are converted and marked as sRGB, as newer servers do.

    """

    images: Pixels
    sound: Sound | None
    frame_rate: Fraction
    bit_depth: int = 8
    says_colours: bool = False

    color_space = "sRGB"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.images.shape[2], self.images.shape[1]

    def components(self) -> Components:
        """Return itself."""
        return self

    def save(self, path: str, how: Encoding) -> None:
        """Encode it: H.264 and AAC, or AV1, and Opus in WebM."""
        wished = how.color_space if how.color_space in COLOURS else "sRGB"
        colours = COLOURS[wished] if self.says_colours else None
        depth = max(self.bit_depth, 10) if wished != "sRGB" else self.bit_depth
        with pyav().open(path, mode="w", options=KEEPS_METADATA) as output:
            output.metadata.update({key: json.dumps(value) for key, value in how.metadata.items()})
            rate = Fraction(round(self.frame_rate * 1000), 1000)
            stream = output.add_stream(_encoder(how), rate=rate)
            stream.width, stream.height = self.size
            stream.pix_fmt = "yuv420p10le" if depth > 8 else "yuv420p"
            stream.options = {} if how.crf is None else {"crf": str(how.crf)}
            _mark(stream.codec_context, colours)
            sound = None if self.sound is None else self._sound_stream(output, how.container)
            for image in self.images:
                output.mux(stream.encode(_frame(image, stream.pix_fmt, colours)))
            output.mux(stream.encode(None))
            if sound is not None:
                self._mux_sound(output, sound, rate)

    def _sound_stream(self, output: Any, container: str) -> Any:
        assert self.sound is not None
        if container == "webm":
            return output.add_stream("libopus", rate=48000, layout=_layout(self.sound))
        return output.add_stream("aac", rate=int(self.sound["sample_rate"]), layout=_layout(self.sound))

    def _mux_sound(self, output: Any, stream: Any, frame_rate: Fraction) -> None:
        """Encode the sound, no longer than the frames last."""
        assert self.sound is not None
        av = pyav()
        rate = int(self.sound["sample_rate"])
        wave = self.sound["waveform"][0, :, : ceil(rate / frame_rate * len(self.images))]
        packed = np.ascontiguousarray(wave, dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(packed, format="fltp", layout=_layout(self.sound))
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(format="fltp", layout=_layout(self.sound), rate=stream.rate)
        for made in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(made))
        output.mux(stream.encode(None))


@dataclass(frozen=True, slots=True)
class FileVideo:
    """A video in a file, decoded when somebody asks for its frames."""

    path: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        with pyav().open(self.path) as container:
            stream = self._stream(container)
            return stream.width, stream.height

    @property
    def bit_depth(self) -> int:
        """Bits of a colour."""
        with pyav().open(self.path) as container:
            return int(self._stream(container).format.components[0].bits)

    @property
    def color_space(self) -> str:
        """What the file says of its colours."""
        with pyav().open(self.path) as container:
            return TRANSFERS.get(self._stream(container).codec_context.color_trc, "sRGB")

    def _stream(self, container: Any) -> Any:
        if not container.streams.video:
            raise ValueError(f"No video stream found in file '{self.path}'")
        return container.streams.video[0]

    def components(self) -> Components:
        """Decode every frame, and the sound."""
        with pyav().open(self.path) as container:
            stream = self._stream(container)
            frames: list[Any] = []
            for frame in container.decode(stream):
                bounded(len(frames) + 1, frame.height, frame.width, 3)
                frames.append(frame.to_ndarray(format="rgb24"))
            rate = Fraction(stream.average_rate or 1)
            container.seek(0)
            sounds = container.streams.audio
            sound = decoded(container, sounds[0]) if sounds else None
        images = np.stack(frames).astype(np.float32) / np.float32(255)
        return Components(images, sound, rate)

    def save(self, path: str, how: Encoding) -> None:
        """Copy its streams where the wish allows it, else encode it anew."""
        with pyav().open(self.path) as source:
            wished = FORMATS.get(how.container, how.container)
            is_same = wished in ("auto", *source.format.name.split(",")) and how.codec in (
                "auto",
                self._stream(source).codec.canonical_name,
            )
            if not is_same or how.crf is not None or how.color_space not in (None, "auto"):
                newer = how.color_space is not None or how.crf is not None
                replace(self.components(), says_colours=newer).save(path, how)
                return
            with pyav().open(path, mode="w", options=KEEPS_METADATA) as output:
                output.metadata.update(source.metadata)
                for key, value in how.metadata.items():
                    output.metadata[key] = value if isinstance(value, str) else json.dumps(value)
                _copy(source, output)


def _copy(source: Any, output: Any) -> None:
    """Mux the packets of every video and sound stream as they are."""
    wanted = [*source.streams.video, *source.streams.audio]
    streams = {stream: output.add_stream_from_template(template=stream, opaque=True) for stream in wanted}
    for packet in source.demux(wanted):
        if packet.dts is not None:
            packet.stream = streams[packet.stream]
            output.mux(packet)


def _encoder(how: Encoding) -> str:
    codec = how.codec
    if codec == "auto":
        codec = "av1" if how.container == "webm" else "h264"
    return ENCODERS[codec]


def _frame(image: Pixels, pixel_format: str, colours: tuple[int, int, int] | None) -> Any:
    av = pyav()
    if pixel_format.endswith("10le"):
        levels = np.clip(image[..., :3] * np.float32(65535), 0, 65535).astype(np.uint16)
        frame = av.VideoFrame.from_ndarray(levels, format="rgb48le")
    else:
        frame = av.VideoFrame.from_ndarray(in_eight_bits(image[..., :3]), format="rgb24")
    made = frame.reformat(format=pixel_format, dst_colorspace=None if colours is None else colours[2])
    _mark(made, colours)
    return made


def _mark(target: Any, colours: tuple[int, int, int] | None) -> None:
    if colours is not None:
        target.color_primaries, target.color_trc, target.colorspace = colours
        target.color_range = LIMITED_RANGE


def in_eight_bits(image: Pixels) -> Any:
    """Cut levels off, as all savers do."""
    return np.clip(image * np.float32(255), 0, 255).astype(np.uint8)


def _layout(sound: Sound) -> str:
    return {1: "mono", 6: "5.1"}.get(sound["waveform"].shape[1], "stereo")


Video = Components | FileVideo
