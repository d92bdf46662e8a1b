"""Videos from files and to files (comfy_extras/nodes_video.py), with PyAV as there."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfywire.server.nodes.av_library import pyav
from comfywire.server.nodes.declared import DeclaredNode
from comfywire.server.nodes.files import FileNode
from comfywire.server.nodes.saving import SavingNode, as_json
from comfywire.server.nodes.videos import CONTAINERS, Components, Encoding, FileVideo, in_eight_bits

if TYPE_CHECKING:
    from comfywire.server.nodes.resize import Pixels
    from comfywire.server.nodes.sounds import Sound
    from comfywire.server.nodes.videos import Video

__all__ = ["CreateVideo", "GetVideoComponents", "LoadVideo", "SaveVideo", "SaveWEBM"]

WEBM_ENCODERS = {"vp9": "libvpx-vp9", "av1": "libsvtav1"}
WEBM_FORMATS = {"vp9": "yuv420p", "av1": "yuv420p10le"}


class SaveWEBM(SavingNode):
    """A batch of pictures as a WebM file."""

    def execute(
        self,
        images: Pixels,
        *,
        codec: str,
        fps: float,
        filename_prefix: str,
        crf: float,
        prompt: dict[str, Any] | None = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Encode them; newer servers keep an alpha channel in VP9."""
        target = self._target(filename_prefix, (images.shape[2], images.shape[1]))
        name = f"{target.filename}_{target.counter:05}_.webm"
        has_alpha = self.host.is_new and images.shape[-1] == 4 and codec == "vp9"
        av = pyav()
        with av.open(str(Path(target.folder, name)), mode="w") as container:
            container.metadata.update(as_json(prompt, extra_pnginfo))
            stream = container.add_stream(WEBM_ENCODERS[codec], rate=Fraction(round(fps * 1000), 1000))
            stream.width, stream.height = images.shape[2], images.shape[1]
            stream.pix_fmt = "yuva420p" if has_alpha else WEBM_FORMATS[codec]
            stream.bit_rate = 0
            stream.options = {"crf": str(crf)} | ({"preset": "6"} if codec == "av1" else {})
            for image in images:
                levels = in_eight_bits(image[..., : 4 if has_alpha else 3])
                frame = av.VideoFrame.from_ndarray(levels, format="rgba" if has_alpha else "rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return self._shown(target, _animation(name, target.subfolder), images)


class SaveVideo(SavingNode):
    """A video as an MP4 file; 0.33.0 also as Matroska or WebM, with AV1."""

    def execute(
        self,
        video: Video,
        filename_prefix: str,
        prompt: dict[str, Any] | None = None,
        extra_pnginfo: dict[str, Any] | None = None,
        **choices: Any,
    ) -> dict[str, Any]:
        """Write it; a video from a file keeps its streams where it can."""
        target = self._target(filename_prefix, video.size)
        how = Encoding(
            container=choices.get("format", "auto"),
            codec=choices.get("format.codec") or choices.get("codec") or "auto",
            crf=choices.get("format.codec.encoding.crf"),
            color_space=choices.get("format.codec.encoding.color_space"),
            metadata={**(extra_pnginfo or {}), **({} if prompt is None else {"prompt": prompt})},
        )
        name = f"{target.filename}_{target.counter:05}_.{CONTAINERS[how.container]}"
        video.save(str(Path(target.folder, name)), how)
        return self._shown(target, _animation(name, target.subfolder), video)


class CreateVideo(DeclaredNode):
    """Pictures, and sound if there is any, as a video in memory."""

    def execute(
        self, images: Pixels, fps: float, audio: Sound | None = None, bit_depth: int = 8
    ) -> tuple[Video]:
        """Keep them together; encoding is the saver's."""
        return (Components(images, audio, Fraction(fps), bit_depth, says_colours=self.host.is_new),)


class GetVideoComponents(DeclaredNode):
    """A video's pictures, sound and rate; in 0.33.0 its depth and colour space too."""

    def execute(self, video: Video) -> tuple[Any, ...]:
        """Decode it if it is a file."""
        parts = video.components()
        found = (parts.images, parts.sound, float(parts.frame_rate), video.bit_depth, video.color_space)
        return found[: len(self.RETURN_TYPES)]

    RETURN_TYPES: tuple[str, ...] = ()


class LoadVideo(FileNode):
    """A video file in ``input``."""

    WORD = "video"

    @classmethod
    def VALIDATE_INPUTS(cls, file: str) -> str | bool:  # noqa: N802 - ComfyUI's name
        """Check that the file is there."""
        return cls._is_there(file)

    @classmethod
    def IS_CHANGED(cls, file: str) -> float:  # noqa: N802 - ComfyUI's name
        """Return when the file was written: hashing a film takes long."""
        return Path(cls._path(file)).stat().st_mtime

    def execute(self, file: str) -> tuple[Video]:
        """Name the file; whoever needs its frames decodes it."""
        return (FileVideo(self._path(file)),)


def _animation(name: str, subfolder: str) -> dict[str, Any]:
    return {"images": [{"filename": name, "subfolder": subfolder, "type": "output"}], "animated": [True]}
