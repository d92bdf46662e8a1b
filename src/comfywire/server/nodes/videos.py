"""Videos as values: frames in memory, or a file (comfy_api/latest/_input_impl/video_types.py)."""

from __future__ import annotations

import json
from dataclasses import dataclass
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

__all__ = ["Components", "FileVideo", "Video", "in_eight_bits"]

CONTAINERS = {"auto": "mp4", "mp4": "mp4", "mkv": "mkv", "webm": "webm"}
ENCODERS = {"h264": "h264", "av1": "libsvtav1"}
KEEPS_METADATA = {"movflags": "use_metadata_tags"}  # else MP4 keeps only tags that it knows


@dataclass(frozen=True, slots=True)
class Components:
    """A video in memory, and how it will be encoded."""

    images: Pixels
    sound: Sound | None
    frame_rate: Fraction
    bit_depth: int = 8

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.images.shape[2], self.images.shape[1]

    def components(self) -> Components:
        """Return itself."""
        return self

    def save(self, path: str, container: str, codec: str, metadata: dict[str, Any] | None) -> None:
        """Encode it: H.264 and AAC, or AV1, and Opus in WebM."""
        codec = ("av1" if container == "webm" else "h264") if codec == "auto" else codec
        with pyav().open(path, mode="w", options=KEEPS_METADATA) as output:
            output.metadata.update({key: json.dumps(value) for key, value in (metadata or {}).items()})
            rate = Fraction(round(self.frame_rate * 1000), 1000)
            stream = output.add_stream(ENCODERS[codec], rate=rate)
            stream.width, stream.height = self.size
            stream.pix_fmt = "yuv420p10le" if self.bit_depth > 8 else "yuv420p"
            sound = None if self.sound is None else self._sound_stream(output, container)
            for image in self.images:
                output.mux(stream.encode(self._frame(image, stream.pix_fmt)))
            output.mux(stream.encode(None))
            if sound is not None:
                self._mux_sound(output, sound, rate)

    def _sound_stream(self, output: Any, container: str) -> Any:
        assert self.sound is not None
        if container == "webm":
            return output.add_stream("libopus", rate=48000, layout=_layout(self.sound))
        return output.add_stream("aac", rate=int(self.sound["sample_rate"]), layout=_layout(self.sound))

    def _frame(self, image: Pixels, pixel_format: str) -> Any:
        av = pyav()
        if self.bit_depth > 8:
            levels = np.clip(image[..., :3] * np.float32(65535), 0, 65535).astype(np.uint16)
            frame = av.VideoFrame.from_ndarray(levels, format="rgb48le")
        else:
            frame = av.VideoFrame.from_ndarray(in_eight_bits(image[..., :3]), format="rgb24")
        return frame.reformat(format=pixel_format)

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

    def save(self, path: str, container: str, codec: str, metadata: dict[str, Any] | None) -> None:
        """Copy its streams where the new container and codec allow it, else encode it anew."""
        with pyav().open(self.path) as source:
            fits = container in ("auto", *source.format.name.split(","))
            if not fits or codec not in ("auto", self._stream(source).codec.name):
                self.components().save(path, container, codec, metadata)
                return
            with pyav().open(path, mode="w", options=KEEPS_METADATA) as output:
                output.metadata.update(source.metadata)
                for key, value in (metadata or {}).items():
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


def in_eight_bits(image: Pixels) -> Any:
    """Cut levels off, as all savers do."""
    return np.clip(image * np.float32(255), 0, 255).astype(np.uint8)


def _layout(sound: Sound) -> str:
    return {1: "mono", 6: "5.1"}.get(sound["waveform"].shape[1], "stereo")


Video = Components | FileVideo
