"""Making and changing sound (comfy_extras/nodes_audio.py): a wave [batch, channels, samples] and its rate."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import ONE_LEVEL, DeclaredNode
from comfywire.server.nodes.resample import Wave, resampled

__all__ = [
    "AudioAdjustVolume",
    "AudioConcat",
    "AudioMerge",
    "EmptyAudio",
    "JoinAudioChannels",
    "Sound",
    "SplitAudioChannels",
    "TrimAudioDuration",
]


class Sound(TypedDict):
    """ComfyUI's AUDIO."""

    waveform: Wave
    sample_rate: int


class EmptyAudio(DeclaredNode):
    """Silence."""

    def execute(self, duration: float, sample_rate: int, channels: int) -> tuple[Sound]:
        """Make it."""
        wave = np.zeros(bounded(1, channels, round(duration * sample_rate)), dtype=np.float32)
        return (Sound(waveform=wave, sample_rate=sample_rate),)


class TrimAudioDuration(DeclaredNode):
    """A part of a sound; a negative start counts from the end."""

    def execute(self, audio: Sound, start_index: float, duration: float) -> tuple[Sound]:
        """Cut it."""
        wave, rate = audio["waveform"], audio["sample_rate"]
        length = wave.shape[-1]
        offset = round(start_index * rate)
        start = max(0, min(length + offset if start_index < 0 else offset, length - 1))
        end = max(0, min(start + round(duration * rate), length))
        if start >= end:
            raise ValueError(
                "AudioTrim: Start time must be less than end time and be within the audio length."
            )
        return (Sound(waveform=wave[..., start:end], sample_rate=rate),)


class SplitAudioChannels(DeclaredNode):
    """Left and right as two sounds."""

    def execute(self, audio: Sound) -> tuple[Sound, Sound]:
        """Take them apart."""
        wave = audio["waveform"]
        if wave.shape[1] != 2:
            raise ValueError(self._complaint(wave.shape[1]))
        left, right = (
            Sound(waveform=wave[:, side : side + 1], sample_rate=audio["sample_rate"]) for side in (0, 1)
        )
        return left, right

    def _complaint(self, channels: int) -> str:
        if self.host.is_new:
            return f"AudioSplit: Input audio must be stereo (2 channels), got {channels} channel(s)."
        return "AudioSplit: Input audio has only one channel."


class JoinAudioChannels(DeclaredNode):
    """Two mono sounds as left and right, as long as the shorter."""

    FIDELITY = ONE_LEVEL

    def execute(self, audio_left: Sound, audio_right: Sound) -> tuple[Sound]:
        """Put them together."""
        left, right, rate = _at_one_rate(audio_left, audio_right)
        if left.shape[1] != 1 or right.shape[1] != 1:
            raise ValueError("AudioJoin: Both input audios must be mono.")
        length = min(left.shape[-1], right.shape[-1])
        wave = np.concatenate((left[..., :length], right[..., :length]), axis=1)
        return (Sound(waveform=wave, sample_rate=rate),)


class AudioConcat(DeclaredNode):
    """One sound after the other, in stereo."""

    FIDELITY = ONE_LEVEL

    def execute(self, audio1: Sound, audio2: Sound, direction: str) -> tuple[Sound]:
        """String them together."""
        first, second, rate = _at_one_rate(_stereo(audio1), _stereo(audio2))
        waves = (first, second) if direction == "after" else (second, first)
        return (Sound(waveform=np.concatenate(waves, axis=2), sample_rate=rate),)


class AudioMerge(DeclaredNode):
    """Two sounds at once, as long as the first."""

    FIDELITY = ONE_LEVEL

    def execute(self, audio1: Sound, audio2: Sound, merge_method: str) -> tuple[Sound]:
        """Mix them, and turn the mix down where it is too loud."""
        first, second, rate = _at_one_rate(audio1, audio2)
        length = first.shape[-1]
        if length == 0 or second.shape[-1] == 0:
            return (Sound(waveform=first, sample_rate=rate),)
        missing = max(0, length - second.shape[-1])
        second = np.pad(second[..., :length], ((0, 0), (0, 0), (0, missing)))
        mix = _mixed(first, second, merge_method)
        loudest = np.abs(mix).max()
        return (Sound(waveform=mix / loudest if loudest > 1 else mix, sample_rate=rate),)


class AudioAdjustVolume(DeclaredNode):
    """A sound louder or softer by some decibels."""

    def execute(self, audio: Sound, volume: int) -> tuple[Sound]:
        """Multiply."""
        if volume == 0:
            return (audio,)
        wave = audio["waveform"] * np.float32(10 ** (volume / 20))
        return (Sound(waveform=wave, sample_rate=audio["sample_rate"]),)


def _mixed(first: Wave, second: Wave, method: str) -> Wave:
    match method:
        case "add":
            return first + second
        case "subtract":
            return first - second
        case "multiply":
            return first * second
        case _:
            mean: Wave = (first + second) / np.float32(2)
            return mean


def _stereo(audio: Sound) -> Sound:
    wave = audio["waveform"]
    return Sound(
        waveform=np.repeat(wave, 2, axis=1) if wave.shape[1] == 1 else wave, sample_rate=audio["sample_rate"]
    )


def _at_one_rate(first: Any, second: Any) -> tuple[Wave, Wave, int]:
    """Bring the sound with the lower rate to the higher one."""
    rate = max(first["sample_rate"], second["sample_rate"])
    one, other = (resampled(each["waveform"], each["sample_rate"], rate) for each in (first, second))
    return one, other, rate
