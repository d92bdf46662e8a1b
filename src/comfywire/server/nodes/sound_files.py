"""Sound from files and to files (comfy_extras/nodes_audio.py), with PyAV as there."""

# VALIDATE_INPUTS and its like are ComfyUI's names.
# ruff: noqa: N802

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np

from comfywire.server.nodes.av_library import pyav
from comfywire.server.nodes.declared import ONE_LEVEL
from comfywire.server.nodes.files import FileNode
from comfywire.server.nodes.resample import Wave, resampled
from comfywire.server.nodes.saving import PreviewFolder, SavingNode, as_json
from comfywire.server.nodes.sounds import Sound

__all__ = [
    "LoadAudio",
    "PreviewAudio",
    "SaveAudio",
    "SaveAudioAdvanced",
    "SaveAudioMP3",
    "SaveAudioOpus",
    "decoded",
]

ENCODERS = {"flac": "flac", "mp3": "libmp3lame", "opus": "libopus"}
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
FULL_SCALE = {np.dtype(np.int16): 2**15, np.dtype(np.int32): 2**31}


class SaveAudio(SavingNode):
    """A FLAC file for each sound of a batch."""

    format = "flac"

    def execute(
        self,
        audio: Sound,
        filename_prefix: str = "ComfyUI",
        quality: str = "",
        prompt: dict[str, Any] | None = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write the files and name them."""
        if audio is None and self.host.is_new:
            name = type(self).__name__
            raise ValueError(f"{name}: input audio is None (source video may have no audio track).")
        target = self._target(filename_prefix)
        ending = "." if self.host.is_new else "_."
        metadata = as_json(prompt, extra_pnginfo)
        saved = []
        for number, wave in enumerate(audio["waveform"]):
            stem = target.filename.replace("%batch_num%", str(number))
            name = f"{stem}_{target.counter + number:05}{ending}{self.format}"
            content = _encoded(wave, audio["sample_rate"], self.format, quality, metadata)
            saved.append(self._write(target, name, content))
        return self._shown(target, {"audio": saved}, audio, count=len(saved))


class SaveAudioMP3(SaveAudio):
    """An MP3 file for each sound of a batch."""

    format = "mp3"


class SaveAudioOpus(SaveAudio):
    """An Opus file for each sound of a batch, at a rate that Opus has."""

    FIDELITY = ONE_LEVEL
    format = "opus"


class SaveAudioAdvanced(SaveAudio):
    """A file in FLAC, MP3 or Opus for each sound of a batch."""

    def execute(self, audio: Sound, filename_prefix: str, **choices: Any) -> dict[str, Any]:  # type: ignore[override]
        """Write the files and name them."""
        quality = choices.pop("format.quality", "")
        self.format = choices.pop("format")
        return super().execute(audio, filename_prefix, quality, **choices)


class PreviewAudio(PreviewFolder, SaveAudio):
    """A FLAC file in ``temp``."""


class LoadAudio(FileNode):
    """The sound of a file in ``input``, of a video too."""

    WORD = "audio"

    @classmethod
    def VALIDATE_INPUTS(cls, audio: str) -> str | bool:
        """Check that the file is there."""
        return cls._is_there(audio)

    @classmethod
    def IS_CHANGED(cls, audio: str) -> str:
        """Return the file's hash, so that other bytes under the same name are loaded again."""
        return cls._digest(audio)

    def execute(self, audio: str) -> tuple[Sound]:
        """Decode it."""
        with pyav().open(self._path(audio)) as container:
            if not container.streams.audio:
                raise ValueError("No audio stream found in the file.")
            sound = decoded(container, container.streams.audio[0])
        if sound is None:
            raise ValueError("No audio frames decoded.")
        return (sound,)


def decoded(container: Any, stream: Any) -> Sound | None:
    """Return all sound of a stream, with one sound in the batch."""
    channels = stream.channels
    parts = []
    for frame in container.decode(stream):
        part = frame.to_ndarray()
        parts.append(part if part.shape[0] == channels else part.reshape(-1, channels).T)
    if not parts:
        return None
    wave = np.concatenate(parts, axis=1)
    scale = FULL_SCALE.get(wave.dtype, 1)
    return Sound(
        waveform=(wave.astype(np.float32) / np.float32(scale))[None],
        sample_rate=stream.codec_context.sample_rate,
    )


def _encoded(wave: Wave, rate: int, kind: str, quality: str, metadata: dict[str, str]) -> memoryview:
    """Encode a wave [channels, samples]."""
    if kind == "opus" and rate not in OPUS_RATES:
        supported = next((each for each in OPUS_RATES if each > rate), OPUS_RATES[-1])
        wave, rate = resampled(wave, rate, supported), supported
    av = pyav()
    buffer = BytesIO()
    layout = "mono" if wave.shape[0] == 1 else "stereo"
    with av.open(buffer, mode="w", format=kind) as container:
        container.metadata.update(metadata)
        stream = container.add_stream(ENCODERS[kind], rate=rate, layout=layout)
        if quality.endswith("k"):
            stream.bit_rate = int(quality[:-1]) * 1000
        elif quality == "V0":
            stream.codec_context.qscale = True
        packed = np.ascontiguousarray(wave.T, dtype=np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getbuffer()
